//! `creel say`: one message to the agent, its answer printed.
//!
//! Owns the command's words. It speaks to the tenant's guard, which records the message and carries it in; the answer
//! is the agent's and is escaped.

use std::io::Read;
use std::process::ExitCode;

use clap::Args;

use crate::cli::{FINDING, Where, approvals, ask, out};
use crate::escape;
use crate::protocol::{FromControl, ToControl};

/// Send the agent one message and print its answer.
#[derive(Debug, Args)]
pub(crate) struct Say {
    /// The message; `-` reads it from stdin.
    message: String,
    /// Whom to tell.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// How long the agent may take, in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
    /// Print `{"answer": …}` instead of the bare text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

impl Say {
    pub(crate) fn run(self) -> ExitCode {
        ask::block_on(self.say())
    }

    async fn say(self) -> ExitCode {
        let mut text = self.message;
        if text == "-" {
            text.clear();
            if let Err(error) = std::io::stdin().lock().take(1 << 20).read_to_string(&mut text) {
                return out::fail(2, format_args!("stdin could not be read as text: {error}"));
            }
        }
        let ask = ToControl::Say { text, patience_s: self.timeout, hook: None };
        match deliver(&self.place, &self.tenant, ask).await {
            Ok(text) if self.json => out::json(&serde_json::json!({ "answer": text })),
            Ok(text) => out::line(escape::for_terminal(&text)),
            Err(code) => return code,
        }
        ExitCode::SUCCESS
    }
}

/// Has the guard deliver a message, prints the questions that come up meanwhile, and gives what the agent said to it. The error
/// is told already.
pub(super) async fn deliver(place: &Where, tenant: &str, message: ToControl) -> Result<String, ExitCode> {
    let link = ask::connect(&place.site(None).control_socket(tenant))?;
    if link.send(&message, &[]).await.is_err() {
        return Err(ask::lost());
    }
    let answer = loop {
        match link.recv::<FromControl>().await {
            Ok(Some((FromControl::Question { open }, _))) => out::note(approvals::render(&open)),
            Ok(Some((FromControl::TooMany { why }, _))) => out::note(escape::for_terminal(&why)),
            answer => break answer,
        }
    };
    match answer {
        Ok(Some((FromControl::Answer { text }, _))) => Ok(text),
        Ok(Some((FromControl::Refused { refusal }, _))) => {
            let why = escape::for_terminal(&refusal.to_ledger);
            Err(out::fail(FINDING, format_args!("refused by `{}`: {why}", refusal.rule)))
        }
        Ok(Some((FromControl::Failed { why }, _))) => {
            Err(out::fail(FINDING, format_args!("no answer: {}", escape::for_terminal(&why))))
        }
        Ok(_) | Err(_) => Err(ask::lost()),
    }
}
