//! The figures of the detector, source by source.
//!
//! Owns counting and the table; it trains nothing. Thresholds are taken from the harmless texts of each channel. Called by
//! `xtask eval`.

use std::fmt::Write;

use creel_scan::injection::Channel;
use creel_scan::injection::training::Strength;

use super::rows::Row;

/// A text and what a model that never saw its source thinks of it.
pub(crate) struct Scored<'a> {
    pub(crate) row: &'a Row,
    pub(crate) odds: f32,
    pub(crate) strength: Option<Strength>,
    pub(crate) rules: &'a [&'static str],
}

/// Shares of harmless texts that may be flagged, for the summary.
const SHARES: [f64; 3] = [0.005, 0.01, 0.03];

pub(crate) fn render(all: &[Scored<'_>]) -> String {
    let mut out = String::new();
    by_source(all, &mut out);
    by_rule(all, &mut out);
    let quiet = |share: f64| threshold(all, share, &|one| !one.row.is_data());
    let _ = writeln!(
        out,
        "odds of what users type that is harmless: 0.3% above {:.2}, 1% above {:.2}, 3% above {:.2}",
        quiet(0.003),
        quiet(0.01),
        quiet(0.03)
    );
    for share in SHARES {
        let threshold = threshold(all, share, &|one| one.row.is_data());
        let name = format!("{:.1}% of harmless data flagged, odds {threshold:.2}", share * 100.0);
        summary(all, &name, &|one| one.odds > threshold, &mut out);
    }
    summary(all, "thresholds as shipped", &|one| one.odds >= channel(one).odds(), &mut out);
    out
}

fn channel(one: &Scored<'_>) -> Channel {
    Channel::named(&one.row.channel).unwrap_or(Channel::Unknown)
}

/// A kind of text, what a prototype by the same recipe reached on unseen sources at 1% false alarms, and what belongs to it.
type Kind = (&'static str, &'static str, fn(&Row) -> bool);

/// The kinds that the summary counts.
const KINDS: [Kind; 8] = [
    ("attacks in data", ".471", |row| row.is_attack && row.is_data() && !is_disguised(row)),
    ("attacks in data, in disguise", "", |row| row.is_attack && row.is_data() && is_disguised(row)),
    ("attacks typed by the user", "", |row| row.is_attack && !row.is_data() && !is_disguised(row)),
    ("explicit overrides", ".98", is_override),
    ("harmless data", ".010", |row| !row.is_attack && row.is_data()),
    ("harmless, typed by the user", "", |row| !row.is_attack && !row.is_data()),
    ("harmless, full of trigger words", ".062", |row| row.hard == "adversarial_benign"),
    ("harmless, encoded", "0", |row| row.hard == "encoded_benign"),
];

fn is_disguised(row: &Row) -> bool {
    row.source.starts_with("obfuscated/")
}

/// Attacks that say in plain words that what came before no longer counts.
fn is_override(row: &Row) -> bool {
    row.is_attack && matches!(row.technique.as_str(), "override" | "instruction_override") && row.is_data()
}

fn summary(all: &[Scored<'_>], name: &str, hit: &dyn Fn(&Scored<'_>) -> bool, out: &mut String) {
    let _ = writeln!(out, "{name} (texts, share flagged, a prototype's at 1%):");
    for (kind, prototype, belongs) in KINDS {
        let (count, share) = rate(all, &|one| belongs(one.row), hit);
        let _ = writeln!(out, "  {kind:<34} {count:>5} {share:>7.3}   {prototype}");
    }
}

/// The odds that so many harmless texts of a kind exceed.
fn threshold(all: &[Scored<'_>], share: f64, kind: &dyn Fn(&Scored<'_>) -> bool) -> f32 {
    let mut harmless: Vec<f32> = all.iter().filter(|one| !one.row.is_attack && kind(one)).map(|one| one.odds).collect();
    harmless.sort_by(|one, other| other.total_cmp(one));
    harmless.get((harmless.len() as f64 * share) as usize).copied().unwrap_or(f32::INFINITY)
}

/// How many texts are meant, and the share of them that is hit.
fn rate(all: &[Scored<'_>], which: &dyn Fn(&Scored<'_>) -> bool, hit: &dyn Fn(&Scored<'_>) -> bool) -> (usize, f64) {
    let (count, hits) = all
        .iter()
        .filter(|one| which(one))
        .fold((0, 0), |(count, hits), one| (count + 1, hits + usize::from(hit(one))));
    (count, hits as f64 / (count as f64).max(1.0))
}

fn by_source(all: &[Scored<'_>], out: &mut String) {
    let mut groups: Vec<(&str, bool, &str)> =
        all.iter().map(|one| (one.row.source.as_str(), one.row.is_attack, one.row.channel.as_str())).collect();
    groups.sort_unstable();
    groups.dedup();
    let threshold = threshold(all, 0.01, &|one| one.row.is_data());
    let _ = writeln!(
        out,
        "{:<34} {:<9} {:<11} {:>5} {:>7} {:>6} {:>6}",
        "source", "", "channel", "texts", "flagged", "sure", "likely"
    );
    for (source, is_attack, channel) in groups {
        let which =
            |one: &Scored<'_>| one.row.source == source && one.row.is_attack == is_attack && one.row.channel == channel;
        let kind = if is_attack { "attack" } else { "harmless" };
        let (count, flagged) = rate(all, &which, &|one| one.odds > threshold);
        let sure = rate(all, &which, &|one| one.strength == Some(Strength::Sure)).1;
        let likely = rate(all, &which, &|one| one.strength >= Some(Strength::Likely)).1;
        let _ =
            writeln!(out, "{source:<34} {kind:<9} {channel:<11} {count:>5} {flagged:>7.3} {sure:>6.3} {likely:>6.3}");
    }
}

fn by_rule(all: &[Scored<'_>], out: &mut String) {
    let mut ids: Vec<&str> = all.iter().flat_map(|one| one.rules.iter().copied()).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let hit = |one: &Scored<'_>| one.rules.contains(&id);
        let _ = writeln!(
            out,
            "{id:<34} attacks in data {:.4}, of the user {:.4}; harmless data {:.4}, of the user {:.4}",
            rate(all, &|one| one.row.is_attack && one.row.is_data(), &hit).1,
            rate(all, &|one| one.row.is_attack && !one.row.is_data(), &hit).1,
            rate(all, &|one| !one.row.is_attack && one.row.is_data(), &hit).1,
            rate(all, &|one| !one.row.is_attack && !one.row.is_data(), &hit).1,
        );
    }
}
