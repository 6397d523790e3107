//! What a tool is: declared by the operator, or classed by its name, schema and annotations on the safe side.
//!
//! Owns [`Tool`] and [`Tools`]. A declaration may narrow what a name says; what a server says of itself (MCP
//! annotations) may only make it worse. Never looks at a call.

use std::collections::HashMap;

use creel_guard::{ArgumentKind, CallClass};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::lexicon;
use crate::words::{parts, stem};

/// A tool as it is declared: the form of `--tools` and of the shipped profiles. Unknown keys are left alone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// For people; a word of it never decides.
    #[serde(default)]
    pub description: String,
    /// Its JSON schema.
    #[serde(default, alias = "inputSchema", alias = "input_schema")]
    pub parameters: Value,
    /// Whether it changes anything.
    pub side_effect: Option<bool>,
    /// `read`, `write`, `send`, `share`, `delete`, `egress`, `exec`; the shipped profiles know more, among them `contained`
    /// for what works inside the jail.
    pub effect: Option<String>,
    /// What each argument is for: `dest`, `amount`, `id`, `content`, `when`, `name`, `const`; the profiles know more.
    #[serde(default)]
    pub argument_kinds: HashMap<String, String>,
    /// Its results are a directory that the operator trusts.
    #[serde(default)]
    pub directory: bool,
    /// What an MCP server says of it.
    #[serde(default)]
    pub annotations: Map<String, Value>,
}

/// A tool, ready to judge calls by.
#[derive(Clone, Debug)]
pub struct Tool {
    pub(crate) name: String,
    pub(crate) class: CallClass,
    pub(crate) declared: bool,
    pub(crate) directory: bool,
    /// Its results are records; pages and files are prose.
    pub(crate) structured: bool,
    pub(crate) kinds: HashMap<String, ArgumentKind>,
    /// Arguments that are no value to trace: texts, choices.
    pub(crate) texts: Vec<String>,
    pub(crate) choices: Vec<String>,
    pub(crate) schema: Value,
    /// The verbs and nouns of its name, stemmed.
    pub(crate) verbs: Vec<String>,
    pub(crate) nouns: Vec<String>,
}

/// The tools of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    by_name: HashMap<String, Tool>,
}

impl Tools {
    /// Adds what the operator or a shipped profile declares; it goes before what was there.
    pub fn declare(&mut self, declarations: Vec<Declaration>) {
        for declaration in declarations {
            self.by_name.insert(declaration.name.to_lowercase(), Tool::declared(declaration));
        }
    }

    /// Takes the results of these tools for directories that the operator trusts.
    pub fn trust(&mut self, names: &[String]) {
        for name in names {
            let tool = Tool { directory: true, ..self.get(name) };
            self.by_name.insert(name.trim().to_lowercase(), tool);
        }
    }

    /// Adds what the agent's request says of its tools; what is declared stays.
    pub fn offer(&mut self, declarations: Vec<Declaration>) {
        for declaration in declarations {
            let name = declaration.name.to_lowercase();
            self.by_name.entry(name).or_insert_with(|| Tool::classed(declaration));
        }
    }

    /// The tool of this name; one that nobody described is classed by its name alone.
    #[must_use]
    pub fn get(&self, name: &str) -> Tool {
        self.by_name
            .get(&name.trim().to_lowercase())
            .cloned()
            .unwrap_or_else(|| Tool::classed(Declaration { name: name.to_owned(), ..Declaration::default() }))
    }

    /// The names of all described tools.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.values().map(|tool| tool.name.as_str())
    }
}

impl Tool {
    fn declared(of: Declaration) -> Self {
        let mut tool = Self::classed(Declaration { annotations: Map::new(), ..of.clone() });
        tool.declared = true;
        tool.directory = of.directory;
        tool.class = annotated(declared_class(&of, tool.class), &of.annotations);
        for (name, kind) in &of.argument_kinds {
            tool.declare_argument(name.trim(), kind);
        }
        tool
    }

    fn declare_argument(&mut self, name: &str, kind: &str) {
        let by_name = lexicon::kind_of(name);
        let kind = match kind {
            "content" => {
                self.kinds.remove(name);
                // A title is a text with a subject: it is compared as a name.
                if by_name == Some(ArgumentKind::Name) {
                    self.kinds.insert(name.to_owned(), ArgumentKind::Name);
                } else if let Some(kind @ (ArgumentKind::Secret | ArgumentKind::Command)) = by_name {
                    self.kinds.insert(name.to_owned(), kind);
                } else {
                    self.texts.push(name.to_owned());
                }
                return;
            }
            "const" => {
                self.kinds.remove(name);
                self.choices.push(name.to_owned());
                return;
            }
            // A declared destination that is named like a secret or a command stays what it is named like.
            "dest" => match by_name {
                Some(kind @ (ArgumentKind::Secret | ArgumentKind::Command | ArgumentKind::Identifier)) => kind,
                _ => ArgumentKind::Destination,
            },
            "amount" => ArgumentKind::Amount,
            "id" => ArgumentKind::Identifier,
            "when" => ArgumentKind::When,
            "name" => ArgumentKind::Name,
            "path" => ArgumentKind::Path,
            "command" => ArgumentKind::Command,
            "secret" => ArgumentKind::Secret,
            _ => return,
        };
        self.texts.retain(|text| text != name);
        self.kinds.insert(name.to_owned(), kind);
    }

