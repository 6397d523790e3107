use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

struct State(PathBuf);

impl State {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("creel-slot-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Self(path)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn ids_of_slots_never_meet() {
    let first = Slot::new(0).unwrap();
    assert_eq!(first.root_id(), 0x7000_0000);
    assert_eq!((first.agent_id(), first.walled_id()), (1_879_049_192, 1_879_049_193));
    assert_eq!(first.guard_id() + 1, Slot::new(1).unwrap().root_id());
    assert_eq!(Slot::new(Slot::COUNT - 1).unwrap().guard_id(), 0x7fff_ffff);
    assert_eq!(Slot::new(Slot::COUNT), None);
    assert!(serde_json::from_str::<Slot>("4096").is_err());
}

#[test]
fn a_tenant_keeps_its_slot_and_holds_it_alone() {
    let state = State::new("keep");
    let one = Slot::claim(&state.0, "one").unwrap();
    let two = Slot::claim(&state.0, "two").unwrap();
    assert_ne!(one.slot(), two.slot());
    let error = Slot::claim(&state.0, "one").unwrap_err();
    assert!(error.to_string().contains("already up"), "{error}");
    let kept = two.slot();
    drop((one, two));
    assert_eq!(Slot::claim(&state.0, "two").unwrap().slot(), kept);
}

#[test]
fn transient_slots_are_many_in_turn_and_no_tenants() {
    let state = State::new("turn");
    let tenant = Slot::claim(&state.0, "one").unwrap().slot();
    let held: Vec<SlotLock> = (0..20).map(|_| Slot::transient(&state.0).unwrap()).collect();
    let mut numbers: Vec<u32> = held.iter().map(|lock| lock.slot().number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 20);
    assert!(!numbers.contains(&tenant.number()));
    drop(held);
    assert!(!numbers.contains(&Slot::transient(&state.0).unwrap().slot().number()));
    // A new tenant doesn't get a slot that a running jail holds.
    let busy = Slot::transient(&state.0).unwrap();
    assert_ne!(Slot::claim(&state.0, "late").unwrap().slot(), busy.slot());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test looks whether a child keeps the lock")]
fn a_lock_is_not_inherited_by_programs() {
    let state = State::new("inherit");
    let lock = Slot::claim(&state.0, "one").unwrap();
    let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
    drop(lock);
    // Another test may just be starting a program, and has a copy of everything until that runs.
    let free = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        Slot::claim(&state.0, "one").is_ok()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(free, "the child keeps the lock");
}

#[test]
fn a_forgotten_tenants_slot_can_be_given_again() {
    let state = State::new("forget");
    let slot = Slot::claim(&state.0, "one").unwrap().slot();
    Slot::forget(&state.0, "one").unwrap();
    assert_eq!(Slot::claim(&state.0, "two").unwrap().slot(), slot);
}

#[test]
fn what_can_not_be_trusted_is_refused() {
    let state = State::new("trust");
    drop(Slot::claim(&state.0, "one").unwrap());
    for bad in ["", "A", "../x", "a b", &"x".repeat(65)] {
        assert!(matches!(Slot::claim(&state.0, bad), Err(Error::Operator { .. })), "{bad}");
    }
    let table = state.0.join("slots/table.json");
    for damaged in ["", "{}", r#"{"tenants":{"one":4096},"next":0}"#, r#"{"tenants":{},"next":0,"more":1}"#] {
        std::fs::write(&table, damaged).unwrap();
        assert!(matches!(Slot::transient(&state.0), Err(Error::Unfit { .. })), "{damaged}");
    }
    std::fs::remove_file(&table).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &table).unwrap();
    assert!(Slot::transient(&state.0).is_err());
    std::fs::set_permissions(&state.0, PermissionsExt::from_mode(0o777)).unwrap();
    assert!(matches!(Slot::transient(&state.0), Err(Error::Unfit { .. })));
}
