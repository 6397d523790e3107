//! Words of a text, as they are compared.
//!
//! Owns folding (what can't be seen, full-width letters), the split into [`Word`]s and their stems. Never reads meaning:
//! [`crate::intent`] does. Everything that compares words comes here, so that two places never split differently.

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Lower case.
    pub(crate) text: String,
    /// Without its ending, for comparing verbs and nouns.
    pub(crate) stem: String,
    /// It stands in quotes: a value, no request.
    pub(crate) quoted: bool,
    /// It starts with a capital in the middle of a sentence, or holds a digit: a name.
    pub(crate) name: bool,
    /// A new sentence or line begins with it.
    pub(crate) starts: bool,
}

/// The text without what nobody sees, full-width letters as plain ones.
pub(crate) fn fold(text: &str) -> String {
    text.chars().filter(|c| !is_invisible(*c)).map(narrow).collect()
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
}

fn narrow(c: char) -> char {
    match c {
        // U+FF01..U+FF5E are ASCII at double width (Unicode, block Halfwidth and Fullwidth Forms).
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => ' ',
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2010}'..='\u{2013}' => '-',
        c => c,
    }
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let text = fold(text);
    let mut found = Vec::new();
    let (mut quote, mut starts, mut current) = (None, true, String::new());
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() {
            current.push(c);
            before = c;
            continue;
        }
        // A possessive or a contraction is part of its word.
        let inside = |next: Option<&char>| next.is_some_and(|next| next.is_alphabetic());
        if c == '\'' && before.is_alphabetic() && inside(chars.peek()) && quote != Some('\'') {
            current.push(c);
            continue;
        }
        push(&mut found, &mut current, quote.is_some(), &mut starts);
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, '\'') if !before.is_alphanumeric() => quote = Some(c),
            _ => {}
        }
        if matches!(c, '.' | '!' | '?' | '\n' | ':') {
            starts = true;
        }
        before = c;
    }
    push(&mut found, &mut current, quote.is_some(), &mut starts);
    found
}

fn push(found: &mut Vec<Word>, current: &mut String, quoted: bool, starts: &mut bool) {
    if current.is_empty() {
        return;
    }
    let raw = std::mem::take(current);
    let name =
        (raw.chars().next().is_some_and(char::is_uppercase) && !*starts) || raw.chars().any(|c| c.is_ascii_digit());
    let lower = raw.to_lowercase();
    let text = lower.strip_suffix("'s").unwrap_or(&lower).replace('\'', "");
    let stem = stem(&text);
    found.push(Word { text, stem, quoted, name: name || quoted, starts: *starts });
    *starts = false;
}

/// The parts of an identifier (`send_email`, `AugustSmartLockUnlockDoor`), lower case.
pub(crate) fn parts(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut before = ' ';
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let acronym_ends = c.is_uppercase() && before.is_uppercase() && chars.peek().is_some_and(|n| n.is_lowercase());
        let cut = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) || acronym_ends;
        if (cut || !c.is_alphanumeric()) && !current.is_empty() {
            found.push(std::mem::take(&mut current));
        }
        if c.is_alphanumeric() {
            current.extend(c.to_lowercase());
        }
        before = c;
    }
    if !current.is_empty() {
        found.push(current);
    }
    found
}

/// A word without its ending: crude, the same on both sides of a comparison.
pub(crate) fn stem(word: &str) -> String {
    if let Some((_, regular)) = IRREGULAR.iter().find(|(form, _)| *form == word) {
        return stem(regular);
    }
    let cut = |suffix: &str, least: usize| {
        word.strip_suffix(suffix).filter(|rest| rest.chars().count() >= least).map(str::to_owned)
    };
    let base = cut("ies", 2)
        .map(|rest| rest + "y")
        .or_else(|| cut("ings", 3))
        .or_else(|| cut("ing", 3))
        .or_else(|| cut("ed", 3))
        .or_else(|| cut("sses", 2).map(|rest| rest + "ss"))
        .or_else(|| (!word.ends_with("ss") && !word.ends_with("us")).then(|| cut("s", 2)).flatten())
        .unwrap_or_else(|| word.to_owned());
    let base = base.strip_suffix('e').filter(|rest| rest.len() > 2).unwrap_or(&base);
    let mut chars: Vec<char> = base.chars().collect();
    if let [.., a, b] = chars.as_slice()
        && a == b
        && chars.len() > 3
    {
        chars.pop();
    }
    chars.into_iter().collect()
}

/// Whether a word says too little to name anything.
pub(crate) fn is_common(word: &str) -> bool {
    word.chars().count() < 2 || COMMON.contains(&word)
}

const IRREGULAR: [(&str, &str); 15] = [
    ("paid", "pay"),
    ("sent", "send"),
    ("wrote", "write"),
    ("written", "write"),
    ("bought", "buy"),
    ("gave", "give"),
    ("given", "give"),
    ("made", "make"),
    ("told", "tell"),
    ("sold", "sell"),
    ("lent", "lend"),
    ("replies", "reply"),
    ("replied", "reply"),
    ("cancelled", "cancel"),
    ("cancelling", "cancel"),
];

const COMMON: [&str; 74] = [
    "the", "an", "of", "to", "in", "on", "at", "for", "from", "with", "by", "and", "or", "is", "are", "be", "it",
    "its", "my", "your", "our", "their", "his", "her", "me", "you", "we", "they", "them", "this", "that", "these",
    "those", "please", "can", "could", "would", "should", "will", "do", "does", "if", "then", "than", "as", "so",
    "also", "all", "any", "each", "new", "about", "into", "out", "up", "not", "no", "yes", "re", "fwd", "hi", "hey",
    "com", "www", "http", "https", "org", "net", "gmail", "mail", "email", "file", "id", "user",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_meet() {
        for (a, b) in [
            ("creating", "create"),
            ("paid", "pays"),
            ("sent", "sending"),
            ("messages", "message"),
            ("replies", "reply"),
            ("cancelled", "cancel"),
            ("transferring", "transfer"),
            ("addresses", "address"),
        ] {
            assert_eq!(stem(a), stem(b), "{a} {b}");
        }
        assert_ne!(stem("lock"), stem("unlock"));
    }

    #[test]
    fn names_of_tools_fall_apart() {
        assert_eq!(parts("AugustSmartLockUnlockDoor"), ["august", "smart", "lock", "unlock", "door"]);
        assert_eq!(parts("send_email"), ["send", "email"]);
        assert_eq!(parts("EpicFHIRManage2"), ["epic", "fhir", "manage2"]);
    }

    #[test]
    fn quotes_and_names_are_seen() {
        let found = words("Please add 'Booking hotel' for Anna's team. Done");
        let quoted: Vec<&str> = found.iter().filter(|w| w.quoted).map(|w| w.text.as_str()).collect();
        assert_eq!(quoted, ["booking", "hotel"]);
        assert!(found.iter().any(|w| w.text == "anna" && w.name));
        assert!(found.iter().any(|w| w.text == "done" && !w.name));
    }

    #[test]
    fn what_nobody_sees_hides_nothing() {
        assert_eq!(fold("e\u{200b}vil\u{ff20}x"), "evil@x");
    }
}
