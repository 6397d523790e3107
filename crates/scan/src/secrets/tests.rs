mod benign;

use super::*;

const VALUE: &str = "Zq8-Lm2x_Yb7Kc3Nd5Pf9/Hg+2Js4Ua6";

fn scanner() -> Scanner {
    Scanner::new(Known::new([("one", VALUE.as_bytes())]))
}

fn check(text: &[u8]) {
    let found = scanner().scan(text);
    assert!(
        found.iter().any(|found| found.known.is_some_and(|(value, _)| value == 0)),
        "{:?}",
        String::from_utf8_lossy(text)
    );
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let digit = alphabet[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at > part.len() { b'=' } else { digit });
        }
    }
    out
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let packed = miniz_oxide::deflate::compress_to_vec(bytes, 6);
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &packed, &[0; 8]].concat()
}

fn latin1(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes()
}

#[test]
fn every_encoding_of_a_known_value_is_found_even_three_deep() {
    let value = VALUE.as_bytes();
    let entities: String = VALUE.chars().map(|letter| format!("&#{};", u32::from(letter))).collect();
    let escapes: String = VALUE.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
    let wide: Vec<u8> = VALUE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let turned: Vec<u8> = base64(value).into_iter().rev().collect();
    for form in [value.to_vec(), base64(value), hex(value), entities.into_bytes(), escapes.into_bytes(), wide, turned] {
        check(&form);
        check(&base64(&form));
        check(&base64(&base64(&form)));
        check(&hex(&base64(&form)));
        check(&base64(&gzip(&form)));
        check(&hex(&gzip(&form)));
        check(&gzip(&form));
        check(&latin1(&gzip(&form)));
        check(&base64(&miniz_oxide::deflate::compress_to_vec_zlib(&form, 6)));
        check(&base64(&miniz_oxide::deflate::compress_to_vec(&form, 6)));
        for shift in 0..3 {
            check(&base64(&[&b"xyz"[..shift], b" the key: ", &form, b" and more"].concat()));
        }
    }
}

#[test]
fn a_value_over_fields_is_found() {
    let parts: Vec<&str> = VALUE.as_bytes().chunks(4).map(|part| std::str::from_utf8(part).unwrap()).collect();
    let fields: Vec<String> = (1..).zip(&parts).map(|(n, part)| format!("\"part{n}\":\"{part}\"")).collect();
    check(format!("{{{}}}", fields.join(",")).as_bytes());
    let query: Vec<String> = (1..).zip(&parts).map(|(n, part)| format!("q{n}={part}")).collect();
    check(query.join("&").as_bytes());
    let headers: Vec<String> = (1..).zip(&parts).map(|(n, part)| format!("X-Part-{n}: {part}\r\n")).collect();
    check(headers.concat().as_bytes());
    check(parts.join("\n").as_bytes());
    check(format!("[\"{}\"]", parts.join("\",\"")).as_bytes());
}

#[test]
fn spans_point_into_the_text_as_given() {
    let text = [b"see ".as_slice(), &base64(&gzip(VALUE.as_bytes())), b" there"].concat();
    let found = scanner().scan(&text);
    assert_eq!((found[0].start, found[0].end), (4, text.len() - 6));
    let plain = format!("a{VALUE}b");
    let found = scanner().scan(plain.as_bytes());
    assert_eq!(plain.get(found[0].start..found[0].end).unwrap(), VALUE);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_bomb_does_not_grow() {
    let bomb = gzip(&vec![b'a'; 50_000_000]);
    assert!(scanner().scan(&bomb).is_empty());
    assert!(scanner().scan(&base64(&bomb)).is_empty());
}

#[test]
fn findings_are_bounded() {
    let many = format!("{VALUE} ").repeat(5000);
    assert!(scanner().scan(many.as_bytes()).len() <= kinds::MOST);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_scanned(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        for found in scanner().scan(&bytes) {
            proptest::prop_assert!(found.start <= found.end && found.end <= bytes.len());
        }
    }
}
