//! `creel profiles`: the ready lists of entries for well-known services.
//!
//! Owns the command's words; the profiles are part of the program. It reads no configuration and changes nothing.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::{USAGE, out};
use crate::config::{PROFILES, Profile};

/// Show the ready entries for well-known services.
#[derive(Debug, Args)]
pub(crate) struct Profiles {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The profiles there are, as `egress.profiles` names them.
    List,
    /// What one opens, its entries and its examples.
    Show {
        /// Its name.
        name: String,
        /// Its parameters: `owner=acme`.
        parameters: Vec<String>,
    },
}

impl Profiles {
    pub(crate) fn run(self) -> ExitCode {
        let done = match self.what {
            What::List => list(),
            What::Show { name, parameters } => show(&name, &parameters),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => out::fail(USAGE, why),
        }
    }
}

fn list() -> Result<(), String> {
    for profile in &PROFILES {
        let about = profile.said()?.about;
        let first = about.trim().split_inclusive(". ").next().unwrap_or_default();
        out::line(format_args!("{:<46} {}", profile.line()?, first.trim()));
    }
    Ok(())
}

fn show(name: &str, parameters: &[String]) -> Result<(), String> {
    let profile = Profile::named(name).ok_or("there is no such profile; see `creel profiles list`")?;
    if parameters.is_empty() {
        out::text(profile.text.to_owned());
        return Ok(());
    }
    let pairs: Option<Vec<(&str, &str)>> = parameters.iter().map(|word| word.split_once('=')).collect();
    out::text(profile.filled(&pairs.ok_or("a parameter is `name=value`")?)?);
    Ok(())
}