    fn classed(of: Declaration) -> Self {
        let parts = parts(&of.name);
        let class = lexicon::class_of(&parts);
        // Behind the first verb a word may well be a thing: `change_pin`.
        let lead = parts.iter().position(|part| lexicon::is_verb(part));
        let is_thing = |at: usize, part: &str| !lexicon::is_verb(part) || lead.is_some_and(|lead| at > lead);
        let mut tool = Self {
            structured: lexicon::is_structured(class, &parts),
            // A name without a verb that is known most likely starts with one that isn't.
            verbs: match parts.iter().filter(|part| lexicon::is_verb(part)).map(|part| stem(part)).collect::<Vec<_>>() {
                known if known.is_empty() => parts.first().map(|first| stem(first)).into_iter().collect(),
                known => known,
            },
            nouns: parts
                .iter()
                .enumerate()
                .filter(|(at, part)| is_thing(*at, part))
                .map(|(_, part)| stem(part))
                .collect(),
            class: annotated(class, &of.annotations),
            name: of.name,
            declared: false,
            directory: false,
            kinds: HashMap::new(),
            texts: Vec::new(),
            choices: Vec::new(),
            schema: of.parameters,
        };
        let properties = tool.schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, property) in &properties {
            let choice = ["enum", "const", "$ref"].iter().any(|key| property.get(key).is_some())
                || property.get("type").and_then(Value::as_str) == Some("boolean");
            match lexicon::kind_of(name) {
                Some(kind) if !choice => drop(tool.kinds.insert(name.clone(), kind)),
                _ if choice => tool.choices.push(name.clone()),
                _ if lexicon::is_text(name) => tool.texts.push(name.clone()),
                _ => {}
            }
        }
        tool
    }

    /// What this argument is for; `None` for a text or a choice.
    pub(crate) fn kind(&self, name: &str) -> Option<ArgumentKind> {
        if self.texts.iter().any(|text| text == name) || self.is_choice(name) {
            return None;
        }
        let named = self.kinds.get(name).copied().or_else(|| lexicon::kind_of(name));
        // An argument that nobody knows counts as a name: prose must not have put it there.
        named.or_else(|| (!lexicon::is_text(name)).then_some(ArgumentKind::Name))
    }

    /// Whether this argument chooses among the tool's own options.
    pub(crate) fn is_choice(&self, name: &str) -> bool {
        self.choices.iter().any(|choice| choice == name)
    }

    /// Whether this argument is a text that people will read.
    pub(crate) fn is_text(&self, name: &str) -> bool {
        self.texts.iter().any(|text| text == name) || (!self.kinds.contains_key(name) && lexicon::is_text(name))
    }

    /// What is wrong with the arguments against the schema.
    pub(crate) fn flaw(&self, arguments: &Map<String, Value>) -> Option<String> {
        crate::schema::flaw(&self.schema, arguments)
    }
}

/// The class of a declared tool: the declaration's word, made worse where the name says more.
fn declared_class(of: &Declaration, named: CallClass) -> CallClass {
    let effect = of.effect.as_deref().unwrap_or_default();
    let worse = |plain: CallClass, than: &[CallClass]| if than.contains(&named) { named } else { plain };
    use CallClass::{
        Access, Contained, Delete, Execute, Fetch, Install, Instruct, Operate, Pay, Publish, Read, Send, Write,
    };
    match effect {
        "read" if of.side_effect != Some(true) => Read,
        "egress" => Fetch,
        "exec" => worse(Execute, &[Install]),
        "delete" => worse(Delete, &[Access]),
        "share" => Access,
        "send" => worse(Send, &[Pay, Publish, Access]),
        "write" => worse(Write, &[Pay, Publish, Access, Delete, Operate, Install, Instruct, Send, Execute]),
        "pay" => Pay,
        "publish" => Publish,
        "contained" => Contained,
        "operate" => Operate,
        "install" => Install,
        "instruct" => Instruct,
        _ if of.side_effect == Some(false) => Read,
        _ => named,
    }
}

/// What an MCP server says of its tool only makes it worse.
fn annotated(class: CallClass, annotations: &Map<String, Value>) -> CallClass {
    let hint = |name: &str| annotations.get(name).and_then(Value::as_bool);
    match class {
        CallClass::Read if hint("readOnlyHint") == Some(false) => CallClass::Unknown,
        CallClass::Write | CallClass::Unknown if hint("destructiveHint") == Some(true) => CallClass::Delete,
        class => class,
    }
}
