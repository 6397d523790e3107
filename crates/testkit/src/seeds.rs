//! The inputs that fuzzing starts from, which are tests as well.
//!
//! Owns where they are: `fuzz/seeds/TARGET/`. What a fuzzer found is kept there too, so that every run of the tests
//! tries it again.

use std::path::Path;

/// A target: its name and what is driven.
type Driven = (&'static str, fn(&[u8]));

/// Drives each target with each of its seeds.
///
/// # Panics
/// When something holds no more of a seed, when a target has no seeds or they can't be read: then nothing would be
/// tested.
pub fn drive_seeds(targets: &[Driven]) {
    for (name, target) in targets {
        for (_, bytes) in seeds(name) {
            target(&bytes);
        }
    }
}

/// The name and bytes of each seed of `target`; there is at least one.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let entries = std::fs::read_dir(&folder).map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    let named = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let read = entries.iter().filter_map(|entry| std::fs::read(entry.path()).ok());
    let mut seeds: Vec<(String, Vec<u8>)> = named.zip(read).collect();
    seeds.sort();
    assert!(
        !seeds.is_empty() && seeds.len() == entries.len(),
        "`fuzz/seeds/{target}` has no seeds, or unreadable ones"
    );
    seeds
}
