//! What is made from the table of settings: the sample file, the reference page and the JSON Schema.
//!
//! Owns these three texts. They are generated, never edited; a test fails when the committed ones differ
//! (`UPDATE=1 cargo test -p creel` rewrites them).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::raw::{RawAlert, RawAllow, RawConfig, RawExport};
use super::secrets::RawSecret;
use super::settings::{Legal, Section, Setting};
use super::sources::RawSource;

/// The commented `creel.toml` that `creel init-config` writes: every setting, each with its default.
#[must_use]
pub fn sample() -> String {
    let mut out = String::from(
        "# Creel's configuration. Every line that starts with `#` and a key is the default: take the `#` away to\n\
         # change it. Secrets never stand here: keys come from the environment of `creel up`.\n",
    );
    let defaults = defaults();
    for setting in RawConfig::SECTION.settings {
        match setting.legal {
            Legal::Table(section) => sample_section(&mut out, section, &defaults),
            Legal::Tables(section) => {
                out.push('\n');
                comment(&mut out, section.what, "# ");
                sample_list(&mut out, section, &defaults);
            }
            _ => {}
        }
    }
    out
}

/// The section of a list that may be empty: a comment, every line of it.
fn sample_list(out: &mut String, section: &Section, defaults: &toml::Table) {
    let _ = writeln!(out, "#\n# [[{}]]", section.path);
    for setting in section.settings {
        sample_setting(out, section, setting, defaults);
    }
}

fn sample_section(out: &mut String, section: &Section, defaults: &toml::Table) {
    let own: Vec<&Setting> = section.settings.iter().filter(|setting| !is_section(setting.legal)).collect();
    out.push('\n');
    comment(out, section.what, "# ");
    if !own.is_empty() {
        let _ = writeln!(out, "[{}]", section.path);
    }
    for setting in own {
        sample_setting(out, section, setting, defaults);
    }
    for setting in section.settings {
        if let Legal::Tables(rules) = setting.legal {
            sample_list(out, rules, defaults);
        }
    }
}

fn sample_setting(out: &mut String, section: &Section, setting: &Setting, defaults: &toml::Table) {
    let text = format!("{} Legal: {}.", setting.what.trim(), setting.legal);
    comment(out, &text, "#   ");
    let value = default_text(section, setting, defaults).unwrap_or_else(|| setting.example.to_owned());
    let _ = writeln!(out, "# {} = {value}", setting.key);
}

/// Wraps `text` at 100 columns.
fn comment(out: &mut String, text: &str, prefix: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if prefix.len() + line.len() + 1 + word.len() > 100 {
            let _ = writeln!(out, "{prefix}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{prefix}{line}");
}

/// The reference page, `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         <!-- Made from crates/creel/src/config/raw.rs by `UPDATE=1 cargo test -p creel`; edit that. -->\n\n\
         `creel init-config` writes a commented `creel.toml`; `schema/creel.schema.json` lets an editor check it.\n\
         Unknown keys, illegal values and contradictions are errors with line and column (exit code 2), and all of\n\
         them are told at once. Sizes are `\"4GiB\"`, `\"512MiB\"`, `\"64KiB\"` or a whole number of bytes. Secrets never\n\
         stand in the file: what looks like one is refused.\n",
    );
    let defaults = defaults();
    for setting in RawConfig::SECTION.settings {
        if let Legal::Table(section) | Legal::Tables(section) = setting.legal {
            reference_section(&mut out, section, &defaults);
        }
    }
    out
}

fn reference_section(out: &mut String, section: &Section, defaults: &toml::Table) {
    let own: Vec<&Setting> = section.settings.iter().filter(|setting| !is_section(setting.legal)).collect();
    if !own.is_empty() {
        let is_list = LISTS.contains(&section.path);
        let header = if is_list { format!("[[{}]]", section.path) } else { format!("[{}]", section.path) };
        let _ = writeln!(out, "\n## `{header}`\n\n{}\n", section.what.trim());
        out.push_str("| key | what | default | legal | why this default |\n|---|---|---|---|---|\n");
    }
    for setting in own {
        let default = default_text(section, setting, defaults).map_or("none".to_owned(), |text| format!("`{text}`"));
        let row = [&format!("`{}`", setting.key), setting.what, &default, &setting.legal.to_string(), setting.why];
        let _ = writeln!(out, "| {} |", row.map(|cell| cell.trim().replace('|', "\\|")).join(" | "));
    }
    for setting in section.settings {
        if let Legal::Tables(rules) = setting.legal {
            reference_section(out, rules, defaults);
        }
    }
}

