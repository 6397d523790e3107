//! `xtask train` and `xtask eval`: the detector's weights, and how good they are.
//!
//! Owns the folds and the weights file. Every figure leaves the source out that it is measured on: a random split flatters
//! (0.92 where 0.47 is true). It reads the development set, which is not part of this repository, and writes one file.

mod carriers;
mod learn;
mod report;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use creel_scan::injection::training::{Bag, bag};

use learn::{Example, Model};
use report::Scored;
use rows::Row;

/// Where the weights go, from the root of the tree.
const WEIGHTS: &str = "crates/scan/weights/injection.bin";

/// Writes the weights that the whole set teaches.
pub(crate) fn train(data: &Path) -> Result<String, String> {
    let set = Set::read(data)?;
    let bytes = set.fit(None).bytes();
    std::fs::write(WEIGHTS, &bytes).map_err(|error| format!("`{WEIGHTS}`: {error}"))?;
    Ok(format!("train: {} texts, `{WEIGHTS}` has {} bytes\n", set.rows.len(), bytes.len()))
}

/// Prints the figures, source by source, each by a model that never saw the source.
pub(crate) fn eval(data: &Path) -> Result<String, String> {
    let set = Set::read(data)?;
    let mut odds = vec![f32::NEG_INFINITY; set.rows.len()];
    // What may not be trained on at all is measured with the model that ships.
    for held in (0..rows::FOLDS.len()).map(Some).chain([None]) {
        let model = set.fit(held);
        for ((row, bag), odds) in set.rows.iter().zip(&set.bags).zip(&mut odds) {
            if rows::measured_by(row) == held {
                *odds = model.highest(bag);
            }
        }
    }
    let scored = set.rows.iter().zip(&set.bags).zip(&odds);
    let scored: Vec<Scored<'_>> = scored
        .map(|((row, bag), odds)| Scored { row, odds: *odds, strength: bag.strength(), rules: &bag.rules })
        .collect();
    Ok(report::render(&scored))
}

/// The texts, and what the model sees of them.
struct Set {
    rows: Vec<Row>,
    bags: Vec<Bag>,
    /// Harmless rows of our own making.
    more: Vec<(Row, Bag)>,
    grams: rows::Grams,
}

impl Set {
    fn read(data: &Path) -> Result<Self, String> {
        let rows = rows::read(data)?;
        let bags: Vec<Bag> = rows.iter().map(|row| bag(&row.text)).collect();
        let harmless = rows.iter().zip(&bags).filter(|(row, _)| !row.is_attack).map(|(_, bag)| bag);
        let grams = rows::Grams::of(harmless);
        let more = carriers::wrapped(&rows)
            .into_iter()
            .map(|row| (bag(&row.text), row))
            .map(|(bag, row)| (row, bag))
            .collect();
        Ok(Self { rows, bags, more, grams })
    }

    /// The model of all texts that may be trained on, but for those of one fold and those that quote them.
    fn fit(&self, held: Option<usize>) -> Model {
        let is_held = |row: &Row| held.is_some() && rows::fold(&row.source).is_none_or(|fold| Some(fold) == held);
        // Attacks buried in web pages would teach the pages: no harmless page may be trained on.
        let is_buried = |row: &Row| row.is_attack && row.is_embedded && row.channel == "web";
        let quoted = rows::Passages::of(self.rows.iter().filter(|row| !row.is_attack && is_held(row)));
        let used = |row: &Row| {
            let is_left_out = is_held(row) || is_buried(row) || row.is_attack && quoted.quoted_in(&row.text);
            row.may_train && !is_left_out
        };
        let all = self.rows.iter().zip(&self.bags).chain(self.more.iter().map(|(row, bag)| (row, bag)));
        let kept: Vec<(&Row, &Bag)> = all.filter(|(row, _)| used(row)).collect();
        let mut counts: BTreeMap<(&str, bool), f32> = BTreeMap::new();
        for (row, _) in &kept {
            *counts.entry((&row.source, row.is_attack)).or_default() += 1.0;
        }
        let example = |(row, bag): &(&Row, &'_ Bag)| {
            let count = counts.get(&(row.source.as_str(), row.is_attack)).copied().unwrap_or(1.0);
            // A large source teaches more than a small one, but not by its size.
            let weight = (300.0 / count.max(30.0)).sqrt();
            let (order, rest) = if row.is_embedded { self.grams.order(bag) } else { (None, Vec::new()) };
            (row.is_attack, order, rest, weight)
        };
        let examples: Vec<Example<'_>> = kept
            .iter()
            .map(|pair| {
                let (is_attack, order, rest, weight) = example(pair);
                Example { bag: pair.1, is_attack, order, rest, weight }
            })
            .collect();
        learn::learn(&examples, learn::Knobs::default())
    }
}
