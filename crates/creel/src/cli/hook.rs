//! `creel hook`: what a webhook brought, for the agent to read.
//!
//! Owns the command's words. Whoever receives webhooks outside calls it; nothing listens in the jail. It speaks to the tenant's
//! guard, which records the body and hands it in as data: it orders nothing and vouches for nothing.

use std::io::Read;
use std::process::ExitCode;

use clap::Args;

use crate::cli::say::deliver;
use crate::cli::{Where, ask, out};
use crate::escape;
use crate::protocol::ToControl;

/// Hand the agent what a webhook brought, read from stdin, and wait until it is done with it. What stands in it is data: an
/// act that nobody but the body asked for is refused or asked about. `[openclaw] hooks = true` must be set.
#[derive(Debug, Args)]
pub(crate) struct Hook {
    /// Whose webhook it is, as the agent and the log are told.
    name: String,
    /// Whom to tell.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// How long the agent may take, in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
    /// Print `{"status": …}` instead of the bare word.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// What is read of stdin: more than a body may have, so that one too long is told and not cut.
const MOST_READ: u64 = 1 << 20;

impl Hook {
    pub(crate) fn run(self) -> ExitCode {
        ask::block_on(self.hand_over())
    }

    async fn hand_over(self) -> ExitCode {
        let mut text = String::new();
        if let Err(error) = std::io::stdin().lock().take(MOST_READ).read_to_string(&mut text) {
            return out::fail(2, format_args!("stdin could not be read as text: {error}"));
        }
        let ask = ToControl::Say { text, patience_s: self.timeout, hook: Some(self.name) };
        match deliver(&self.place, &self.tenant, ask).await {
            Ok(status) if self.json => out::json(&serde_json::json!({ "status": status })),
            Ok(status) => out::line(escape::for_terminal(&status)),
            Err(code) => return code,
        }
        ExitCode::SUCCESS
    }
}
