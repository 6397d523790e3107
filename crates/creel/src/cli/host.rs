//! What a person says about this host: who builds the jail, and which layers he goes without.
//!
//! Owns both options' words, the ids that one takes, and the one command line that accepts what this host lacks. It accepts
//! nothing itself: the jail is built, or not, by what is named here. `up` and `jail` share it.

use clap::Args;
use creel_jail::Users;
use rustix::process::geteuid;

use crate::cli::MISSING_LAYER;
use crate::config::Config;
use crate::run::{Failure, limits};

/// Layers that stand outside the jail's building: doors, configuration, users.
const OTHER_LAYERS: [&str; 8] =
    ["net.tcp", "net.udp", "net.dns", "net.inbound", "config.readonly", "token.hidden", "inner.wall", "files.watched"];

const OPTION: &str = "--allow-degraded";

/// Who builds the jail, and what the operator goes without.
#[derive(Clone, Debug, Args)]
pub(crate) struct Host {
    /// Which engine builds the jail from its OCI spec: `embedded`, `runc` or `crun`.
    #[arg(long, value_name = "NAME", default_value = "embedded")]
    runtime: String,
    /// Accept that these layers can't be enforced on this host (ids as `creel check` prints them); it is recorded.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    allow_degraded: Vec<String>,
}

impl Host {
    /// The engine's name.
    pub(crate) fn name(&self) -> String {
        self.runtime.clone()
    }

    /// Whether no layer is given up by name.
    pub(crate) fn goes_without_nothing(&self) -> bool {
        self.allow_degraded.is_empty()
    }

    /// The engine.
    ///
    /// # Errors
    /// A text for the person when there is none of that name.
    pub(crate) fn engine(&self) -> Result<creel_jail::Engine, String> {
        let known = || creel_jail::OciRuntime::ALL.map(creel_jail::OciRuntime::name).join(", ");
        creel_jail::Engine::named(&self.runtime)
            .ok_or_else(|| format!("there is no engine `{}`; take embedded, {}", self.runtime, known()))
    }

    /// What is accepted as missing.
    ///
    /// # Errors
    /// A text for the person when one is no layer's id.
    pub(crate) fn degraded(&self) -> Result<&[String], String> {
        let known = || creel_jail::LAYERS.into_iter().chain(OTHER_LAYERS);
        match self.allow_degraded.iter().find(|id| !known().any(|layer| layer == *id)) {
            Some(odd) => {
                let known = known().collect::<Vec<_>>().join(", ");
                Err(format!("`{OPTION} {odd}` names no layer; there are {known}"))
            }
            None => Ok(&self.allow_degraded),
        }
    }
}

/// What a record says of the layers that a person goes without.
pub(crate) fn recorded(ids: &[String]) -> String {
    if ids.is_empty() { String::new() } else { format!("accepting the absence of {}", ids.join(", ")) }
}

/// Looks, before anything is made, for what this host lacks; `volume` says whether the jail is to have one.
///
/// # Errors
/// [`Failure`] with the command line that accepts it, when something is missing and not in `accepted`.
pub(crate) fn look(config: &Config, volume: bool, accepted: &[String]) -> Result<(), Failure> {
    // Root's slot makes no difference to what is missing.
    let users = match creel_jail::slot::Slot::new(0) {
        Some(slot) if geteuid().is_root() => Users::Slot(slot),
        _ => Users::Own(geteuid().as_raw()),
    };
    let name = format!("look-{}", std::process::id());
    let lacks = creel_jail::lacking(&name, &limits(config), users, volume)?;
    if lacks.iter().all(|id| accepted.iter().any(|known| known == id)) {
        return Ok(());
    }
    let who = if users.is_own() { "a plain user can't enforce" } else { "this host can't enforce" };
    let words: Vec<String> = std::env::args().skip(1).collect();
    let line = line(&words, &lacks);
    let root = if users.is_own() { "as root nothing is missing; " } else { "" };
    let why = format!("{who} {}; {root}to go without, run:\n{line}", lacks.join(", "));
    Err(Failure { code: MISSING_LAYER, why, may_pass: false })
}

/// The command line that was typed, accepting `lacks`.
fn line(words: &[String], lacks: &[&str]) -> String {
    let (ours, theirs) = words.split_at(words.iter().position(|word| word == "--").unwrap_or(words.len()));
    let mut line = vec!["creel".to_owned()];
    let mut skip = false;
    for word in ours {
        let value = std::mem::replace(&mut skip, word == OPTION);
        if !value && word != OPTION && !word.starts_with(&format!("{OPTION}=")) {
            line.push(quoted(word));
        }
    }
    line.push(format!("{OPTION}={}", lacks.join(",")));
    line.extend(theirs.iter().map(|word| quoted(word)));
    line.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[track_caller]
    fn check(typed: &str, offered: &str) {
        let words: Vec<String> = typed.split('|').map(str::to_owned).collect();
        assert_eq!(line(&words, &["limit.cpu", "guard-uid"]), offered);
    }

    #[test]
    fn the_line_is_what_was_typed_with_all_that_is_missing() {
        check("up", "creel up --allow-degraded=limit.cpu,guard-uid");
        check(
            "up|--allow-degraded|limit.cpu|--config|a b",
            "creel up --config 'a b' --allow-degraded=limit.cpu,guard-uid",
        );
        check("jail|--|sh|-c|it's", r"creel jail --allow-degraded=limit.cpu,guard-uid -- sh -c 'it'\''s'");
        check(
            "jail|--allow-degraded=x|--|e|--allow-degraded=y",
            "creel jail --allow-degraded=limit.cpu,guard-uid -- e --allow-degraded=y",
        );
    }
}
