//! The `creel` binary: one program, several processes.
//!
//! Owns nothing but the start: it reads the command line and hands over. See `cli.rs`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    creel::cli::main()
}
