//! `creel reload`: new rules for a running Creel.
//!
//! Owns the command's words. The warden reads the file that `creel up` was given, judges it whole and hands it to the guard;
//! nothing of a file with a fault in it is applied.

use std::process::ExitCode;

use clap::Args;

use crate::cli::{Where, ask, out};
use crate::protocol::{FromWarden, Reloaded, ToWarden};

/// Read the configuration again: new rules hold for the next request, on open connections too.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    place: Where,
}

impl Reload {
    pub(crate) fn run(self) -> ExitCode {
        ask::block_on(async {
            let link = match ask::connect(&self.place.site(None).warden_socket()) {
                Ok(link) => link,
                Err(code) => return code,
            };
            if link.send(&ToWarden::Reload, &[]).await.is_err() {
                return ask::lost();
            }
            match link.recv::<FromWarden>().await {
                Ok(Some((FromWarden::Reloaded(done), _))) => {
                    out::text(render(&done));
                    ExitCode::SUCCESS
                }
                Ok(Some((FromWarden::Failed { code, why }, _))) => {
                    out::note("creel: the old rules stay");
                    out::fail(code, why)
                }
                _ => ask::lost(),
            }
        })
    }
}

fn render(done: &Reloaded) -> String {
    let Reloaded { generation, changes, waiting, warnings } = done;
    let mut text = String::new();
    for line in changes {
        text.push_str(&format!("{line}\n"));
    }
    text.push_str(&format!("generation {generation} of the rules is in force\n"));
    if !waiting.is_empty() {
        text.push_str(&format!("waits for `creel down` and `creel up`: {}\n", waiting.join(" ")));
    }
    for warning in warnings {
        text.push_str(&format!("{warning}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_and_what_waits_is_said() {
        let done = Reloaded {
            generation: 3,
            changes: vec!["added b.test:443".into()],
            waiting: vec!["limits.memory".into()],
            warnings: Vec::new(),
        };
        let said = "added b.test:443\ngeneration 3 of the rules is in force\nwaits for `creel down` and `creel up`: limits.memory\n";
        assert_eq!(render(&done), said);
    }
}
