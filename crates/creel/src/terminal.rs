//! The person's terminal and the jail's, joined.
//!
//! Owns raw mode and its end. The jail's terminal is one of its own: what runs inside speaks to that, never to the
//! person's. `creel jail -t` uses it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use crate::cli::jail::pump;

/// A joined terminal; dropped, the person's is as it was.
pub(crate) struct Terminal {
    before: Option<Termios>,
    master: OwnedFd,
}

impl Terminal {
    /// Joins the person's terminal with the jail's, whose master end is `master`.
    ///
    /// # Errors
    /// When the master can't be shared between the two directions.
    pub(crate) fn attach(master: OwnedFd, threads: &mut Vec<JoinHandle<()>>) -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            let _ = tcsetattr(&stdin, OptionalActions::Now, &raw);
        }
        let mut to_jail = File::from(master.try_clone()?);
        let mut from_jail = File::from(master.try_clone()?);
        std::thread::spawn(move || {
            if let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned() {
                let _ = pump(&mut File::from(stdin), &mut to_jail);
            }
        });
        threads.push(std::thread::spawn(move || {
            let _ = pump(&mut from_jail, &mut io::stdout());
        }));
        let terminal = Self { before, master };
        terminal.resize();
        Ok(terminal)
    }

    /// Makes the jail's terminal as large as the person's.
    pub(crate) fn resize(&self) {
        if let Ok(size) = tcgetwinsize(io::stdin()) {
            let _ = tcsetwinsize(&self.master, size);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
