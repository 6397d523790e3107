//! The labelled texts.
//!
//! Owns reading them: the development set's lines, and the lines of our own that stand beside the weights. It changes no
//! text. Called by `train` and `eval`.

use std::path::Path;

use creel_scan::injection::training::Bag;
use serde_json::Value;

/// A labelled text.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) source: String,
    pub(crate) channel: String,
    pub(crate) technique: String,
    pub(crate) hard: String,
    pub(crate) text: String,
    pub(crate) is_attack: bool,
    /// The attack is a part of the text, and most of it is not.
    pub(crate) is_embedded: bool,
    /// Its licence allows it into shipped weights.
    pub(crate) may_train: bool,
}

impl Row {
    /// Text that comes from outside, not from the person who asks.
    pub(crate) fn is_data(&self) -> bool {
        self.channel != "user"
    }
}

/// Reads JSON lines.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let rows = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    rows.map(|(at, line)| parse(line).ok_or_else(|| format!("`{}`: line {} is no row", path.display(), at + 1)))
        .collect()
}

fn parse(line: &str) -> Option<Row> {
    let value: Value = serde_json::from_str(line).ok()?;
    let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Row {
        source: value.get("source")?.as_str()?.to_owned(),
        channel: value.get("channel")?.as_str()?.to_owned(),
        technique: word("technique"),
        hard: word("hard"),
        text: value.get("text")?.as_str()?.to_owned(),
        is_attack: value.get("label")?.as_str()? == "injection",
        is_embedded: value.get("embedded").and_then(Value::as_bool).unwrap_or(false),
        may_train: word("use") == "train",
    })
}

/// Sources that share their texts or their makers are left out together: attacks and harmless texts of one fold.
pub(crate) const FOLDS: [&[&str]; 7] = [
    &["asb", "spamassassin/"],
    &["bipia-"],
    &["bastioncorpus", "cargo-"],
    &["garak-", "tau-bench"],
    &["injecguard-", "wildguard-"],
    &["pyrit-", "cse-"],
    &["authored-", "obfuscated-benign/"],
];

/// The fold that leaves a source out. Obfuscated attacks are made from the others, so that every fold leaves them out.
pub(crate) fn fold(source: &str) -> Option<usize> {
    FOLDS.iter().position(|sources| sources.iter().any(|start| source.starts_with(start)))
}

/// The fold whose model measures a row; `None`: the model of everything. Disguised attacks, which are made of the attacks of
/// all sources, are left to the first fold, and flatter a little.
pub(crate) fn measured_by(row: &Row) -> Option<usize> {
    fold(&row.source).or(row.is_attack.then_some(0))
}

/// Passages of texts, to find them again inside others.
#[derive(Debug, Default)]
pub(crate) struct Passages(std::collections::HashSet<u64>);

/// Words in a passage.
const PASSAGE: usize = 6;

impl Passages {
    pub(crate) fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut all = Self::default();
        for row in rows {
            passages(&row.text, |passage| {
                all.0.insert(passage);
            });
        }
        all
    }

    /// Whether a text holds any of them.
    pub(crate) fn quoted_in(&self, text: &str) -> bool {
        let mut shared = 0;
        passages(text, |passage| shared += usize::from(self.0.contains(&passage)));
        shared > 2
    }
}

fn passages(text: &str, mut give: impl FnMut(u64)) {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 1);
    let mut last = [0_u64; PASSAGE];
    for (at, word) in words.enumerate() {
        let hash = word
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        last.rotate_left(1);
        if let Some(end) = last.last_mut() {
            *end = hash;
        }
        if at + 1 >= PASSAGE {
            give(last.iter().fold(0, |all, hash| all.rotate_left(9) ^ hash));
        }
    }
}

/// Runs of words that stand in harmless texts.
#[derive(Debug, Default)]
pub(crate) struct Grams(std::collections::HashSet<u64>);

const GRAM: usize = 4;
/// The longest order that is taken for one, in words, all layers together.
const ORDER: usize = 200;

/// Ranges of features.
type Windows = Vec<(u32, u32)>;

impl Grams {
    pub(crate) fn of<'a>(bags: impl Iterator<Item = &'a Bag>) -> Self {
        let mut all = Self::default();
        for bag in bags {
            all.0.extend(bag.words.windows(GRAM).map(gram));
        }
        all
    }

    /// The windows of an embedded attack that hold the order, and those that hold nothing of it.
    pub(crate) fn order(&self, bag: &Bag) -> (Option<Windows>, Windows) {
        let mut foreign = vec![true; bag.words.len()];
        for (at, words) in bag.words.windows(GRAM).enumerate() {
            if self.0.contains(&gram(words)) {
                foreign.iter_mut().skip(at).take(GRAM).for_each(|foreign| *foreign = false);
            }
        }
        let total = foreign.iter().filter(|foreign| **foreign).count();
        if total > ORDER {
            // Not the order, but a carrier that nobody knows.
            return (Some(Vec::new()), Vec::new());
        }
        if total < 3 || total * 10 > foreign.len() * 9 {
            return (None, Vec::new());
        }
        let count = |span: &(u32, u32)| {
            foreign.get(span.0 as usize..span.1 as usize).unwrap_or_default().iter().filter(|foreign| **foreign).count()
        };
        let counts: Vec<usize> = bag.spans.iter().map(count).collect();
        let best = counts.iter().copied().max().unwrap_or(0);
        let pick = |wanted: &dyn Fn(usize) -> bool| -> Windows {
            bag.windows.iter().zip(&counts).filter(|(_, count)| wanted(**count)).map(|(window, _)| *window).collect()
        };
        (Some(pick(&|count| count * 4 >= best * 3)), pick(&|count| count == 0))
    }
}

fn gram(words: &[u32]) -> u64 {
    words.iter().fold(0xcbf2_9ce4_8422_2325, |all, word| (all ^ u64::from(*word)).wrapping_mul(0x100_0000_01b3))
}
