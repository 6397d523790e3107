//! JSON with one meaning only.
//!
//! Owns [`parse`]: what two readers could read differently (a key twice, trailing bytes, a lone surrogate) is refused,
//! and so is what would blow up in memory. Never looks at what the JSON says. Used for every JSON text at the model
//! door, and for bodies that an egress rule declares.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Values in one text. A value costs some 40 bytes in memory however short it is written.
const MAX_VALUES: u32 = 1_000_000;

/// Reads `bytes` as one JSON value.
///
/// # Errors
/// A text that says what is wrong and where. It holds keys of the text at most.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let left = Cell::new(MAX_VALUES);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { left: &left }.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// Reads `bytes` as one JSON object.
///
/// # Errors
/// As [`parse`], and when the value is no object.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match parse(bytes)? {
        Value::Object(map) => Ok(map),
        _ => Err("it is no JSON object".to_owned()),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    left: &'a Cell<u32>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom("it holds more than a million values"));
        };
        self.left.set(left);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                let key: String = key.chars().take(64).collect();
                return Err(A::Error::custom(format!("the key `{}` comes twice", key.escape_debug())));
            }
            let value = entries.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_has_one_meaning() {
        let text = r#"{"a":[1,-2,0.5,true,null,"x\u00e9"],"b":{}}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    /// To the last digit: what is judged is what a reader of the very bytes gets.
    #[test]
    fn reads_numbers_exactly() {
        let number = "-92834567890123456789.0";
        assert_eq!(parse(number.as_bytes()).unwrap().as_f64(), number.parse().ok());
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"\u0061":2}}"#,
            r#"{"a":1} {"a":2}"#,
            r#""\ud800""#,
            "{\"a\":1,}",
            "\u{feff}{}",
            "1e999",
            "",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse("[".repeat(10_000).as_bytes()).is_err());
        assert!(parse_object(b"[]").is_err());
    }

    #[test]
    fn refuses_what_would_fill_the_memory() {
        let many = format!("[{}0]", "0,".repeat(1_000_000));
        assert!(parse(many.as_bytes()).unwrap_err().contains("million"));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde_json_where_it_accepts(text in "[\\[\\]{}:,\"a0-2. eE+-]{0,40}") {
            if let Ok(value) = parse(text.as_bytes()) {
                proptest::prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
