//! Values: what is compared when two texts are said to name the same thing.
//!
//! Owns [`Atom`] and the one canonical form of each kind: mail addresses, web addresses, accounts and phone numbers,
//! amounts. Text is searched for whole values, never for substrings. Pure; used by [`crate::trace`].

use std::sync::LazyLock;

use regex::Regex;

use crate::words::fold;

/// A value found in a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Atom {
    /// `anna@example.com`
    Mail(String),
    /// `example.com/path`, without scheme, user, `www.`, default port and closing stop.
    Url(String),
    /// An account, a card, a phone number: letters and digits alone.
    Account(String),
    /// A number in thousandths.
    Number(i64),
}

/// How much of one text is searched.
const MOST_TEXT: usize = 512 * 1024;

/// All values of a text.
pub(crate) fn atoms(text: &str) -> Vec<Atom> {
    let text = decode(text);
    let mut found = Vec::new();
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (pattern, make) in [
        (&*URL, (|text| Some(Atom::Url(url(text)))) as fn(&str) -> Option<Atom>),
        (&*MAIL, |text| Some(Atom::Mail(mail(text)))),
        (&*HOST, |text| host_like(text).then(|| Atom::Url(url(text)))),
        (&*ACCOUNT, account),
        (&*NUMBER, |text| number(text).map(Atom::Number)),
    ] {
        let Some(pattern) = pattern else { continue };
        for hit in pattern.find_iter(&text) {
            let overlaps = taken.iter().any(|(start, end)| hit.start() < *end && *start < hit.end());
            if overlaps {
                continue;
            }
            if let Some(atom) = make(hit.as_str()) {
                taken.push((hit.start(), hit.end()));
                found.push(atom);
            }
        }
    }
    found
}

/// The values that one argument is, by its shape.
pub(crate) fn shape(text: &str) -> Option<Atom> {
    let text = fold(text);
    let text = text.trim().trim_start_matches("mailto:");
    let whole = |pattern: &Option<Regex>| {
        pattern
            .as_ref()
            .and_then(|pattern| pattern.find(text))
            .is_some_and(|hit| hit.start() == 0 && hit.end() == text.len())
    };
    if whole(&URL) {
        return Some(Atom::Url(url(text)));
    }
    if whole(&MAIL) {
        return Some(Atom::Mail(mail(text)));
    }
    if whole(&HOST) && host_like(text) {
        return Some(Atom::Url(url(text)));
    }
    if let Some(value) = whole(&NUMBER).then(|| number(text)).flatten()
        && text.len() < 8
    {
        return Some(Atom::Number(value));
    }
    whole(&ACCOUNT).then(|| account(text)).flatten()
}

/// Percent signs, entities and line breaks that a tool printed as text are undone once.
fn decode(text: &str) -> String {
    let end = (0..=MOST_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let text = fold(text.get(..end).unwrap_or_default());
    let mut out = text.replace("\\n", "\n").replace("\\t", " ").replace("\\r", "\n");
    if out.contains('&') {
        for (entity, plain) in
            [("&amp;", "&"), ("&#64;", "@"), ("&commat;", "@"), ("&#46;", "."), ("&period;", "."), ("&#x40;", "@")]
        {
            out = out.replace(entity, plain);
        }
    }
    out
}

/// A mail address in the form that is compared.
pub(crate) fn mail(text: &str) -> String {
    text.trim().trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// A web address in the form that is compared.
pub(crate) fn url(text: &str) -> String {
    let text = fold(text);
    let text = text.trim().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '\'', '"', '>', '*']);
    let lower = text.to_lowercase();
    let rest = lower.find("://").and_then(|at| text.get(at + 3..)).unwrap_or(text);
    let (authority, tail) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    let mut host = unglued(authority).to_lowercase();
    // A user part stays: `bank.test@evil.test` is another place and looks it.
    for port in [":443", ":80"] {
        host = host.strip_suffix(port).map_or(host.clone(), str::to_owned);
    }
    let host = host.trim_end_matches('.');
    let host = host.strip_prefix("www.").unwrap_or(host);
    let tail = percent_decoded(tail);
    format!("{host}{}", tail.trim_end_matches('/'))
}

/// `our-company.com.They sent` is a host and the next sentence.
fn unglued(host: &str) -> &str {
    let Some((before, last)) = host.rsplit_once('.') else { return host };
    let sentence = last.starts_with(|c: char| c.is_ascii_uppercase()) && last.chars().skip(1).all(|c| c.is_lowercase());
    let ended = before.rsplit('.').next().is_some_and(|label| DOMAINS.contains(&label));
    if sentence && ended && before.contains('.') { before } else { host }
}

/// Host and the rest of an address in canonical form.
pub(crate) fn split_url(canonical: &str) -> (&str, &str) {
    canonical.find(['/', '?', '#']).map_or((canonical, ""), |at| canonical.split_at(at))
}

