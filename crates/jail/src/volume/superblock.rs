//! What an ext4 superblock says, as far as it tells our images from others.
//!
//! Owns reading a few fields of it (kernel documentation, filesystems/ext4/globals). It never repairs or writes one.
//! `volume` calls it before an image is given to the kernel.

/// Where the superblock lies in an image.
pub(super) const OFFSET: u64 = 1024;
/// How long it is.
pub(super) const LENGTH: usize = 1024;
/// The label of our images.
pub(super) const LABEL: &str = "creel-volume";

const MAGIC: u16 = 0xEF53;
const HAS_JOURNAL: u32 = 4;

/// Whether this is the superblock of an ext4 with our label and a journal, that fits an image of `size` bytes.
pub(super) fn is_ours(bytes: &[u8; LENGTH], size: u64) -> bool {
    describe(bytes).is_some_and(|(label, journal, length)| label && journal && length <= size)
}

fn describe(bytes: &[u8; LENGTH]) -> Option<(bool, bool, u64)> {
    let word = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)) };
    let magic = u16::from_le_bytes(*bytes.get(0x38..)?.first_chunk()?);
    if magic != MAGIC {
        return None;
    }
    let blocks = u64::from(word(0x04)?) | (u64::from(word(0x150)?) << 32);
    let block_bytes = 1024_u64.checked_shl(word(0x18)?).filter(|bytes| (1024..=65_536).contains(bytes))?;
    let mut label = [0; 16];
    label.get_mut(..LABEL.len())?.copy_from_slice(LABEL.as_bytes());
    let journal = word(0x5C)? & HAS_JOURNAL != 0;
    Some((bytes.get(0x78..0x88)? == label, journal, blocks.checked_mul(block_bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0x38..0x3a].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[0x04..0x08].copy_from_slice(&4096u32.to_le_bytes());
        bytes[0x18] = 2;
        bytes[0x5c] = 4;
        bytes[0x78..0x78 + LABEL.len()].copy_from_slice(LABEL.as_bytes());
        bytes
    }

    #[test]
    fn ours_is_known_and_every_difference_matters() {
        assert!(is_ours(&block(), 16 << 20));
        assert!(!is_ours(&block(), (16 << 20) - 1));
        for at in [0x38, 0x78, 0x78 + LABEL.len(), 0x5c] {
            let mut other = block();
            other[at] ^= 4;
            assert!(!is_ours(&other, 16 << 20), "{at:#x}");
        }
        let mut huge = block();
        huge[0x18] = 255;
        assert!(!is_ours(&huge, u64::MAX));
        huge[0x18] = 2;
        huge[0x150..0x154].fill(255);
        assert!(!is_ours(&huge, u64::MAX >> 1));
    }
}
