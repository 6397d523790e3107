//! Judges an action; pure.
//!
//! This crate owns the rules: one rule is one file, one function and one public id. It never does IO, reads no clock
//! and remembers nothing between two decisions, so that any past decision can be replayed under another policy. The
//! guard calls it through `guard::Judge`; the binary builds it from `creel.toml`.

#![forbid(unsafe_code)]

mod command;
mod condition;
mod config;
mod credentials;
mod declared;
mod docs;
pub mod examples;
mod glob;
mod graphql;
mod hosts;
mod judge;
mod operator;
mod pattern;
mod ranges;
mod replay;
mod rule;
mod rules;
mod stage;
mod suggest;

pub use command::CommandPattern;
pub use condition::{Conditions, Credentials, Declared, FieldRule, HeaderRule, Links, Odd, QueryRule, Rate};
pub use config::{
    Config, EgressAllow, ExecRules, HighRisk, ModelProvider, ModelRules, Protect, SecretPlace, ToolRules,
};
pub use docs::{explain, rule_docs, rules_markdown};
pub use glob::{Glob, PathGlob};
pub use judge::{Policy, ReloadablePolicy};
pub use operator::{InvalidRules, Operator, Rule as OperatorRule, SCHEMA as OPERATOR_SCHEMA, permit};
pub use pattern::{HostPattern, InvalidPattern};
pub use ranges::{Closed, closed, never};
pub use replay::{Replayed, Step, replay};
pub use rule::RuleDoc;
pub use suggest::{Suggested, Suggestions};
