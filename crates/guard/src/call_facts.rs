//! What is known of a proposed tool call before it is judged.
//!
//! Owns [`CallFacts`]: what kind of act it is, where each of its values stems from, whether the user asked for such an
//! act. Never gathers them: `provenance` does, for the model door and for `creel judge` alike. Read by the rules.

use serde::{Deserialize, Serialize};

/// Everything that the rules may use about one proposed call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallFacts {
    /// What kind of act it is.
    pub class: CallClass,
    /// Whether the operator or a shipped profile declared the tool; else it was classed by name and schema.
    pub declared: bool,
    /// What is wrong with the arguments against the tool's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Whether the user's own words order this kind of act.
    pub intent: Intent,
    /// The arguments that matter, and where their values stem from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<ArgumentFact>,
    /// Untrusted content stands in the conversation, or reached the jail before.
    pub untrusted: bool,
    /// Some of that content speaks to the agent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub steered: bool,
    /// Something other than the user's own words could flow into the call.
    pub private: bool,
    /// Its effect reaches somebody outside.
    pub outside: bool,
    /// How often the very same call was made before in this conversation.
    pub repeated: u32,
    /// How many calls with an effect were made since the user last spoke.
    pub burst: u32,
    /// A call with an effect was refused since the user last spoke.
    pub after_refusal: bool,
    /// What speaks against the tool's definition; `None` for one that is known as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Drift>,
}

/// A tool whose definition is not the one that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drift {
    /// In which way.
    pub kind: DriftKind,
    /// SHA-256 of the definition as it is now, lower-case hex.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The change, line by line, cut.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub diff: String,
    /// The detector's rule that its text hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// In which way a tool's definition is not the accepted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// The tool was not there when the others were first seen.
    New,
    /// It was another one.
    Changed,
    /// Its text reads like an order to the model.
    Poisoned,
    /// Nobody can tell: what was accepted can't be read or kept.
    #[default]
    Unknown,
}

impl DriftKind {
    /// What is to be said of the tool.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "was not there when the tools were first seen",
            Self::Changed => "is defined otherwise than it was accepted",
            Self::Poisoned => "has a definition that reads like an order",
            Self::Unknown => "can't be compared with what was accepted",
        }
    }
}

/// The kinds of acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallClass {
    /// Looks something up inside the user's own world.
    Read,
    /// Asks a place outside for something: an address of the model's choice is called.
    Fetch,
    /// Changes something that can be changed back.
    Write,
    /// Tells somebody something.
    Send,
    /// Shows something to everybody.
    Publish,
    /// Gives, takes or changes access, credentials, protections.
    Access,
    /// Moves money or binds somebody to pay.
    Pay,
    /// Destroys or cancels.
    Delete,
    /// Moves something in the world: locks, machines, vehicles.
    Operate,
    /// Runs code or changes files inside the jail, where the other doors judge what comes of it.
    Contained,
    /// Runs code.
    Execute,
    /// Installs a skill, a plugin, a program.
    Install,
    /// Writes what an agent reads as instructions: its persona, memory, skills, schedules.
    Instruct,
    /// Nobody knows: it has an effect, and that is all.
    #[default]
    Unknown,
}

impl CallClass {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "look something up",
            Self::Fetch => "fetch from an address",
            Self::Write => "change something",
            Self::Send => "tell somebody something",
            Self::Publish => "publish",
            Self::Access => "change access",
            Self::Pay => "move money",
            Self::Delete => "delete or cancel",
            Self::Operate => "operate a device",
            Self::Contained => "work inside the jail",
            Self::Execute => "run code",
            Self::Install => "install something",
            Self::Instruct => "change what the agent is told",
            Self::Unknown => "do something of an unknown kind",
        }
    }
}

/// Whether the user's own words order this kind of act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// They name the act.
    Ordered,
    /// They don't.
    #[default]
    None,
}

/// One value of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgumentFact {
    /// Where it stands, for instance `recipients` or `attachments.file_id`.
    pub name: String,
    /// What it is for.
    pub kind: ArgumentKind,
    /// The value, cut to a line.
    pub value: String,
    /// Where it stems from.
    pub origin: Origin,
    /// The untrusted passage that it stems from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<String>,
}

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArgumentKind {
    /// Who or where.
    Destination,
    /// How much.
    Amount,
    /// Which one.
    Identifier,
    /// Which file.
    Path,
    /// What is run.
    Command,
    /// A password or the like.
    Secret,
    /// A link or account inside a text that is sent: a destination for whoever reads it.
    Link,
    /// When.
    When,
    /// A title, a short description.
    Name,
}

/// Where a value stems from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It stands in the words of the user or the operator.
    Said,
    /// Their words lead to it and to nothing else: the one Anna, the largest file, that event's guests.
    Led,
    /// It stands in a directory that the operator trusts.
    Directory,
    /// It stands in a field of its own in a tool's result.
    Field,
    /// It stands in untrusted prose alone.
    Prose,
    /// It stands nowhere: the model made it up or put it together.
    Nowhere,
}

impl Origin {
    /// Whether the user or the operator vouches for it.
    #[must_use]
    pub fn is_vouched(self) -> bool {
        matches!(self, Self::Said | Self::Led | Self::Directory)
    }
}
