//! What the kernel made of what was judged.
//!
//! Owns [`Image`], the arguments as they were read when they were judged, and the comparison with those that the new program
//! has, before its own first instruction: another thread could have changed them in between. A script's interpreter gets more
//! arguments than were given, which is judged as well. The porter calls it.

use std::fs::OpenOptions;
use std::io::Read as _;

use creel_doors::exec::Sight;
use creel_jail_sys::notify::Notice;

use super::look::{self, lossy};
use super::memory::MOST_BYTES;
use super::processes::Processes;

/// The arguments of a program, each with its NUL, and its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    called: Vec<u8>,
    arguments: Vec<u8>,
    /// Without the first, which an interpreter replaces.
    rest: Vec<u8>,
    cut: bool,
    program: String,
}

impl Image {
    pub(super) fn new(called: &[u8], arguments: &[Vec<u8>], cut: bool, program: &str) -> Self {
        let joined = |words: &[Vec<u8>]| {
            let mut bytes = Vec::new();
            for (number, word) in words.iter().enumerate() {
                bytes.extend_from_slice(word);
                // the last word of a cut vector may go on
                if !(cut && number + 1 == words.len()) {
                    bytes.push(0);
                }
            }
            bytes
        };
        // Linux gives an empty vector one empty word.
        let whole = if arguments.is_empty() { vec![0] } else { joined(arguments) };
        let rest = arguments.get(1..).map(joined).unwrap_or_default();
        Self { called: called.to_vec(), arguments: whole, rest, cut, program: program.to_owned() }
    }

    /// Whether these are the arguments that were judged.
    pub(super) fn has(&self, found: &[u8]) -> bool {
        if self.cut { found.starts_with(&self.arguments) } else { found == self.arguments }
    }

    /// Whether these are what an interpreter gets for it: words of its own, the script's path, and the rest of the arguments.
    fn has_interpreted(&self, found: &[u8]) -> bool {
        let end = [self.called.as_slice(), b"\0", &self.rest].concat();
        if self.cut {
            found.windows(end.len()).any(|window| window == end)
        } else {
            found.strip_suffix(end.as_slice()).is_some_and(|before| before.last() == Some(&0))
        }
    }
}

pub(super) enum Compared {
    Gone,
    Same {
        pid: i32,
    },
    /// It is to be judged.
    Other {
        sight: Sight,
        image: Image,
    },
}

/// Compares what runs in the process that waits with what was judged of it.
pub(super) fn compare(notice: &Notice, processes: &Processes) -> Compared {
    let Some(pid) = look::leader(notice.thread) else { return Compared::Gone };
    let judged = processes.image(pid);
    if let Some((_, true)) = judged {
        // A program that was seen to run may set up what it likes.
        return Compared::Same { pid };
    }
    let Some(found) = arguments(pid) else { return Compared::Gone };
    let cut = found.len() > MOST_BYTES;
    let program = look::program_of(pid);
    let parent = look::parent_of(pid, processes);
    let changed = match judged {
        Some((image, _)) if image.has(&found) => {
            if image.program == program {
                return Compared::Same { pid };
            }
            false
        }
        Some((image, _)) => !image.has_interpreted(&found),
        // A copy of a process, made without a program of its own.
        None => match processes.image(parent) {
            Some((image, _)) if image.has(&found) && image.program == program => return Compared::Same { pid },
            _ => false,
        },
    };
    let words = words(&found, cut);
    let image = Image::new(program.as_bytes(), &words, cut, &program);
    let argv = words.iter().map(|word| lossy(word)).collect();
    let cwd = look::link(&format!("/proc/{pid}/cwd"));
    Compared::Other { sight: Sight { pid, parent, program, argv, cut, cwd, changed }, image }
}

/// The arguments of a process as the kernel put them into its memory, so far as any that were judged could go.
fn arguments(pid: i32) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = OpenOptions::new().read(true).open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(MOST_BYTES as u64 * 2).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// As many as a record holds.
fn words(bytes: &[u8], cut: bool) -> Vec<Vec<u8>> {
    let bytes = bytes.get(..MOST_BYTES).unwrap_or(bytes);
    let mut words: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).take(512).collect();
    if !cut && words.last().is_some_and(Vec::is_empty) {
        words.pop();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(called: &str, argv: &[&str], cut: bool) -> Image {
        let argv: Vec<Vec<u8>> = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
        Image::new(called.as_bytes(), &argv, cut, "/p")
    }

    #[test]
    fn what_was_judged_is_known_again_and_a_scripts_interpreter_too() {
        let plain = image("/usr/bin/ls", &["ls", "-l"], false);
        assert!(plain.has(b"ls\0-l\0"));
        assert!(!plain.has(b"ls\0-l\0x\0") && !plain.has(b"ls\0-l") && !plain.has(b""));
        let script = image("./x", &["anything", "a b"], false);
        assert!(script.has_interpreted(b"/bin/sh\0-e\0./x\0a b\0"));
        for other in [&b"/bin/sh\0./y\0a b\0"[..], b"./x\0a b\0", b"/bin/sh\0./x\0a b\0c\0", b"/bin/sh./x\0a b\0"] {
            assert!(!script.has_interpreted(other), "{other:?}");
        }
        assert!(image("x", &[], false).has(b"\0"));
        let long = image("x", &["x", "aaa"], true);
        assert!(long.has(b"x\0aaaa\0b\0") && !long.has(b"x\0aa\0"));
        assert!(long.has_interpreted(b"/bin/sh\0x\0aaaa\0"));
    }

    #[test]
    fn words_are_taken_apart_as_they_were_put_together() {
        for argv in [&["a", "", "b"][..], &["a"], &["", ""]] {
            let image = image("p", argv, false);
            let again: Vec<String> = words(&image.arguments, false).iter().map(|word| lossy(word)).collect();
            assert_eq!(again, argv);
        }
    }
}
