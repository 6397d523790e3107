//! Checkpoints (C2SP tlog-checkpoint): a log's name, its size and its root.
//!
//! Owns the text that is signed. Never signs. Used by the notary, the publisher and whoever checks a log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::merkle::Hash;

/// A tree's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads a checkpoint's text; lines behind the third are another log's own business.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let number: u64 = size.parse().ok()?;
        let root = BASE64.decode(root).ok()?.try_into().ok()?;
        let whole = !origin.is_empty() && number.to_string() == size && lines.all(|line| !line.is_empty());
        whole.then(|| Self { origin: origin.to_owned(), size: number, root })
    }
}

impl std::fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, BASE64.encode(self.root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP tlog-checkpoint.
    const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_is_read_and_written() {
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        assert_eq!((checkpoint.size, checkpoint.to_string().as_str()), (20_852_163, TEXT));
        assert!(Checkpoint::parse(&format!("{TEXT}more\n")).is_some());
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in
            ["", "a\n1\n", "a\n01\nAAAA\n", "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", "a\n1\nAAAA\n"]
        {
            assert_eq!(Checkpoint::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Checkpoint::parse(TEXT.trim_end()), None);
        assert_eq!(Checkpoint::parse(&TEXT.replace("2085", "+085")), None);
    }
}
