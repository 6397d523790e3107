//! Numbers that money hangs on: cards and bank accounts.
//!
//! Owns their search. A card's number has a known issuer's range and length and Luhn's digit; an IBAN its country's length
//! and a remainder of 1. Numbers that documents of issuers show are nobody's. It runs over digits once.

use super::Finding;
use super::kinds::MOST;

/// Digits of the longest card.
const LONGEST_CARD: usize = 19;

/// The longest IBAN has 34 characters (ISO 13616).
const LONGEST_IBAN: usize = 34;

/// Card numbers that payment services publish for tests.
const TEST_CARDS: [&str; 40] = [
    "4242424242424242",
    "4111111111111111",
    "4012888888881881",
    "4000056655665556",
    "4000000000000002",
    "4222222222222",
    "5555555555554444",
    "5105105105105100",
    "5200828282828210",
    "2223003122003222",
    "2221000000000009",
    "378282246310005",
    "371449635398431",
    "378734493671000",
    "6011111111111117",
    "6011000990139424",
    "6011981111111113",
    "3056930009020004",
    "30569309025904",
    "38520000023237",
    "36227206271667",
    "3566002020360505",
    "3530111333300000",
    "6200000000000005",
    "6205500000000000004",
    "4000002500003155",
    "4000000000009995",
    "4000000000000077",
    "4000000000003220",
    "4000000000000341",
    "4000000000000127",
    "4000000000000069",
    "4000000000000119",
    "4000000000000259",
    "4000002760003184",
    "5425233430109903",
    "2222400010000008",
    "4263982640269299",
    "4917610000000000",
    "4007702835532454",
];

/// IBANs that standards and banks publish as examples.
const TEST_IBANS: [&str; 12] = [
    "GB82WEST12345698765432",
    "GB29NWBK60161331926819",
    "DE89370400440532013000",
    "FR1420041010050500013M02606",
    "CH9300762011623852957",
    "NL91ABNA0417164300",
    "ES9121000418450200051332",
    "IT60X0542811101000000123456",
    "BE68539007547034",
    "AT611904300234573201",
    "SE4550000000058398257466",
    "GB33BUKB20201555555555",
];

/// Countries and the lengths of their IBANs.
const COUNTRIES: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20";

/// Cards and IBANs in `text`.
pub(super) fn find(text: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut at = 0;
    // Two digits stand in both: every second place is enough.
    while at < text.len() && findings.len() < MOST {
        if text.get(at).is_some_and(u8::is_ascii_digit) {
            let start = at - usize::from(at > 0 && text.get(at - 1).is_some_and(u8::is_ascii_digit));
            let found = iban(text, start).or_else(|| card(text, start));
            at = match found {
                Some(found) => {
                    let end = found.end;
                    findings.push(found);
                    end
                }
                None => run_end(text, start),
            };
        }
        at += 2;
    }
    findings
}

/// Behind the digits that begin at a place.
fn run_end(text: &[u8], start: usize) -> usize {
    start + text.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count()
}

fn card(text: &[u8], start: usize) -> Option<Finding> {
    let first = start.checked_sub(1).and_then(|at| text.get(at));
    // A part of a longer word, of a fraction, of a longer number.
    if first.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'%' | b'#'))
    {
        return None;
    }
    let (digits, end) = grouped(text, start)?;
    let after = text.get(end);
    let joined = after.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'%'));
    let fraction = after == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_digit);
    if joined || fraction || !issuer(&digits) || !luhn(&digits) || is_plain(&digits) {
        return None;
    }
    let named = is_named(text, start, end);
    // Digits in one piece are identifiers a thousand times as often, and groups a row of a table: the words around must
    // speak of a card, or there are none.
    let alone = text.len() < 40;
    let grouped = end - start > digits.len() && !in_table(text, start, end);
    if !(named || alone || grouped) {
        return None;
    }
    let known = TEST_CARDS.iter().any(|card| card.as_bytes() == digits);
    (!known).then_some(Finding {
        kind: "card-number",
        start,
        end,
        confidence: if named { 0.95 } else { 0.8 },
        known: None,
    })
}

