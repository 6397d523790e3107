//! `[budget]`: what the model may cost.
//!
//! Owns the section, [`Budget`] and the table of prices. What was spent is counted by the guard's process.

use super::check::Checker;
use super::settings::{Legal, section};
use super::size::Placed;

section! {
    /// What the model may cost, in US dollars. What a prompt used is read of each answer and priced; beyond a limit prompts are
    /// refused until the hour or the day (UTC) is over, or `creel budget reset`. `creel budget` shows what was spent.
    RawBudget "budget" {
        /// At most so much within an hour.
        per_hour: Option<Placed<f64>> = None, Legal::Number { min: 0.01, max: 1_000_000.0 },
            why "what is much depends on the work", example "5.0";
        /// At most so much within a day.
        per_day: Option<Placed<f64>> = None, Legal::Number { min: 0.01, max: 1_000_000.0 },
            why "what is much depends on the work", example "25.0";
        /// You are told (`[[alerts]]`) when so many per cent of a limit are spent, and when all is.
        warn: Placed<u64> = Placed::unset(80), Legal::Count { min: 1, max: 100 }, why "there is time left to act";
        /// Prices, in dollars a million tokens, read and written: they go before the shipped ones. `*` at the end of a name is
        /// any text. A model of no price costs what the dearest shipped one does.
        prices: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()),
            Legal::Texts("a model's name and two prices, with blanks between them"),
            why "the shipped table knows the usual models", example "[\"my-model* 0.5 1.5\"]";
    }
}

/// What the model may cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Within an hour, in millionths of a dollar.
    pub per_hour: Option<u64>,
    /// Within a day.
    pub per_day: Option<u64>,
    /// Per cent of a limit at which people are told.
    pub warn: u64,
    /// The operator's prices.
    pub prices: Vec<Price>,
}

/// What a million tokens cost, in millionths of a dollar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// The model's name, or its beginning with `*` behind it.
    pub model: String,
    /// Read.
    pub input: u64,
    /// Written.
    pub output: u64,
}

/// Dollars a million tokens, read and written, as public lists of November 2026 have them; where prompts of a great length cost more,
/// that is what stands here. The longest name that fits counts. Names that are not here, of a family that is, cost what an unknown
/// model does: the next one may be dearer than all before it.
const SHIPPED: [(&str, f64, f64); 65] = [
    ("scripted*", 0.0, 0.0),
    ("gpt-5", 1.25, 10.0),
    ("gpt-5-2*", 1.25, 10.0),
    ("gpt-5-chat*", 1.25, 10.0),
    ("gpt-5-codex*", 1.25, 10.0),
    ("gpt-5-search*", 1.25, 10.0),
    ("gpt-5-mini*", 0.25, 2.0),
    ("gpt-5-nano*", 0.05, 0.4),
    ("gpt-5-pro*", 15.0, 120.0),
    ("gpt-5.1*", 1.25, 10.0),
    ("gpt-5.2*", 1.75, 14.0),
    ("gpt-5.2-pro*", 21.0, 168.0),
    ("gpt-5.3*", 1.75, 14.0),
    ("gpt-5.4*", 2.5, 15.0),
    ("gpt-5.4-mini*", 0.75, 4.5),
    ("gpt-5.4-nano*", 0.2, 1.25),
    ("gpt-5.4-pro*", 30.0, 180.0),
    ("gpt-5.5*", 5.0, 30.0),
    ("gpt-5.5-cyber*", 12.5, 75.0),
    ("gpt-5.5-pro*", 30.0, 180.0),
    ("gpt-5.6", 4.0, 20.0),
    ("gpt-5.6-sol*", 4.0, 20.0),
    ("gpt-5.6-terra*", 2.0, 12.0),
    ("gpt-5.6-luna*", 0.2, 1.2),
    ("gpt-5.6-cyber*", 12.5, 75.0),
    ("gpt-4.1*", 2.0, 8.0),
    ("gpt-4.1-mini*", 0.4, 1.6),
    ("gpt-4.1-nano*", 0.1, 0.4),
    ("gpt-4o*", 2.5, 10.0),
    ("gpt-4o-2024-05-13", 5.0, 15.0),
    ("gpt-4o-mini*", 0.15, 0.6),
    ("o1", 15.0, 60.0),
    ("o1-2*", 15.0, 60.0),
    ("o1-pro*", 150.0, 600.0),
    ("o3", 2.0, 8.0),
    ("o3-2*", 2.0, 8.0),
    ("o3-mini*", 1.1, 4.4),
    ("o3-pro*", 20.0, 80.0),
    ("o3-deep-research*", 10.0, 40.0),
    ("o4-mini*", 1.1, 4.4),
    ("o4-mini-deep-research*", 2.0, 8.0),
    ("claude-opus-4*", 15.0, 75.0),
    ("claude-opus-4-5*", 5.0, 25.0),
    ("claude-opus-4-6*", 5.0, 25.0),
    ("claude-opus-4-7*", 5.0, 25.0),
    ("claude-opus-4-8*", 5.0, 25.0),
    ("claude-opus-5*", 5.0, 25.0),
    ("claude-sonnet-4*", 3.0, 15.0),
    ("claude-sonnet-5*", 2.0, 10.0),
    ("claude-haiku-4-5*", 1.0, 5.0),
    ("claude-haiku-5-5*", 0.1, 0.5),
    ("claude-fable-5*", 10.0, 50.0),
    ("claude-mythos*", 10.0, 50.0),
    ("gemini-2.5-pro", 2.5, 15.0),
    ("gemini-2.5-flash*", 0.3, 2.5),
    ("gemini-2.5-flash-lite*", 0.1, 0.4),
    ("gemini-3-flash*", 0.5, 3.0),
    ("gemini-3.1-flash-lite*", 0.25, 1.5),
    ("gemini-3.1-pro*", 4.0, 18.0),
    ("gemini-3.5-flash*", 1.5, 9.0),
    ("gemini-3.5-flash-lite*", 0.3, 2.5),
    ("gemini-3.6-flash*", 0.75, 3.75),
    ("gemini-3.7-flash*", 0.75, 3.75),
    ("gemini-3.8-flash*", 0.75, 3.75),
    ("gemini-4-argon*", 2.0, 10.0),
];
/// What a model of no price costs: as much as the dearest on those lists.
const UNKNOWN: (f64, f64) = (150.0, 600.0);
/// What Anthropic asks for a token that it reads from its cache, of the price of one that it reads: a tenth.
const CACHED: u128 = 10;

