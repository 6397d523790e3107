//! Which class a word belongs to: an order to ignore, an instruction, a secret, a tool …
//!
//! Owns the look-up from a word's hash to its [`Class`], by whole word, by stem and, in scripts without spaces, by
//! longest piece. It knows no sentence and decides nothing. Called by the tokeniser for each word.

mod words;

use std::sync::OnceLock;

/// What a word is, as far as injections are concerned. `Plain` is everything else.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(u8)]
pub(crate) enum Class {
    #[default]
    Plain = 0,
    Override,
    Instruction,
    Previous,
    All,
    You,
    Me,
    Please,
    Must,
    Not,
    Reveal,
    Secrecy,
    System,
    Assistant,
    Tool,
    Now,
    Credential,
    Data,
    User,
    Role,
    Answer,
    Act,
    Money,
    Human,
    Rot13,
    Backward,
    Leet,
    Stop,
    /// Override words that stand behind what they order to ignore.
    Undone,
    /// A web address, as one token.
    Url,
    /// A mail address, as one token.
    Mail,
    /// Digits alone.
    Number,
    /// Letters and digits mixed.
    Code,
}

impl Class {
    /// The class that a pattern names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [
            ("override", Self::Override),
            ("instruction", Self::Instruction),
            ("previous", Self::Previous),
            ("all", Self::All),
            ("you", Self::You),
            ("me", Self::Me),
            ("please", Self::Please),
            ("must", Self::Must),
            ("not", Self::Not),
            ("reveal", Self::Reveal),
            ("secrecy", Self::Secrecy),
            ("system", Self::System),
            ("assistant", Self::Assistant),
            ("tool", Self::Tool),
            ("now", Self::Now),
            ("credential", Self::Credential),
            ("data", Self::Data),
            ("user", Self::User),
            ("role", Self::Role),
            ("answer", Self::Answer),
            ("act", Self::Act),
            ("money", Self::Money),
            ("undone", Self::Undone),
            ("url", Self::Url),
            ("mail", Self::Mail),
            ("number", Self::Number),
            ("code", Self::Code),
        ];
        all.iter().find(|(known, _)| *known == name).map(|(_, class)| *class)
    }
}

/// The longest piece, in characters, of a script without spaces.
pub(crate) const LONGEST_PIECE: usize = 6;

const SLOTS: usize = 1 << 13;
const BLOOM: usize = 1 << 16;
const SHORTEST_STEM: usize = 4;
const LONGEST_STEM: usize = 12;

/// The start of every word's hash.
pub(crate) const SEED: u32 = 0x811c_9dc5;

/// One more byte in a word's hash (FNV-1a: short, and good enough for words).
#[inline]
pub(crate) const fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}

/// The hash of a whole word.
pub(crate) fn hash(word: &[u8]) -> u32 {
    word.iter().fold(SEED, |hash, byte| step(hash, *byte))
}

/// The table of words and the table of stems.
pub(crate) struct Lexicon {
    words: Box<[(u32, Class); SLOTS]>,
    stems: Box<[u64; BLOOM / 64]>,
    stem_words: Box<[(u32, Class); SLOTS]>,
}

impl Lexicon {
    /// The one lexicon, built at the first call.
    pub(crate) fn get() -> &'static Self {
        static BUILT: OnceLock<Lexicon> = OnceLock::new();
        BUILT.get_or_init(Self::build)
    }

    fn build() -> Self {
        let mut built = Self {
            words: Box::new([(0, Class::Plain); SLOTS]),
            stems: Box::new([0; BLOOM / 64]),
            stem_words: Box::new([(0, Class::Plain); SLOTS]),
        };
        for (class, list) in words::WORDS {
            for word in list.split_whitespace() {
                let lower = word.replace('_', " ").to_lowercase();
                match lower.strip_suffix('*') {
                    Some(stem) => built.add_stem(stem.as_bytes(), *class),
                    None => put(&mut built.words, hash(lower.as_bytes()), *class),
                }
            }
        }
        built
    }

    fn add_stem(&mut self, stem: &[u8], class: Class) {
        put(&mut self.words, hash(stem), class);
        let hash = hash(stem);
        put(&mut self.stem_words, hash, class);
        let bit = hash as usize % BLOOM;
        if let Some(word) = self.stems.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    /// The class of a whole word by its hash.
    #[inline]
    pub(crate) fn word(&self, hash: u32) -> Class {
        find(&self.words, hash)
    }

    /// The class of the longest stem that `word` starts with.
    #[inline]
    pub(crate) fn stem(&self, word: &[u8]) -> Class {
        let mut hash = SEED;
        let mut found = Class::Plain;
        for (at, byte) in word.iter().take(LONGEST_STEM * 2).enumerate() {
            hash = step(hash, byte.to_ascii_lowercase());
            let bit = hash as usize % BLOOM;
            let set = self.stems.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1);
            if set && at + 1 >= SHORTEST_STEM {
                let class = find(&self.stem_words, hash);
                found = if class == Class::Plain { found } else { class };
            }
        }
        found
    }
}

fn place(hash: u32) -> usize {
    (hash ^ hash >> 15) as usize
}

/// Open addressing; the first to come keeps the word.
fn put(table: &mut [(u32, Class); SLOTS], hash: u32, class: Class) {
    for offset in 0..SLOTS {
        let Some(slot) = table.get_mut((place(hash) + offset) % SLOTS) else { return };
        if slot.0 == hash {
            return;
        }
        if slot.1 == Class::Plain {
            *slot = (hash, class);
            return;
        }
    }
}

#[inline]
fn find(table: &[(u32, Class); SLOTS], hash: u32) -> Class {
    let mut at = place(hash) % SLOTS;
    while let Some((known, class)) = table.get(at) {
        if *known == hash {
            return *class;
        }
        if *class == Class::Plain {
            break;
        }
        at = (at + 1) % SLOTS;
    }
    Class::Plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, class: Class) {
        let lexicon = Lexicon::get();
        let found = match lexicon.word(hash(word.as_bytes())) {
            Class::Plain => lexicon.stem(word.as_bytes()),
            found => found,
        };
        assert_eq!(found, class, "{word}");
    }

    #[test]
    fn words_stems_and_pieces_are_known() {
        check("ignore", Class::Override);
        check("anweisungen", Class::Instruction);
        check("disregarding", Class::Override);
        check("предыдущие", Class::Previous);
        check("忽略", Class::Override);
        check("butterfly", Class::Plain);
        check("the", Class::Stop);
    }
}
