//! Writes the canonical text of a value as the value tells of itself, with no tree of it in between.
//!
//! Owns [`Writer`], a serializer (serde) whose fields are put in order when their object ends. What it writes is what
//! `canonical::write` writes of the same value's tree; a property test holds the two against each other.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Value};

use super::{write_float, write_signed, write_string, write_unsigned};

/// The text so far, and the fields of the objects that are open.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) text: String,
    fields: Vec<Field>,
    spare: String,
}

/// Where a field stands in the text: its name, the colon, its value.
#[derive(Debug)]
struct Field {
    name: Cow<'static, str>,
    from: usize,
    to: usize,
}

/// By UTF-16 code units (RFC 8785, section 3.2.3); for ASCII that is the order of bytes.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    // The first bytes that differ decide, unless both stand for characters beyond ASCII.
    match a.bytes().zip(b.bytes()).find(|(one, other)| one != other) {
        Some((a, b)) if a < 0x80 || b < 0x80 => a.cmp(&b),
        Some(_) => a.encode_utf16().cmp(b.encode_utf16()),
        None => a.len().cmp(&b.len()),
    }
}

impl Writer {
    /// A writer with room for an ordinary record.
    pub(super) fn new() -> Self {
        Self { text: String::with_capacity(1024), fields: Vec::with_capacity(32), spare: String::with_capacity(1024) }
    }

    fn object(&mut self, variant: Option<&'static str>) -> Object<'_> {
        self.variant(variant);
        self.text.push('{');
        let (start, base) = (self.text.len(), self.fields.len());
        Object { writer: self, start, base, name: None, within: variant.is_some() }
    }

    fn list(&mut self, variant: Option<&'static str>) -> List<'_> {
        self.variant(variant);
        self.text.push('[');
        List { writer: self, first: true, within: variant.is_some() }
    }

    /// The start of an object that holds a variant alone.
    fn variant(&mut self, variant: Option<&'static str>) {
        if let Some(variant) = variant {
            self.text.push('{');
            write_string(&mut self.text, variant);
            self.text.push(':');
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: Cow<'static, str>, value: &T, base: usize) -> Result<(), Error> {
        if self.fields.len() > base {
            self.text.push(',');
        }
        let from = self.text.len();
        write_string(&mut self.text, &name);
        self.text.push(':');
        value.serialize(&mut *self)?;
        self.fields.push(Field { name, from, to: self.text.len() });
        Ok(())
    }

    /// Puts the fields from `base` on, whose text begins at `start`, in order; of two with one name the later one counts.
    fn arrange(&mut self, start: usize, base: usize) {
        let fields = self.fields.get_mut(base..).unwrap_or_default();
        let sorted = fields.iter().zip(fields.iter().skip(1)).all(|(a, b)| order(&a.name, &b.name).is_lt());
        if !sorted {
            fields.sort_by(|a, b| order(&a.name, &b.name));
            self.spare.clear();
            let mut fields = fields.iter().peekable();
            while let Some(field) = fields.next() {
                if fields.peek().is_some_and(|next| next.name == field.name) {
                    continue;
                }
                if !self.spare.is_empty() {
                    self.spare.push(',');
                }
                self.spare.push_str(self.text.get(field.from..field.to).unwrap_or_default());
            }
            self.text.truncate(start);
            self.text.push_str(&self.spare);
        }
        self.fields.truncate(base);
    }
}

/// An object whose fields come one by one.
pub(super) struct Object<'a> {
    writer: &'a mut Writer,
    start: usize,
    base: usize,
    name: Option<String>,
    /// It is a variant's, and the object around it ends with it.
    within: bool,
}

impl Object<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, name: Cow<'static, str>, value: &T) -> Result<(), Error> {
        self.writer.field(name, value, self.base)
    }

    fn close(self) {
        self.writer.arrange(self.start, self.base);
        self.writer.text.push_str(if self.within { "}}" } else { "}" });
    }
}

/// A list whose items come one by one.
pub(super) struct List<'a> {
    writer: &'a mut Writer,
    first: bool,
    within: bool,
}

impl List<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !self.first {
            self.writer.text.push(',');
        }
        self.first = false;
        value.serialize(&mut *self.writer)
    }

    fn close(self) {
        self.writer.text.push_str(if self.within { "]}" } else { "]" });
    }
}

macro_rules! integers {
    ($($name:ident $kind:ty => $write:ident,)*) => {
        $(fn $name(self, value: $kind) -> Result<(), Error> {
            $write(&mut self.text, value.into());
            Ok(())
        })*
    };
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    integers! {
        serialize_u8 u8 => write_unsigned,
        serialize_u16 u16 => write_unsigned,
        serialize_u32 u32 => write_unsigned,
        serialize_u64 u64 => write_unsigned,
        serialize_i8 i8 => write_signed,
        serialize_i16 i16 => write_signed,
        serialize_i32 i32 => write_signed,
        serialize_i64 i64 => write_signed,
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.text.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            write_float(&mut self.text, value);
            return Ok(());
        }
        self.serialize_unit()
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        write_string(&mut self.text, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        let mut list = self.list(None);
        value.iter().try_for_each(|byte| list.add(byte))?;
        list.close();
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.text.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(Some(variant));
        value.serialize(&mut *self)?;
        self.text.push('}');
        Ok(())
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<List<'a>, Error> {
        Ok(self.list(None))
    }

    fn serialize_tuple(self, _len: usize) -> Result<List<'a>, Error> {
        Ok(self.list(None))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<List<'a>, Error> {
        Ok(self.list(None))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<List<'a>, Error> {
        Ok(self.list(Some(variant)))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Object<'a>, Error> {
        Ok(self.object(None))
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Object<'a>, Error> {
        // serde_json's own words for text that is JSON already: no record holds any, and it would not be canonical.
        if name.starts_with("$serde_json") {
            return Err(Error::custom("raw JSON can't stand in a record"));
        }
        Ok(self.object(None))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Object<'a>, Error> {
        Ok(self.object(Some(variant)))
    }
}

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        // Names are texts all but always, and what else may be one is rare enough for a tree.
        self.name = Some(match serde_json::to_value(key)? {
            Value::String(name) => name,
            Value::Number(name) => name.to_string(),
            Value::Bool(name) => name.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(Error::custom("a name must be a text")),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let name = self.name.take().ok_or_else(|| Error::custom("a value came before its name"))?;
        self.add(Cow::Owned(name), value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

macro_rules! named {
    ($($kind:ident)*) => {
        $(impl $kind for Object<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                self.add(Cow::Borrowed(name), value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}
named!(SerializeStruct SerializeStructVariant);

macro_rules! listed {
    ($($kind:ident $item:ident)*) => {
        $(impl $kind for List<'_> {
            type Ok = ();
            type Error = Error;

            fn $item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}
listed!(SerializeSeq serialize_element SerializeTuple serialize_element
    SerializeTupleStruct serialize_field SerializeTupleVariant serialize_field);