impl Budget {
    /// What these tokens of `model` cost, in millionths of a dollar, rounded up.
    #[must_use]
    pub fn cost(&self, model: &str, input: u64, cached: u64, output: u64) -> u64 {
        let (read, written) = self.price(model);
        let (read, written) = (u128::from(read), u128::from(written));
        let total = u128::from(input) * read + u128::from(cached) * read / CACHED + u128::from(output) * written;
        u64::try_from(total.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    fn price(&self, model: &str) -> (u64, u64) {
        // brokers of models write who makes one before its name
        let name = model.rsplit('/').next().unwrap_or(model);
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => model.starts_with(start) || name.starts_with(start),
            None => model == pattern || name == pattern,
        };
        let own = self.prices.iter().filter(|price| fits(&price.model)).max_by_key(|price| price.model.len());
        if let Some(Price { input, output, .. }) = own {
            return (*input, *output);
        }
        let shipped = SHIPPED.iter().filter(|(model, ..)| fits(model)).max_by_key(|(model, ..)| model.len());
        let (input, output) = shipped.map_or(UNKNOWN, |(_, input, output)| (*input, *output));
        (micro(input), micro(output))
    }
}

/// Dollars as millionths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as is saturates, and a NaN is 0")]
fn micro(dollars: f64) -> u64 {
    (dollars * 1e6).round() as u64
}

impl Checker<'_> {
    pub(super) fn budget(&mut self, raw: RawBudget) -> Budget {
        let RawBudget { per_hour, per_day, warn, prices } = raw;
        let limit = |limit: Option<Placed<f64>>| limit.map(|limit| micro(limit.value));
        let mut read = Vec::new();
        for line in &prices.value {
            match price(&line.value) {
                Some(price) => read.push(price),
                None => {
                    let what = format!("`budget.prices` can't hold `{}`", super::check::short(&line.value));
                    self.fault(line.span.clone(), what, "legal is, for instance, `my-model* 0.5 1.5`");
                }
            }
        }
        Budget { per_hour: limit(per_hour), per_day: limit(per_day), warn: warn.value, prices: read }
    }
}

fn price(line: &str) -> Option<Price> {
    let mut words = line.split_whitespace();
    let (model, input, output) = (words.next()?, words.next()?, words.next()?);
    let dollars = |word: &str| word.parse::<f64>().ok().filter(|price| (0.0..=1e6).contains(price)).map(micro);
    let whole = words.next().is_none() && !model.trim_end_matches('*').contains('*');
    Some(Price { model: model.to_owned(), input: dollars(input)?, output: dollars(output)? }).filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(lines: &str) -> Result<Budget, String> {
        let config = Config::again("c".as_ref(), &format!("[budget]\n{lines}\n"), &[]);
        config.map(|config| config.budget().clone()).map_err(|report| report.to_string())
    }

    #[test]
    fn the_longest_name_counts_and_the_operators_price_before_the_shipped() {
        let shipped = Budget::default();
        for (model, cost) in [
            ("gpt-5", 11_250_000),
            ("gpt-5-mini-2025-08-07", 2_250_000),
            ("openrouter/anthropic/claude-sonnet-4-5", 18_000_000),
            ("claude-opus-4-5-20251101", 30_000_000),
            ("o3-pro-2025-06-10", 100_000_000),
            ("nobody-knows", 750_000_000),
            ("gpt-5.9", 750_000_000),
            ("scripted", 0),
        ] {
            assert_eq!(shipped.cost(model, 1_000_000, 0, 1_000_000), cost, "{model}");
        }
        assert_eq!((shipped.cost("gpt-5", 1, 0, 0), shipped.cost("claude-sonnet-4", 0, 1_000_000, 0)), (2, 300_000));
        assert_eq!(shipped.cost("gpt-5", u64::MAX, u64::MAX, u64::MAX), u64::MAX);
        let own = read("prices = [\"gpt-5* 1 1\", \"vendor/x 0 2\"]").unwrap();
        assert_eq!(own.cost("gpt-5-mini", 1_000_000, 0, 1_000_000), 2_000_000);
        assert_eq!(own.cost("vendor/x", 1_000_000, 0, 1_000_000), 2_000_000);
    }

    #[test]
    fn limits_and_prices_are_read_and_faults_told() {
        let full = read("per_hour = 5\nper_day = 25.5\nwarn = 50").unwrap();
        assert_eq!((full.per_hour, full.per_day, full.warn), (Some(5_000_000), Some(25_500_000), 50));
        for line in ["x", "x 1", "x 1 -1", "x 1 NaN", "x 1 2 3", "a*b 1 2"] {
            let told = read(&format!("prices = [\"{line}\"]")).unwrap_err();
            assert!(told.contains("`budget.prices` can't hold"), "{line}: {told}");
        }
    }
}