fn is_section(legal: Legal) -> bool {
    matches!(legal, Legal::Table(_) | Legal::Tables(_))
}

/// The sections that may stand any number of times.
const LISTS: [&str; 5] = [
    RawAllow::SECTION.path,
    RawAlert::SECTION.path,
    RawExport::SECTION.path,
    RawSecret::SECTION.path,
    RawSource::SECTION.path,
];

/// All defaults as TOML, those of an egress rule under `egress.allow`.
fn defaults() -> toml::Table {
    let mut table = toml::Table::try_from(RawConfig::default()).unwrap_or_default();
    if let (Ok(rule), Some(toml::Value::Table(egress))) =
        (toml::Table::try_from(RawAllow::default()), table.get_mut("egress"))
    {
        egress.insert("allow".to_owned(), toml::Value::Table(rule));
    }
    let lists = [
        (RawAlert::SECTION.path, toml::Table::try_from(RawAlert::default())),
        (RawExport::SECTION.path, toml::Table::try_from(RawExport::default())),
        (RawSecret::SECTION.path, toml::Table::try_from(RawSecret::default())),
        (RawSource::SECTION.path, toml::Table::try_from(RawSource::default())),
    ];
    for (path, defaults) in lists {
        table.insert(path.to_owned(), toml::Value::Table(defaults.unwrap_or_default()));
    }
    table
}

fn default_text(section: &Section, setting: &Setting, defaults: &toml::Table) -> Option<String> {
    let mut table = defaults;
    for part in section.path.split('.') {
        table = table.get(part)?.as_table()?;
    }
    table.get(setting.key).map(ToString::to_string)
}

/// The JSON Schema of the file, `schema/creel.schema.json`: the form by schemars, ranges and words by the table.
#[must_use]
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(RawConfig).to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), json!("creel.toml"));
    }
    narrow(&mut schema, &RawConfig::SECTION, "");
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes what the table knows into the schema of `section`, which stands at JSON pointer `at`.
fn narrow(schema: &mut Value, section: &'static Section, at: &str) {
    for setting in section.settings {
        let place = format!("{at}/properties/{}", setting.key);
        match setting.legal {
            Legal::Table(inner) | Legal::Tables(inner) => {
                if let Some(definition) = schema.pointer(&place).and_then(referred) {
                    narrow(schema, inner, &definition);
                }
            }
            legal => {
                if let Some(Value::Object(property)) = schema.pointer_mut(&place) {
                    property.extend(constraints(legal));
                }
            }
        }
    }
    let required: [(&str, &[&str]); 5] = [
        (RawAllow::SECTION.path, &["host"]),
        (RawAlert::SECTION.path, &["url"]),
        (RawExport::SECTION.path, &["url"]),
        (RawSecret::SECTION.path, &["name", "host"]),
        (RawSource::SECTION.path, &["name", "url"]),
    ];
    if let Some((_, keys)) = required.iter().find(|(path, _)| *path == section.path)
        && let Some(Value::Object(rule)) = schema.pointer_mut(at)
    {
        rule.insert("required".to_owned(), json!(keys));
    }
}

/// The pointer that a `$ref`, or the `$ref` of a list's items, names.
fn referred(property: &Value) -> Option<String> {
    let reference = property.get("$ref").or_else(|| property.pointer("/items/$ref"))?;
    reference.as_str()?.strip_prefix('#').map(ToOwned::to_owned)
}

fn constraints(legal: Legal) -> serde_json::Map<String, Value> {
    let constraints = match legal {
        Legal::Number { min, max } => json!({ "minimum": min, "maximum": max }),
        Legal::Count { min, max } => json!({ "minimum": min, "maximum": max }),
        Legal::Counts { min, max } => json!({ "items": { "type": "integer", "minimum": min, "maximum": max } }),
        Legal::OneOf(words) => json!({ "enum": words }),
        Legal::Ports => json!({
            "items": { "type": "integer", "minimum": 1, "maximum": 65_535 }, "minItems": 1, "uniqueItems": true
        }),
        Legal::Table(_) | Legal::Tables(_) | Legal::Flag | Legal::Bytes { .. } | Legal::Text(_) | Legal::Texts(_) => {
            json!({})
        }
    };
    match constraints {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}