/// Digits in one piece, or in groups with one kind of separator between them.
fn grouped(text: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let mut digits = Vec::with_capacity(LONGEST_CARD);
    let mut at = start;
    let mut separator = None;
    let mut groups = 0;
    loop {
        let end = run_end(text, at);
        digits.extend_from_slice(text.get(at..end)?);
        groups += 1;
        if digits.len() > LONGEST_CARD || end == at {
            return None;
        }
        let after = *text.get(end).unwrap_or(&0);
        let goes_on = text.get(end + 1).is_some_and(u8::is_ascii_digit);
        let length = end - at;
        let fits = (4..=7).contains(&length) && separator.is_none_or(|sign| sign == after);
        at = end + 1;
        if !(matches!(after, b' ' | b'-') && goes_on && fits && digits.len() < 16) {
            let even = groups == 1 || (3..=5).contains(&groups);
            return (even && (13..=LONGEST_CARD).contains(&digits.len())).then_some((digits, end));
        }
        separator = Some(after);
    }
}

/// Ranges of issuers and their lengths (ISO/IEC 7812).
fn issuer(digits: &[u8]) -> bool {
    let head = digits.iter().take(6).fold(0_u32, |all, digit| all * 10 + u32::from(digit - b'0'));
    let length = digits.len();
    match head {
        400_000..=499_999 => matches!(length, 13 | 16 | 19),
        510_000..=559_999 | 222_100..=272_099 => length == 16,
        340_000..=349_999 | 370_000..=379_999 => length == 15,
        601_100..=601_199 | 644_000..=659_999 | 622_126..=622_925 => matches!(length, 16..=19),
        352_800..=358_999 => matches!(length, 16..=19),
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => matches!(length, 14..=19),
        620_000..=629_999 | 810_000..=817_199 => matches!(length, 16..=19),
        500_000..=509_999 | 560_000..=589_999 | 630_000..=639_999 | 670_000..=679_999 => matches!(length, 16 | 18 | 19),
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Four different digits at most: a filler.
fn is_plain(digits: &[u8]) -> bool {
    (b'0'..=b'9').filter(|digit| digits.contains(digit)).count() < 4
}

fn is_named(text: &[u8], start: usize, end: usize) -> bool {
    let around = |part: Option<&[u8]>, words: &[&str]| {
        let part = part.unwrap_or_default().to_ascii_lowercase();
        words.iter().any(|word| memchr::memmem::find(&part, word.as_bytes()).is_some())
    };
    let before = [
        "card",
        "visa",
        "mastercard",
        "amex",
        "pan",
        "credit",
        "debit",
        "cc_",
        "ccnum",
        "cc:",
        "cc=",
        "\"cc\"",
        "payment",
        "discover",
        "diners",
        "jcb",
    ];
    around(text.get(start.saturating_sub(60)..start), &before)
        || around(text.get(end..text.len().min(end + 40)), &["cvv", "cvc", "exp", "valid thru"])
}

/// Whether the words on both sides are of hex digits, too.
fn in_table(text: &[u8], start: usize, end: usize) -> bool {
    let is_row = |word: &[u8]| word.len() > 1 && word.iter().all(u8::is_ascii_hexdigit);
    let words = |part: &[u8]| part.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).any(is_row);
    words(text.get(start.saturating_sub(12)..start).unwrap_or_default())
        || words(text.get(end..text.len().min(end + 12)).unwrap_or_default())
}

/// An IBAN whose check digits begin at `digits`.
fn iban(text: &[u8], digits: usize) -> Option<Finding> {
    let start = digits.checked_sub(2)?;
    let country = text.get(start..digits)?;
    if !country.iter().all(u8::is_ascii_uppercase)
        || start.checked_sub(1).and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric)
    {
        return None;
    }
    let wanted = country_length(country)?;
    let mut letters = Vec::with_capacity(LONGEST_IBAN);
    let mut end = start;
    for (at, byte) in text.iter().enumerate().skip(start).take(LONGEST_IBAN + 10) {
        match byte {
            _ if letters.len() == wanted => break,
            b' ' if letters.len().is_multiple_of(4) => {}
            byte if byte.is_ascii_uppercase() || byte.is_ascii_digit() => {
                letters.push(*byte);
                end = at + 1;
            }
            _ => break,
        }
    }
    let known = TEST_IBANS.iter().any(|iban| iban.as_bytes() == letters);
    let whole = letters.len() == wanted && !text.get(end).is_some_and(u8::is_ascii_alphanumeric);
    let is_filler = is_plain(letters.get(4..)?);
    (whole && !known && !is_filler && remainder(&letters) == 1).then_some(Finding {
        kind: "iban",
        start,
        end,
        confidence: 0.95,
        known: None,
    })
}

