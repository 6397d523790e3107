//! `creel upgrade`: a guard of this program takes over, and the agent goes on.
//!
//! Owns the command's words. The warden does the exchange; it stays of its own version until the next start.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::{Where, ask, out};
use crate::protocol::{FromWarden, ToWarden};

/// Have a guard of this program take over while the agent goes on. The warden stays as it is until `down` and `up`.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// The program of the new guard [default: the one that this command runs from].
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

impl Upgrade {
    pub(crate) fn run(self) -> ExitCode {
        let program = match self.program.map_or_else(std::env::current_exe, std::path::absolute) {
            Ok(program) => program,
            Err(error) => return out::fail(1, format_args!("the program can't be found: {error}")),
        };
        ask::block_on(async {
            let link = match ask::connect(&self.place.site(None).warden_socket()) {
                Ok(link) => link,
                Err(code) => return code,
            };
            if link.send(&ToWarden::Upgrade { program }, &[]).await.is_err() {
                return ask::lost();
            }
            match link.recv::<FromWarden>().await {
                Ok(Some((FromWarden::Done, _))) => {
                    out::note("the new guard serves; the warden stays as it is until `creel down` and `creel up`");
                    ExitCode::SUCCESS
                }
                Ok(Some((FromWarden::Failed { code, why }, _))) => out::fail(code, why),
                _ => ask::lost(),
            }
        })
    }
}
