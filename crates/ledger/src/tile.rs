//! Tiles and entry bundles (C2SP tlog-tiles): their names and their bytes.
//!
//! Owns the form. Never touches a file. Used by the publisher, by proofs and by the check.

use crate::merkle::{Frontier, Hash};

/// How many hashes a full tile holds, and entries a full bundle.
pub(crate) const WIDTH: u64 = 256;

/// How many levels of the tree a tile spans.
pub(crate) const LEVELS: u32 = 8;

/// The largest entry: its length stands in two bytes.
pub const LARGEST_ENTRY: usize = 65_535;

/// Which tile or bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// A tile's level, `None` for a bundle of entries.
    pub(crate) level: Option<u32>,
    /// Its place within its level.
    pub(crate) index: u64,
    /// How many hashes or entries it holds: 1 to 256.
    pub(crate) width: u64,
}

impl Name {
    pub(crate) fn tile(level: u32, index: u64, width: u64) -> Self {
        Self { level: Some(level), index, width }
    }

    pub(crate) fn bundle(index: u64, width: u64) -> Self {
        Self { level: None, index, width }
    }

    /// The path below the log's folder.
    pub(crate) fn path(self) -> String {
        let mut path = match self.level {
            Some(level) => format!("tile/{level}/"),
            None => "tile/entries/".to_owned(),
        };
        let digits = self.index.to_string();
        let digits = format!("{digits:0>width$}", width = digits.len().div_ceil(3) * 3);
        let groups = digits.len() / 3;
        for (place, group) in digits.as_bytes().chunks(3).enumerate() {
            let last = place + 1 == groups;
            path.push_str(if last { "" } else { "x" });
            path.extend(group.iter().map(|byte| char::from(*byte)));
            path.push_str(if last { "" } else { "/" });
        }
        if self.width < WIDTH {
            path.push_str(&format!(".p/{}", self.width));
        }
        path
    }

    /// The exact reverse of [`Self::path`].
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = if level == "entries" { None } else { Some(level.parse().ok().filter(|level| *level < 8)?) };
        let (place, width) = match rest.split_once(".p/") {
            Some((place, width)) => (place, width.parse().ok().filter(|width| (1..WIDTH).contains(width))?),
            None => (rest, WIDTH),
        };
        let digits: String = place.chars().filter(char::is_ascii_digit).collect();
        let name = Self { level, index: digits.parse().ok()?, width };
        (name.path() == path).then_some(name)
    }
}

/// Appends an entry to a bundle's bytes. The caller has seen to it that it is no larger than [`LARGEST_ENTRY`].
pub(crate) fn put_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let len = u16::try_from(entry.len()).unwrap_or(u16::MAX);
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle; `None` at the end for bytes that are no entry.
pub(crate) fn entries(bundle: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let taken = rest
            .split_first_chunk::<2>()
            .and_then(|(len, behind)| behind.split_at_checked(usize::from(u16::from_be_bytes(*len))));
        match taken {
            Some((entry, behind)) => {
                rest = behind;
                Some(Some(entry))
            }
            None => {
                rest = &[];
                Some(None)
            }
        }
    })
}

/// The hashes of a tile; `None` when it does not hold `width` of them.
pub(crate) fn hashes(tile: &[u8], width: u64) -> Option<Vec<Hash>> {
    if tile.len() as u64 != width * 32 {
        return None;
    }
    Some(tile.chunks_exact(32).filter_map(|hash| hash.try_into().ok()).collect())
}

/// The root of a power of two of hashes.
pub(crate) fn subtree(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    hashes.iter().for_each(|hash| drop(frontier.push(*hash)));
    frontier.root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        let check = |name: Name, path: &str| {
            assert_eq!(name.path(), path);
            assert_eq!(Name::parse(path), Some(name));
        };
        check(Name::tile(0, 0, WIDTH), "tile/0/000");
        check(Name::tile(1, 1_234_067, WIDTH), "tile/1/x001/x234/067");
        check(Name::tile(0, 1067, 8), "tile/0/x001/067.p/8");
        check(Name::bundle(999, 255), "tile/entries/999.p/255");
        check(Name::bundle(1000, WIDTH), "tile/entries/x001/000");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for path in [
            "tile/0/0",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/8/000",
            "tile/0/x000/001",
            "tile/00/000",
            "tile/0/001/000",
            "tile/0/00a",
            "tile/entries/",
            "tile/0/+01",
        ] {
            assert_eq!(Name::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_bundle_is_taken_apart_as_it_was_put_together() {
        let mut bundle = Vec::new();
        for entry in [&b"one"[..], b"", b"three"] {
            put_entry(&mut bundle, entry);
        }
        let found: Vec<_> = entries(&bundle).collect();
        assert_eq!(found, [Some(&b"one"[..]), Some(b""), Some(b"three")]);
        assert_eq!(entries(&bundle[..bundle.len() - 1]).last(), Some(None));
        assert_eq!(entries(&[0]).last(), Some(None));
    }
}
