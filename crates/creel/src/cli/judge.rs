//! `creel judge`: proposed tool calls, decided off-line by the code and the policy of the model door.
//!
//! Owns the command's words and its lines in and out. It needs no running Creel, sends nothing and writes no ledger; the
//! caller vouches for who said what. One line in, one line out, at once.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use creel_policy::Policy;
use creel_provenance::{Declaration, Tools};
use serde_json::Value;

use crate::cli::lines::{self, MOST_BYTES};
use crate::cli::{USAGE, out};
use crate::config::Config;
use crate::provider::Provider;

mod case;

/// Decide off-line what would become of proposed tool calls: cases as JSON lines on stdin, verdicts on stdout.
#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// The configuration [default: the defaults].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Declared tools, a JSON array; without it a tool is classed by its name.
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
}

/// What each case is judged with.
pub(crate) struct Bench {
    pub(crate) policy: Policy,
    pub(crate) tools: Tools,
    /// What the operator says: the address book.
    pub(crate) contacts: Vec<String>,
    pub(crate) tenant: creel_guard::Tenant,
}

impl Judge {
    pub(crate) fn run(self) -> ExitCode {
        let bench = match self.bench() {
            Ok(bench) => bench,
            Err(why) => return out::fail(USAGE, why),
        };
        lines::answer(io::stdin().lock(), |line, number| {
            let answer = case::answer(&bench, line, number);
            (answer.error.is_none(), answer)
        })
    }

    fn bench(&self) -> Result<Bench, String> {
        let config = Config::of(self.config.as_deref()).map_err(|report| report.to_string())?;
        let mut tools = crate::tools::shipped(&config);
        if let Some(path) = &self.tools {
            tools.declare(read_tools(path)?);
            tools.trust(&config.tools().directories);
        }
        Ok(Bench {
            policy: Policy::new(config.policy(1, &Provider::scripted(), Vec::new())),
            tools,
            contacts: config.tools().contacts.clone(),
            tenant: config.tenant().clone(),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns reading the declared tools")]
fn read_tools(path: &Path) -> Result<Vec<Declaration>, String> {
    let named = |why: String| format!("`{}`: {why}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| named(error.to_string()))?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|error| named(error.to_string()))?;
    let list: Vec<Value> = serde_json::from_slice(&bytes).map_err(|error| named(format!("no JSON array: {error}")))?;
    let read = |(at, value): (usize, Value)| {
        // As `tools` of a request has them, or bare.
        let bare = value.get("function").cloned().unwrap_or(value);
        serde_json::from_value(bare).map_err(|error| named(format!("tool {at}: {error}")))
    };
    list.into_iter().enumerate().map(read).collect()
}
