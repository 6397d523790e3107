//! A plain user with a home and a program of his own.
//!
//! Owns [`PlainUser`]: the built binary where everybody may start it, run as a user that the host gives nothing. What it starts it
//! stops again when it is dropped.

use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use creel_testkit::Ran;

/// What root alone can give, as `--allow-degraded` takes it.
pub const MISSING: &str = "limit.memory,limit.cpu,limit.disk,separate-uid,guard-uid";

/// Nobody of this number has a name or a home.
const USER: u32 = 54_330;

/// The user.
#[derive(Debug)]
pub struct PlainUser {
    home: PathBuf,
}

impl PlainUser {
    /// One with an empty home, named after the test.
    ///
    /// # Errors
    /// When the home can't be made.
    pub fn new(name: &str) -> io::Result<Self> {
        let user = Self { home: crate::states().join(name) };
        if user.home.exists() {
            std::fs::remove_dir_all(&user.home)?;
        }
        std::fs::create_dir_all(&user.home)?;
        chown(&user.home, Some(USER), Some(USER))?;
        std::fs::copy(crate::program(), user.program())?;
        std::fs::set_permissions(user.program(), PermissionsExt::from_mode(0o755))?;
        Ok(user)
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    fn program(&self) -> PathBuf {
        self.home.join("creel")
    }

    /// Runs Creel to its end with `input` on its standard input, which it need not read.
    ///
    /// # Errors
    /// When it can't be started.
    #[expect(clippy::disallowed_methods, reason = "this file owns the start of the program as a plain user")]
    pub fn run(&self, args: &[&str], input: &str) -> io::Result<Ran> {
        let mut command = Command::new(self.program());
        command.args(args).env_clear().env("HOME", &self.home).env("PATH", "/usr/bin").current_dir(&self.home);
        let pipes = command.uid(USER).gid(USER).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(input.as_bytes());
        }
        let done = child.wait_with_output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ran { code: done.status.code().unwrap_or(-1), out: text(done.stdout), err: text(done.stderr) })
    }
}

impl Drop for PlainUser {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--now"], "");
        let _ = std::fs::remove_dir_all(&self.home);
    }
}