fn percent_decoded(text: &str) -> String {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(value) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(value);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Letters and digits alone, upper case, when it is long enough to be an account or a phone number.
pub(crate) fn account(text: &str) -> Option<Atom> {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let digits = plain.bytes().filter(u8::is_ascii_digit).count();
    let is_date = text.len() <= 10 && text.matches('-').count() == 2 && plain.len() == 8 && plain.starts_with("20");
    (digits >= 7 && !is_date).then_some(Atom::Account(plain))
}

/// A number, in thousandths.
pub(crate) fn number(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches('.');
    let (whole, fraction) = match text.rsplit_once(['.', ',']) {
        // `1,000` is a thousand, `1,5` and `1.500` (three places) are what they look like in English.
        Some((whole, fraction)) if !(text.contains(',') && !text.contains('.') && fraction.len() == 3) => {
            (whole, fraction)
        }
        _ => (text, ""),
    };
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(1000)?.checked_add(fraction.parse().ok()?)
}

/// A number in letters, in thousandths.
pub(crate) fn spelt(word: &str) -> Option<i64> {
    let at = SPELT.iter().position(|words| words.split(' ').any(|spelt| spelt == word))?;
    i64::try_from(at + 1).ok()?.checked_mul(1000)
}

/// English, German, French, Spanish, Italian; what is an article as well is left out.
const SPELT: [&str; 12] = [
    "one single",
    "two twice couple pair zwei deux dos due",
    "three thrice drei trois tres tre",
    "four vier quatre cuatro quattro",
    "five fünf cinq cinco cinque",
    "six sechs seis sei",
    "seven sieben sept siete sette",
    "eight acht huit ocho otto",
    "nine neun neuf nueve nove",
    "ten zehn dix diez dieci",
    "eleven elf onze once undici",
    "twelve dozen zwölf douze doce dodici",
];

/// Whether a dotted word is a host and no file: its last label is a domain that people write without a scheme.
fn host_like(text: &str) -> bool {
    let lower = text.to_lowercase();
    let host = lower.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let last = host.rsplit('.').next().unwrap_or_default();
    host.starts_with("www.") || DOMAINS.contains(&last)
}

const DOMAINS: [&str; 62] = [
    "com", "org", "net", "io", "dev", "ai", "co", "uk", "de", "ch", "fr", "eu", "gov", "edu", "info", "biz", "app",
    "tv", "us", "xyz", "site", "online", "shop", "cloud", "test", "example", "local", "internal", "nl", "it", "es",
    "at", "be", "ca", "au", "in", "jp", "cn", "ru", "br", "pl", "se", "no", "dk", "fi", "ie", "gg", "ly", "link",
    "top", "club", "blog", "news", "store", "tech", "page", "live", "pro", "ms", "ws", "onion", "invalid",
];

static MAIL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[\p{L}\d._%+\-]+@[\p{L}\d\-]+(?:\.[\p{L}\d\-]+)+").ok());
static URL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)\b(?:https?|ftp|wss?|file)://[^\s<>"'`\])}|]+"#).ok());
static HOST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)\b(?:[\p{L}\d](?:[\p{L}\d\-]*[\p{L}\d])?\.)+[\p{L}]{2,24}\b(?::\d{1,5})?(?:[/?#][^\s<>"'`\])}|]*)?"#,
    )
    .ok()
});
static ACCOUNT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){2,8}\b|\+?\(?\d[\d\-() ]{5,24}\d\b").ok());
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d+(?:[.,]\d+)*").ok());

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Atom]) {
        assert_eq!(atoms(text), expected, "{text}");
    }

    #[test]
    fn values_have_one_form() {
        let mail = |m: &str| Atom::Mail(m.to_owned());
        let url = |u: &str| Atom::Url(u.to_owned());
        let account = |a: &str| Atom::Account(a.to_owned());
        check("Write to Anna@Example.com.", &[mail("anna@example.com")]);
        check("see www.Example.com/a.", &[url("example.com/a")]);
        check("see https://user@example.com:443/%61/", &[url("user@example.com/a")]);
        check("mail\\nwww.a-b.com\\nend", &[url("a-b.com")]);
        check("to GB29 NWBK 6016 1331 9268 19 please", &[account("GB29NWBK60161331926819")]);
        check("call +41 79 123-45-67", &[account("41791234567")]);
        check("pay 1,200.50 now", &[Atom::Number(1_200_500)]);
        check("read report.docx and notes.txt", &[]);
        check("\u{ff21}nna\u{200b}@example.com", &[mail("anna@example.com")]);
        check("anna&#64;example.com", &[mail("anna@example.com")]);
    }

    #[test]
    fn an_argument_has_a_shape() {
        assert_eq!(shape("Anna@x.com"), Some(Atom::Mail("anna@x.com".to_owned())));
        assert_eq!(shape("www.x.com"), Some(Atom::Url("x.com".to_owned())));
        assert_eq!(shape("GB29NWBK60161331926819"), Some(Atom::Account("GB29NWBK60161331926819".to_owned())));
        assert_eq!(shape("12.5"), Some(Atom::Number(12_500)));
        assert_eq!(shape("Alice"), None);
        assert_eq!(shape("write to anna@x.com"), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,120}") {
            let _found = atoms(&text);
            let _shape = shape(&text);
            let _url = url(&text);
        }
    }
}
