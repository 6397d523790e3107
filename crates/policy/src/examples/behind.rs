//! What stands behind an act.
//!
//! Owns the reading of options: addresses, lengths, counts, headers. Never reads the act itself. Called by [`super`].

use creel_guard::{Facts, Headers, Spent};

use super::cut;

/// Takes each `with NAME=VALUE` out of the options.
pub(super) fn headers(options: &str) -> Result<(String, Headers), String> {
    let mut words = options.split_whitespace();
    let (mut rest, mut lines) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        if word != "with" {
            rest.push(word);
            continue;
        }
        let line = words.next().and_then(|line| line.split_once('='));
        lines.push(line.ok_or("`with` needs `NAME=VALUE`")?);
    }
    Ok((rest.join(" "), Headers::new(lines.into_iter().map(|(name, value)| (name, value.as_bytes())))))
}

/// Reads `at` and `body`; returns the word before them, if any.
pub(super) fn options<'a>(text: &'a str, facts: &mut Facts, body: &mut Option<Option<u64>>) -> Result<&'a str, String> {
    let (mut before, mut rest) = ("", text);
    while !rest.is_empty() {
        let (word, after) = cut(rest);
        let (value, after_value) = cut(after);
        match word {
            "at" if value == "nowhere" => facts.addresses.clear(),
            "at" => {
                let read = |text: &str| text.parse().map_err(|_| format!("`{text}` is no address"));
                facts.addresses = value.split(',').map(read).collect::<Result<_, _>>()?;
            }
            "now" | "siblings" | "spent" | "unseen" => {
                let number = value.parse().map_err(|_| format!("`{value}` is no number"))?;
                match word {
                    "siblings" => facts.siblings = Some(number),
                    "now" => facts.at = Some(number),
                    "spent" => facts.spent = vec![Spent { key: 0, count: number }],
                    _ => facts.unseen = Some(number),
                }
            }
            "body" if value == "?" => *body = Some(None),
            "body" => *body = Some(Some(value.parse().map_err(|_| format!("`{value}` is no length"))?)),
            word if before.is_empty() => {
                before = word;
                rest = after;
                continue;
            }
            word => return Err(format!("`{word}` is no option")),
        }
        rest = after_value;
    }
    Ok(before)
}
