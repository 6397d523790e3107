//! The one table of settings: name, default, what is legal, and why the default is what it is.
//!
//! Owns the shape of that table ([`Section`], [`Setting`], [`Legal`]) and the macro that makes a section's struct out
//! of its lines, so that struct docs, `docs/configuration.md`, the sample file and the JSON Schema can't drift apart.
//! It never reads a file; `raw` holds the lines, `walk` checks a file against them, `render` prints them.

use std::fmt;

use super::size::Size;

/// One section of the file, for instance `[limits]`.
#[derive(Debug)]
pub struct Section {
    /// Its header without brackets, for instance `egress.allow`; empty for the file itself.
    pub path: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// Its keys, in the order of the docs.
    pub settings: &'static [Setting],
}

impl Section {
    /// The setting of that name.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }
}

/// One key.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Which values it takes.
    pub legal: Legal,
    /// Why the default is what it is.
    pub why: &'static str,
    /// A value worth showing where there is no default, as TOML text; empty when the default says it.
    pub example: &'static str,
}

/// Which values a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Legal {
    /// A section with keys of its own.
    Table(&'static Section),
    /// A section that may stand any number of times, `[[…]]`.
    Tables(&'static Section),
    /// `true` or `false`.
    Flag,
    /// A number, both ends included.
    Number {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// A whole number, both ends included.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A list of whole numbers, each between these, both ends included.
    Counts {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number of bytes, both ends included: `"4GiB"` or a whole number.
    Bytes {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text; the words say of which form.
    Text(&'static str),
    /// A list of texts; the words say of which form each is.
    Texts(&'static str),
    /// A list of TCP ports.
    Ports,
}

impl fmt::Display for Legal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(_) => f.write_str("a section"),
            Self::Tables(section) => write!(f, "any number of sections `[[{}]]`", section.path),
            Self::Flag => f.write_str("`true` or `false`"),
            Self::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Count { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Counts { min, max } => write!(f, "a list of whole numbers from {min} to {max}"),
            Self::Bytes { min, max } => {
                write!(f, "`\"{}\"` to `\"{}\"`, or a whole number of bytes", Size(*min), Size(*max))
            }
            Self::OneOf(words) => {
                for (i, word) in words.iter().enumerate() {
                    let before = if i == 0 { "" } else { ", " };
                    write!(f, "{before}`\"{word}\"`")?;
                }
                Ok(())
            }
            Self::Text(form) => f.write_str(form),
            Self::Texts(form) => write!(f, "a list, each {form}"),
            Self::Ports => f.write_str("a list of port numbers from 1 to 65535, each once"),
        }
    }
}

/// Makes a section's struct and its [`Section`] out of one list of lines:
/// `/// what` `key: type = default, legal, why "…";`, with `example "…"` where no default shows the form.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $name:ident $path:literal {
            $(
                $(#[doc = $what:literal])+
                $key:ident: $type:ty = $default:expr, $legal:expr, why $why:literal $(, example $example:literal)?;
            )*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(rename = $path)]
        pub(super) struct $name {
            $(
                $(#[doc = $what])+
                pub(super) $key: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $name {
            /// The section's lines.
            pub(super) const SECTION: $crate::config::settings::Section = $crate::config::settings::Section {
                path: $path,
                what: concat!($($doc),+),
                settings: &[$(
                    $crate::config::settings::Setting {
                        key: stringify!($key),
                        what: concat!($($what),+),
                        legal: $legal,
                        why: $why,
                        example: concat!($($example)?),
                    },
                )*],
            };
        }
    };
}
pub(super) use section;
