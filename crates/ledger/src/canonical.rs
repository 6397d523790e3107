//! Canonical JSON (RFC 8785): one text for one value, so that whoever hashes it gets the same hash.
//!
//! Owns the order of keys and the form of numbers. Two things differ on purpose: an integer beyond 2^53 - 1, which no
//! canonical number can hold exactly, is written as that largest one; so is its negative. Used when leaves are made.

mod direct;

use serde::Serialize;
#[cfg(test)]
use serde_json::Value;

/// The largest integer that every reader of JSON holds exactly (RFC 7493, section 2.2).
const LARGEST: u64 = (1 << 53) - 1;

/// The canonical text of a value.
pub(crate) fn text(value: &impl Serialize) -> Result<String, String> {
    let mut writer = direct::Writer::new();
    value.serialize(&mut writer).map_err(|error| error.to_string())?;
    Ok(writer.text)
}

/// Appends the canonical text of `value`: what [`text`] is held against.
#[cfg(test)]
fn write(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(text, number),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                write(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (place, (name, value)) in fields.into_iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                write_string(text, name);
                text.push(':');
                write(text, value);
            }
            text.push('}');
        }
    }
}

/// Appends a string with its quotes; what must be escaped is, in the shortest form (RFC 8785, section 3.2.2.2).
pub(crate) fn write_string(text: &mut String, string: &str) {
    use std::fmt::Write as _;
    text.push('"');
    if string.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        text.push_str(string);
    } else {
        for char in string.chars() {
            match char {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\u{8}' => text.push_str("\\b"),
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                '\u{c}' => text.push_str("\\f"),
                '\r' => text.push_str("\\r"),
                // Writing into a String can't fail.
                control if control < ' ' => drop(write!(text, "\\u{:04x}", control as u32)),
                other => text.push(other),
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
fn write_number(text: &mut String, number: &serde_json::Number) {
    if let Some(whole) = number.as_u64() {
        write_unsigned(text, whole);
    } else if let Some(whole) = number.as_i64() {
        write_signed(text, whole);
    } else {
        write_float(text, number.as_f64().unwrap_or_default());
    }
}

fn write_unsigned(text: &mut String, whole: u64) {
    let (mut digits, mut left) = ([b'0'; 20], whole.min(LARGEST));
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        // A remainder of ten fits.
        *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
        (left, used) = (left / 10, used + 1);
        if left == 0 {
            break;
        }
    }
    text.extend(digits.iter().skip(digits.len() - used).map(|digit| char::from(*digit)));
}

fn write_signed(text: &mut String, whole: i64) {
    text.push_str(if whole < 0 { "-" } else { "" });
    write_unsigned(text, whole.unsigned_abs());
}

/// A number as ECMAScript prints it (ECMA-262, Number::toString), from the shortest digits that Rust prints.
fn write_float(text: &mut String, number: f64) {
    if number == 0.0 || !number.is_finite() {
        text.push('0');
        return;
    }
    text.push_str(if number < 0.0 { "-" } else { "" });
    let scientific = format!("{:e}", number.abs());
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = digits.chars().filter(|digit| *digit != '.').collect();
    let (len, exponent) = (i32::try_from(digits.len()).unwrap_or(1), exponent.parse::<i32>().unwrap_or(0));
    // The value is 0.DIGITS times ten to the power of `point`.
    let point = exponent + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let (head, tail) = digits.split_at(usize::try_from(point.clamp(0, len)).unwrap_or(0));
    match point {
        _ if (len..=21).contains(&point) => text.push_str(&format!("{digits}{}", zeros(point - len))),
        1..=21 => text.push_str(&format!("{head}.{tail}")),
        -5..=0 => text.push_str(&format!("0.{}{digits}", zeros(-point))),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign = if exponent < 0 { "-" } else { "+" };
            text.push_str(&format!("{first}{dot}{rest}e{sign}{}", exponent.abs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(given: &str, canonical: &str) {
        let value: Value = serde_json::from_str(given).unwrap();
        assert_eq!(text(&value).unwrap(), canonical);
    }

    #[test]
    fn the_examples_of_the_standard() {
        // RFC 8785, section 3.2.2 and 3.2.3.
        check(
            "{\"numbers\": [1E30, 4.50, 2e-3, 0.000000000000000000000000001],\n\
             \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\", \"literals\": [null, true, false]}",
            "{\"literals\":[null,true,false],\"numbers\":[1e+30,4.5,0.002,1e-27],\
             \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
        );
        check(
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
        );
    }

    #[test]
    fn numbers_are_those_of_ecmascript() {
        // RFC 8785, appendix B.
        for (bits, form) in [
            (0x0000_0000_0000_0001_u64, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0001, "9007199254740994"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x8000_0000_0000_0000, "0"),
        ] {
            let mut text = String::new();
            write_float(&mut text, f64::from_bits(bits));
            assert_eq!(text, form);
        }
        check("[18446744073709551615, -9223372036854775808, 7]", "[9007199254740991,-9007199254740991,7]");
    }

    /// Each shape that a type can take.
    #[derive(serde::Serialize)]
    enum Shape {
        Unit,
        New(Option<f32>),
        Tuple(u8, i64, char),
        Struct { zulu: (), alpha: [u16; 2], mike: std::collections::BTreeMap<i32, bool> },
        Flat(Flat),
    }

    #[derive(serde::Serialize)]
    struct Flat {
        name: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        none: Option<u8>,
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, Value>,
    }

    #[test]
    fn a_value_is_written_like_its_tree() {
        let rest = [("Name", 1.5), ("aa", f64::MAX), ("\u{fb33}", -0.0), ("\u{1f600}", 3.0)];
        let mut rest: std::collections::BTreeMap<_, _> =
            rest.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        rest.insert("name".to_owned(), "the later one".into());
        let shapes = [
            Shape::Unit,
            Shape::New(Some(f32::NAN)),
            Shape::New(Some(0.1)),
            Shape::New(None),
            Shape::Tuple(255, i64::MIN, '"'),
            Shape::Struct { zulu: (), alpha: [65535, 0], mike: [(-1, true), (10, false), (2, true)].into() },
            Shape::Flat(Flat { name: "the earlier one", none: None, rest }),
        ];
        let mut tree = String::new();
        write(&mut tree, &serde_json::to_value(&shapes).unwrap());
        assert_eq!(text(&shapes).unwrap(), tree);
        assert!(tree.contains(r#""name":"the later one""#) && !tree.contains("earlier"), "{tree}");
        assert!(text(&serde_json::value::RawValue::from_string("[1, 2]".to_owned()).unwrap()).is_err());
    }

    fn trees() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((".{0,3}", inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_is_written_like_its_tree(value in trees()) {
            let mut tree = String::new();
            write(&mut tree, &value);
            prop_assert_eq!(text(&value).unwrap(), tree);
        }

        #[test]
        fn what_is_written_reads_back_and_is_written_again_the_same(string in ".*", number in any::<i32>()) {
            let value = serde_json::json!({ "b": string, "a": [number, string], string.clone(): null });
            let once = text(&value).unwrap();
            let back: Value = serde_json::from_str(&once).unwrap();
            prop_assert_eq!(text(&back).unwrap(), once);
            prop_assert_eq!(&back["b"], &value["b"]);
        }

        #[test]
        fn a_number_reads_back_as_itself(float in proptest::num::f64::NORMAL) {
            let mut text = String::new();
            write_float(&mut text, float);
            prop_assert_eq!(text.parse::<f64>().unwrap(), float);
        }
    }
}
