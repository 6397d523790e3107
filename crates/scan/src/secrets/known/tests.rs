use super::super::forms::{reversed, shifted};
use super::*;

const VALUE: &str = "Zq8-Lm2x_Yb7Kc3Nd5Pf9/Hg+2Js4Ua6";

fn known() -> Known {
    Known::new([("one", VALUE.as_bytes()), ("two", b"another-value-4711-of-the-tenant".as_slice())])
}

fn check(text: &[u8], form: &str) {
    let found = known().find(text);
    assert!(found.iter().any(|hit| hit.value == 0 && hit.form == form), "{form}: {found:?}");
}

fn hexed(text: &[u8], before: &str) -> Vec<u8> {
    text.iter().flat_map(|byte| format!("{before}{byte:02X}").into_bytes()).collect()
}

#[test]
fn forms_in_one_piece() {
    let value = VALUE.as_bytes();
    check(value, "plain");
    check(&[b"GET /?q=", value, b" HTTP/1.1"].concat(), "plain");
    check(VALUE.to_uppercase().as_bytes(), "plain");
    check(&reversed(value), "reversed");
    check(&shifted(value, 13), "rot13");
    check(&hexed(value, ""), "hex");
    check(&hexed(value, ":"), "hex");
    check(&hexed(value, "%"), "hex");
    check(&hexed(value, "\\x"), "hex");
    check(&VALUE.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), "plain");
    check(&VALUE.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>(), "plain");
    for separator in [" ", "-", ".", "\r\n", "\u{200b}", "_", " + ", "\", \""] {
        let split: Vec<String> = VALUE.chars().map(|letter| letter.to_string()).collect();
        check(split.join(separator).as_bytes(), "plain");
    }
}

#[test]
fn a_value_in_two_or_three_parts_is_found() {
    let (one, rest) = VALUE.split_at(16);
    check(format!("first {one} and then, much later, {rest}").as_bytes(), "plain");
    check(format!("{rest} comes before {one}").as_bytes(), "plain");
    assert!(known().find(format!("only {one}").as_bytes()).is_empty());
}

#[test]
fn the_span_is_exact_wherever_it_stands() {
    for before in [0, 1, 255, 256, 257, 5000, 20_000] {
        let text = [" a".repeat(before).as_bytes(), b" ", VALUE.as_bytes(), b" tail"].concat();
        let found = known().find(&text);
        let hit = found.iter().find(|hit| hit.form == "plain").unwrap();
        let (start, end) = (usize::try_from(hit.start).unwrap(), usize::try_from(hit.end).unwrap());
        assert_eq!(&text[start..end], VALUE.as_bytes(), "{before}");
    }
}

#[test]
fn other_text_holds_none() {
    let text = "The quick brown fox jumps over the lazy dog. 0123456789 abcdef ".repeat(2000);
    assert!(known().find(text.as_bytes()).is_empty());
    assert!(Known::new([]).is_empty() && Known::new([]).find(b"x").is_empty());
}

#[test]
fn short_values_are_found_by_themselves() {
    let known =
        Known::new([("pin", b"x7!Qp".as_slice()), ("signs", "пароль-№5".as_bytes()), ("word", b"password".as_slice())]);
    let found =
        |text: &str| known.find(text.as_bytes()).iter().map(|hit| known.id(hit.value).to_owned()).collect::<Vec<_>>();
    assert_eq!(found("the pin is x7!Qp."), ["pin"]);
    assert_eq!(found("ax7!Qpa"), Vec::<String>::new());
    assert_eq!(found("мой пароль-№5 такой"), ["signs"]);
    assert_eq!(found("the password is a password"), Vec::<String>::new());
}

#[test]
fn memory_does_not_grow_with_the_stream() {
    let known = known();
    let mut stream = known.stream();
    let mut hits = Vec::new();
    for round in 0..200_u32 {
        stream.push(&vec![b"a- "[(round % 3) as usize]; 50_000], &mut hits);
        assert!(stream.held() < 256 * 1024, "{}", stream.held());
    }
    stream.finish(&mut hits);
    assert!(hits.is_empty());
}

proptest::proptest! {
    #[test]
    fn a_stream_finds_the_same_however_it_is_cut(
        before in "[a-z ]{0,600}",
        cuts in proptest::collection::vec(1_usize..90, 1..40),
        form in 0_usize..5,
    ) {
        let value = VALUE.as_bytes();
        let hidden = match form {
            0 => value.to_vec(),
            1 => hexed(value, " "),
            2 => reversed(value),
            3 => value.iter().flat_map(|byte| [*byte, b'.']).collect(),
            _ => shifted(value, 13),
        };
        let text = [before.as_bytes(), b"|", &hidden, b"|", before.as_bytes()].concat();
        let known = known();
        let mut stream = known.stream();
        let mut hits = Vec::new();
        let mut rest = &text[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (head, tail) = rest.split_at(rest.len().min(*cut));
            stream.push(head, &mut hits);
            rest = tail;
        }
        stream.finish(&mut hits);
        proptest::prop_assert!(hits.iter().any(|hit| hit.value == 0 && hit.confidence >= 1.0), "{hits:?}");
        proptest::prop_assert_eq!(hits.iter().filter(|hit| hit.confidence >= 1.0).count(), 1);
    }
}
