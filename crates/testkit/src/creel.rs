//! The program under test.
//!
//! Owns [`Creel`]: the built binary with a state folder of its own. What it starts it stops again when it is dropped.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The built binary with a state folder.
#[derive(Debug)]
pub struct Creel {
    program: PathBuf,
    state: PathBuf,
    keep: bool,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The exit code; 128+N when signal N ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Creel {
    /// The binary at `program` with the state folder `state`, which is made anew.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn fresh(program: &Path, state: &Path) -> io::Result<Self> {
        let creel = Self { program: program.to_owned(), state: state.to_owned(), keep: false };
        let _ = creel.run(&["down", "--now"]);
        match std::fs::remove_dir_all(state) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        std::fs::create_dir_all(state)?;
        Ok(creel)
    }

    /// Leaves it running, and its folder, when this value is dropped.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.keep = true;
        self
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Writes a configuration into the state folder's neighbourhood and returns its path.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn file(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let folder = self.state.with_extension("files");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// A command with the state folder set, ready for arguments.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this file owns the start of the program under test")]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("CREEL_STATE", &self.state)
            .env_remove("OPENAI_API_KEY")
            .env_remove("ANTHROPIC_API_KEY")
            .env_remove("GEMINI_API_KEY");
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run(&self, args: &[&str]) -> io::Result<Ran> {
        finish(self.command(args).spawn()?)
    }

    /// Runs it to its end with `input` on its standard input.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> io::Result<Ran> {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input)?;
        }
        finish(child)
    }

    /// Runs a shell line in a jail.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn jail(&self, options: &[&str], line: &str) -> io::Result<Ran> {
        let args: Vec<&str> =
            ["jail"].into_iter().chain(options.iter().copied()).chain(["--", "sh", "-c", line]).collect();
        self.run(&args)
    }
}

impl Drop for Creel {
    fn drop(&mut self) {
        if !self.keep {
            let _ = self.run(&["down", "--now"]);
        }
    }
}

fn finish(child: Child) -> io::Result<Ran> {
    use std::os::unix::process::ExitStatusExt;
    let done = child.wait_with_output()?;
    let code = done.status.code().or(done.status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ran { code, out: text(done.stdout), err: text(done.stderr) })
}
