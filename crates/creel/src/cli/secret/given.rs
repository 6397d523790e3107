//! A value that a person gives.
//!
//! Owns the prompt that shows nothing of it. It never takes one from an argument, and reads no more of standard input than a
//! value can have. `creel secret` calls it.

use std::io::{self, BufRead, IsTerminal, Write};

use creel_secrets::SecretName;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::secrets::{LONGEST, bounded};

/// The value, from a terminal or from whatever standard input is.
pub(super) fn value(name: &SecretName) -> Result<Zeroizing<String>, String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return bounded(stdin.lock());
    }
    let _ = write!(io::stderr().lock(), "the value of {name} (it is not shown): ");
    let quiet = Quiet::begin().map_err(|error| format!("the terminal can't be kept from showing it: {error}"))?;
    let typed = line(stdin.lock());
    drop(quiet);
    let _ = writeln!(io::stderr().lock());
    typed
}

/// The terminal shows nothing and hands each character on; dropped, it is as it was.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        // Not by lines, which the kernel cuts at 4095 characters (termios(3)); no signals, which would leave it so.
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// One line, typed or pasted.
fn line(from: impl BufRead) -> Result<Zeroizing<String>, String> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    let most = usize::try_from(LONGEST).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(Vec::with_capacity(most + 1));
    for byte in from.bytes() {
        match byte.map_err(|error| error.to_string())? {
            b'\n' | b'\r' => break,
            INTERRUPT | END => return Err("it was broken off".to_owned()),
            // Backspace: the last character, of however many bytes.
            8 | 127 => while text.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            byte if text.len() < most => text.push(byte),
            _ => return Err(format!("it is longer than {LONGEST} bytes")),
        }
    }
    let text = std::str::from_utf8(&text).map_err(|_| "it is no text in UTF-8".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_it_ends_and_can_be_mended() {
        let read = |bytes: &[u8]| line(bytes).map(|text| text.to_string());
        assert_eq!(read(b"value\rmore").as_deref(), Ok("value"));
        assert_eq!(read("valu\u{e9}\u{7f}e\n".as_bytes()).as_deref(), Ok("value"));
        assert_eq!(read(b"\x7f\x08value").as_deref(), Ok("value"));
        assert!(read(b"val\x03ue\n").unwrap_err().contains("broken off"));
        assert!(read(b"\xff\n").unwrap_err().contains("UTF-8"));
        assert!(
            line(io::BufReader::new(io::repeat(b'x'))).unwrap_err().contains("longer than"),
            "more than a value is not read"
        );
        assert!(bounded(io::repeat(b'x')).unwrap_err().contains("longer than"));
    }
}
