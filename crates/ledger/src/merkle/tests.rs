use std::convert::Infallible;

use super::*;

/// All leaves in memory, and each node by its definition.
struct Plain(Vec<Hash>);

impl Plain {
    fn new(size: u64) -> Self {
        Self((0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect())
    }
}

impl Nodes for Plain {
    type Error = Infallible;

    fn node(&self, height: u32, index: u64) -> Result<Hash, Infallible> {
        let start = usize::try_from(index << height).unwrap();
        Ok(by_definition(&self.0[start..start + (1 << height)]))
    }
}

/// RFC 6962, section 2.1, word by word.
fn by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(&by_definition(&leaves[..split]), &by_definition(&leaves[split..]))
        }
    }
}

fn hex(text: &str) -> Hash {
    crate::frame::unhex(text).unwrap()
}

/// The entries of the test vectors of certificate-transparency's reference tree.
const ENTRIES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

#[test]
fn roots_are_those_of_the_reference_tree() {
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    let mut roots = Vec::new();
    for entry in ENTRIES {
        frontier.push(leaf_hash(entry));
        roots.push(frontier.root());
    }
    assert_eq!(roots[0], hex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"));
    assert_eq!(roots[1], hex("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"));
    assert_eq!(roots[7], hex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"));
}

#[test]
fn every_proof_of_every_small_tree_holds_and_no_other() {
    for size in 1..=40 {
        let tree = Plain::new(size);
        let root_of = |size: u64| by_definition(&tree.0[..usize::try_from(size).unwrap()]);
        let new_root = root_of(size);
        assert_eq!(root(&tree, size).unwrap(), new_root);
        for index in 0..size {
            let leaf = tree.0[usize::try_from(index).unwrap()];
            let path = inclusion(&tree, index, size).unwrap();
            assert_eq!(root_of_inclusion(&leaf, index, size, &path), Some(new_root), "{index} of {size}");
            for other in 0..size + 2 {
                let found = root_of_inclusion(&leaf, other, size, &path);
                assert!(other == index || found != Some(new_root), "{index} of {size} as {other}");
            }
            let longer: Vec<Hash> = path.iter().copied().chain([leaf]).collect();
            assert_ne!(root_of_inclusion(&leaf, index, size, &longer), Some(new_root));
            let old = index + 1;
            let proof = consistency(&tree, old, size).unwrap();
            assert!(is_consistent((old, &root_of(old)), (size, &new_root), &proof), "{old} to {size}");
            assert!(!is_consistent((old, &leaf_hash(b"fork")), (size, &new_root), &proof), "{old} to {size}");
            assert!(!is_consistent((old, &root_of(old)), (size, &leaf_hash(b"fork")), &proof), "{old} to {size}");
        }
    }
}

#[test]
fn a_smaller_tree_extends_nothing() {
    let tree = Plain::new(9);
    let (five, nine) = (root(&tree, 5).unwrap(), root(&tree, 9).unwrap());
    let proof = consistency(&tree, 5, 9).unwrap();
    assert!(!is_consistent((9, &nine), (5, &five), &proof));
    assert!(!is_consistent((9, &nine), (5, &five), &[]));
    assert!(is_consistent((0, &empty_root()), (5, &five), &[]));
    assert!(!is_consistent((0, &five), (5, &five), &[]));
}
