//! A strict reading of a chunked body.
//!
//! Owns the chunk framing of requests (RFC 9112, section 7.1) without extensions and without trailers: neither has an
//! honest use in a request, and parsers disagree about both. Called by [`super::gate`].

/// Hex digits of a chunk's size: 12 make 256 TiB, far from any overflow.
const MAX_DIGITS: u32 = 12;

/// Where in the body the reading is.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size { size: u64, digits: u32 },
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    EndCr,
    EndLf,
}

/// How far one reading got.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// So many bytes are good.
    pub(super) passed: usize,
    /// Whether the body ends with them.
    pub(super) ended: bool,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size { size: 0, digits: 0 } }
    }
}

impl Chunks {
    /// Reads on.
    ///
    /// # Errors
    /// What is wrong; nothing of `bytes` may then pass.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Step, &'static str> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            self.state = match self.state {
                State::Size { size, digits } => size_byte(size, digits, *byte)?,
                State::SizeLf(size) => match (byte, size) {
                    (b'\n', 0) => State::EndCr,
                    (b'\n', size) => State::Data(size),
                    _ => return Err("a size line ends without LF"),
                },
                State::Data(left) => {
                    let now = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(now..).unwrap_or_default();
                    let left = left.saturating_sub(now as u64);
                    self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                    continue;
                }
                State::DataCr if *byte == b'\r' => State::DataLf,
                State::DataLf if *byte == b'\n' => State::Size { size: 0, digits: 0 },
                State::DataCr | State::DataLf => return Err("a chunk is longer than it says"),
                State::EndCr if *byte == b'\r' => State::EndLf,
                State::EndLf if *byte == b'\n' => return Ok(Step { passed: bytes.len() - after.len(), ended: true }),
                State::EndCr | State::EndLf => return Err("there are trailers"),
            };
            rest = after;
        }
        Ok(Step { passed: bytes.len(), ended: false })
    }
}

fn size_byte(size: u64, digits: u32, byte: u8) -> Result<State, &'static str> {
    if byte == b'\r' && digits > 0 {
        return Ok(State::SizeLf(size));
    }
    let digit = char::from(byte).to_digit(16).ok_or("a chunk's size is no number, or has an extension")?;
    if digits >= MAX_DIGITS {
        return Err("a chunk's size has too many digits");
    }
    Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
}
