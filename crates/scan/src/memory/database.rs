//! The texts of an `SQLite` database, read without `SQLite`.
//!
//! Owns a reader of the file format (sqlite.org/fileformat2.html, sections 1.2 to 2.1 and 4.1) that takes every leaf page
//! for itself, follows overflow chains, and believes nothing: bytes of the agent's never meet a parser in C. Its work and
//! memory are in proportion to the file. Called by the memory audit.

/// The shortest text that is worth a look.
const SHORTEST: usize = 8;
/// The longest payload that is read.
const LONGEST: usize = 16 << 20;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// The header of the first page.
const HEADER: usize = 100;
const LEAF_TABLE: u8 = 0x0d;
const LEAF_INDEX: u8 = 0x0a;

/// Every text and blob in the rows of a database or of a write-ahead log, in the order of the pages. Nothing, when it is
/// neither.
#[must_use]
pub fn texts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let Some(pages) = Pages::of(bytes) else { return Vec::new() };
    // Cells may share a chain, or point at each other's bytes: what is made is bounded by what there is.
    let mut left = bytes.len().saturating_mul(2);
    let mut texts = Vec::new();
    for (page, offset) in pages.all() {
        pages.leaf(page, offset, &mut left, &mut texts);
        if left == 0 {
            break;
        }
    }
    texts
}

struct Pages<'a> {
    bytes: &'a [u8],
    size: usize,
    usable: usize,
    /// Of a log: where each page's last version starts.
    frames: Option<std::collections::BTreeMap<u32, usize>>,
}

impl<'a> Pages<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        if bytes.starts_with(MAGIC) {
            let size = match be16(bytes, 16)? {
                1 => 65_536,
                size => size,
            };
            let usable = size.checked_sub(usize::from(*bytes.get(20)?))?;
            return (legal(size) && usable >= 480).then_some(Self { bytes, size, usable, frames: None });
        }
        if !matches!(be32(bytes, 0)?, 0x377f_0682 | 0x377f_0683) {
            return None;
        }
        let size = usize::try_from(be32(bytes, 8)?).ok().filter(|size| legal(*size))?;
        let mut frames = std::collections::BTreeMap::new();
        let mut at = 32;
        while let Some(number) = be32(bytes, at).filter(|_| at + 24 + size <= bytes.len()) {
            frames.insert(number, at + 24);
            at += 24 + size;
        }
        Some(Self { bytes, size, usable: size, frames: Some(frames) })
    }

    /// Each page, with where its b-tree header starts.
    fn all(&self) -> Vec<(&'a [u8], usize)> {
        let page = |start: usize| self.bytes.get(start..start + self.size);
        match &self.frames {
            Some(frames) => frames
                .iter()
                .filter_map(|(number, start)| Some((page(*start)?, if *number == 1 { HEADER } else { 0 })))
                .collect(),
            None => (0..self.bytes.len() / self.size)
                .filter_map(|at| Some((page(at * self.size)?, if at == 0 { HEADER } else { 0 })))
                .collect(),
        }
    }

    fn numbered(&self, number: u32) -> Option<&'a [u8]> {
        let start = match &self.frames {
            Some(frames) => *frames.get(&number)?,
            None => usize::try_from(number).ok()?.checked_sub(1)?.checked_mul(self.size)?,
        };
        self.bytes.get(start..start.checked_add(self.size)?)
    }

    fn leaf(&self, page: &[u8], offset: usize, left: &mut usize, texts: &mut Vec<Vec<u8>>) {
        let is_table = match page.get(offset) {
            Some(&LEAF_TABLE) => true,
            Some(&LEAF_INDEX) => false,
            _ => return,
        };
        let count = be16(page, offset + 3).unwrap_or(0).min(self.size / 2);
        for cell in 0..count {
            if *left == 0 {
                return;
            }
            let Some(at) = be16(page, offset + 8 + 2 * cell) else { return };
            if let Some(payload) = self.payload(page, at, is_table, left) {
                columns(&payload, texts);
            }
        }
    }

    /// The whole payload of a cell, or as much of it as there is.
    fn payload(&self, page: &[u8], at: usize, is_table: bool, left: &mut usize) -> Option<Vec<u8>> {
        let (length, mut at) = varint(page, at)?;
        if is_table {
            at = varint(page, at)?.1;
        }
        let length = usize::try_from(length).ok()?.min(LONGEST).min(*left);
        let usable = self.usable;
        let most = if is_table { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
        let least = (usable - 12) * 32 / 255 - 23;
        let local = if length <= most {
            length
        } else {
            let some = least + (length - least) % (usable - 4);
            if some <= most { some } else { least }
        };
        let mut payload = page.get(at..(at + local).min(page.len()))?.to_vec();
        let mut next = if length > local { be32(page, at + local)? } else { 0 };
        while payload.len() < length && next != 0 {
            let Some(page) = self.numbered(next) else { break };
            let take = (length - payload.len()).min(usable - 4);
            payload.extend_from_slice(page.get(4..4 + take)?);
            next = be32(page, 0)?;
        }
        // A cell costs something even when it holds nothing.
        *left = left.saturating_sub(payload.len().max(2));
        Some(payload)
    }
}

/// The texts and blobs of a record (section 2.1).
fn columns(payload: &[u8], texts: &mut Vec<Vec<u8>>) {
    let Some((header, mut at)) = varint(payload, 0) else { return };
    let header = usize::try_from(header).unwrap_or(usize::MAX).min(payload.len());
    let mut body = header;
    while at < header {
        let Some((kind, next)) = varint(payload, at) else { return };
        at = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).unwrap_or(0),
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return,
            _ => usize::try_from((kind - 12) / 2).unwrap_or(usize::MAX),
        };
        let end = body.saturating_add(length).min(payload.len());
        if kind >= 12 && end.saturating_sub(body) >= SHORTEST {
            texts.push(payload.get(body..end).unwrap_or_default().to_vec());
        }
        if end == payload.len() && length > 0 {
            return;
        }
        body = end;
    }
}

/// A page's size is a power of two, 512 to 65,536.
fn legal(size: usize) -> bool {
    (512..=65_536).contains(&size) && size.is_power_of_two()
}

fn be16(bytes: &[u8], at: usize) -> Option<usize> {
    let pair = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(pair)))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_be_bytes(four))
}

/// A variable-length integer (section 1.6), and where the next thing starts.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for step in 0..9 {
        let byte = *bytes.get(at.checked_add(step)?)?;
        if step == 8 {
            return Some((value << 8 | u64::from(byte), at + 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + step + 1));
        }
    }
    None
}
