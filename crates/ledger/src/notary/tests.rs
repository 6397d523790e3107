use super::*;
use crate::merkle::{Nodes, consistency, leaf_hash, root};
use crate::tile::subtree;

struct Leaves(Vec<Hash>);

impl Leaves {
    fn of(kind: &str, size: u64) -> Self {
        Self((0..size).map(|number| leaf_hash(format!("{kind} {number}").as_bytes())).collect())
    }

    fn ask(&self, old: u64) -> Ask {
        let size = self.0.len() as u64;
        let checkpoint = Checkpoint { origin: "creel.test/log".to_owned(), size, root: root(self, size).unwrap() };
        Ask { old, proof: consistency(self, old, size).unwrap(), note: checkpoint.to_string() }
    }
}

impl Nodes for Leaves {
    type Error = std::convert::Infallible;
    fn node(&self, height: u32, index: u64) -> Result<Hash, Self::Error> {
        let start = usize::try_from(index << height).unwrap();
        Ok(subtree(&self.0[start..start + (1 << height)]))
    }
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("creel-notary-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn a_fork_is_never_signed_not_even_after_a_restart() {
    let folder = scratch("fork");
    let mut notary = Notary::signer(&folder, "creel.test/log").unwrap();
    notary.countersign(&Leaves::of("a", 5).ask(0)).unwrap();
    notary.countersign(&Leaves::of("a", 9).ask(5)).unwrap();
    for restart in [false, true] {
        if restart {
            drop(notary);
            notary = Notary::signer(&folder, "creel.test/log").unwrap();
        }
        let no = |notary: &mut Notary, ask: &Ask| notary.countersign(ask).unwrap_err();
        assert!(matches!(no(&mut notary, &Leaves::of("b", 12).ask(9)), No::Fork { .. }));
        assert!(matches!(no(&mut notary, &Leaves::of("b", 9).ask(9)), No::Fork { .. }));
        assert!(matches!(no(&mut notary, &Leaves::of("a", 7).ask(5)), No::Fork { .. }));
        assert_eq!(no(&mut notary, &Leaves::of("a", 12).ask(5)), No::Conflict { size: 9 });
        assert_eq!(no(&mut notary, &Leaves::of("b", 12).ask(0)), No::Conflict { size: 9 });
    }
    notary.countersign(&Leaves::of("a", 12).ask(9)).unwrap();
    notary.countersign(&Leaves::of("a", 12).ask(12)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_witness_wants_the_logs_signature_too() {
    let (folder, home) = (scratch("witness"), scratch("signer"));
    let mut signer = Notary::signer(&home, "creel.test/log").unwrap();
    let key = signer.public().clone();
    let mut witness = Notary::witness(&folder, "creel.test/witness", "creel.test/log", key).unwrap();
    let mut ask = Leaves::of("a", 5).ask(0);
    let line = signer.countersign(&ask).unwrap();
    let bare = Note { text: ask.note.clone(), signatures: vec![] };
    ask.note = bare.to_string();
    assert!(matches!(witness.countersign(&ask), Err(No::Fork { .. })));
    let mut signed = Note { signatures: vec![line], ..bare };
    ask.note = signed.to_string();
    signed.signatures.push(witness.countersign(&ask).unwrap());
    assert!(witness.public().verifies(&signed).is_some_and(|time| time > 1_700_000_000));
    fs::remove_dir_all(&folder).unwrap();
    fs::remove_dir_all(&home).unwrap();
}

#[test]
fn a_notary_without_its_memory_stops() {
    let folder = scratch("memory");
    let mut notary = Notary::signer(&folder, "creel.test/log").unwrap();
    notary.countersign(&Leaves::of("a", 5).ask(0)).unwrap();
    drop(notary);
    let last = fs::read_to_string(folder.join(LAST)).unwrap();
    fs::write(folder.join(LAST), last.replace("\n5\n", "\n4\n")).unwrap();
    assert!(Notary::signer(&folder, "creel.test/log").unwrap_err().contains("damaged"));
    fs::write(folder.join(LAST), last).unwrap();
    fs::remove_file(folder.join(KEY)).unwrap();
    assert!(Notary::signer(&folder, "creel.test/log").unwrap_err().contains("no key"));
    fs::remove_dir_all(&folder).unwrap();
}