fn country_length(country: &[u8]) -> Option<usize> {
    let upper = country.to_ascii_uppercase();
    let row = COUNTRIES.chunks_exact(4).find(|row| row.starts_with(&upper))?;
    std::str::from_utf8(row.get(2..)?).ok()?.parse().ok()
}

/// ISO 7064, MOD 97-10, over the account first and the country last.
fn remainder(letters: &[u8]) -> u32 {
    let (head, account) = letters.split_at(letters.len().min(4));
    account.iter().chain(head).fold(0, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kinds: &[&str]) {
        let found: Vec<&str> = find(text.as_bytes()).iter().map(|found| found.kind).collect();
        assert_eq!(found, kinds, "{text}");
    }

    /// The digit that makes a number pass.
    fn card_of(head: &str) -> String {
        let whole = (0..10).map(|last| format!("{head}{last}")).find(|card| luhn(card.as_bytes()));
        whole.unwrap()
    }

    fn iban_of(country: &str, account: &str) -> String {
        let whole =
            (2..99).map(|sum| format!("{country}{sum:02}{account}")).find(|iban| remainder(iban.as_bytes()) == 1);
        whole.unwrap()
    }

    #[test]
    fn cards_are_found_by_their_sums() {
        let card = card_of("453201561203948");
        let groups: Vec<&str> = [0, 4, 8, 12].iter().map(|at| card.get(*at..*at + 4).unwrap()).collect();
        check(&format!("card {card} exp 11/27"), &["card-number"]);
        check(&format!("pay with {} now", groups.join(" ")), &["card-number"]);
        check(&format!("pay with {} now", groups.join("-")), &["card-number"]);
        check(&format!("Amex: {}", card_of("37934567891234")), &["card-number"]);
        check(&card, &["card-number"]);
        check(&format!("order {card} was shipped on the day after tomorrow"), &[]);
        check(&format!("a row of the table: 0041 {} 9339 and so on", groups.join(" ")), &[]);
        check(&format!("card {}", card.replace("453", "454")), &[]);
        check("card 4242 4242 4242 4242", &[]);
        check("card 4111111111111111", &[]);
    }

    #[test]
    fn accounts_are_found_by_their_sums() {
        let iban = iban_of("DE", "500105175407324931");
        check(&format!("to {iban}."), &["iban"]);
        let spaced: Vec<String> =
            iban.as_bytes().chunks(4).map(|part| String::from_utf8(part.to_vec()).unwrap()).collect();
        check(&format!("IBAN: {}", spaced.join(" ")), &["iban"]);
        check(&format!("to {}", iban_of("NL", "INGB0002445588")), &["iban"]);
        check("DE89 3704 0044 0532 0130 00", &[]);
        check(&format!("to {}", iban.replace('7', "8")), &[]);
    }

    #[test]
    fn other_numbers_are_none() {
        check("1732600000000 550e8400-e29b-41d4-a716-446655440000 192.168.100.200 3.14159265358979", &[]);
        check("2026-11-26T06:30:00.000Z 4294967296 0x4532015112830366", &[]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "([A-Z]{0,3}[0-9]{0,20}[ .-]?){0,12}") {
            for found in find(text.as_bytes()) {
                proptest::prop_assert!(found.start < found.end && found.end <= text.len());
            }
        }
    }
}
