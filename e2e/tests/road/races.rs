//! Links and renames raced against the helpers by which people reach the workspace, and programs overwritten while they run.

use std::path::Path;

use super::reload::World;

const SWAPPER: &str = include_str!("swapper.py");

/// Reads and writes by a person while the agent's side exchanges what the path leads to. Neither leaves the workspace.
pub(crate) fn links_and_renames_lead_nowhere(world: &World) {
    let creel = &world.creel;
    let program = std::fs::read(creel_e2e::program()).unwrap();
    assert_eq!(creel.run_with(&["ws", "put", "-", "swapper.py"], SWAPPER.as_bytes()).unwrap().code, 0);
    let said = creel.run(&["say", "RUN: python3 swapper.py >swapper.log 2>&1 & echo started"]).unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    world.until_there("race/swapping");
    let (mut read, mut refused, mut wrote) = (0, 0, 0);
    for number in 0..30 {
        for path in ["race/d/passwd", "race/f"] {
            let got = creel.run(&["ws", "get", path]).unwrap();
            assert!(got.code != 0 || got.out == "inside\n", "{path}: {got:?}");
            read += usize::from(got.code == 0);
            refused += usize::from(got.code != 0);
        }
        for path in [format!("race/d/put-{number}"), "race/f".to_owned()] {
            let put = creel.run_with(&["ws", "put", "-", &path], b"inside\n").unwrap();
            wrote += usize::from(put.code == 0);
        }
    }
    creel.run_with(&["ws", "put", "-", "race/swapper.stop"], b"").unwrap();
    assert!(read > 0 && refused > 0 && wrote > 0, "the race was none: {read} read, {refused} refused, {wrote} written");
    // git ran one of them when the swapper asked it, behind the wall; nothing of ours ran any
    let ran = creel.run(&["ws", "get", "ran"]).unwrap();
    assert!(!ran.out.is_empty() && ran.out.lines().all(|line| line == "1001"), "{ran:?}");
    let init = world.tenant()["init_pid"].as_i64().unwrap();
    let inside = Path::new("/proc").join(init.to_string()).join("root");
    for folder in ["var/lib/openclaw", "etc", "tmp"] {
        let names = std::fs::read_dir(inside.join(folder)).unwrap().flatten();
        let put: Vec<_> =
            names.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with("put-")).collect();
        assert!(put.is_empty(), "{folder}: {put:?}");
    }
    let passwd = std::fs::read_to_string(inside.join("etc/passwd")).unwrap();
    assert!(passwd.starts_with("root:"), "{passwd}");
    assert_ne!(
        creel.run(&["ws", "get", "race/overwrote"]).unwrap().code,
        0,
        "a running program was opened for writing"
    );
    assert!(std::fs::read(creel_e2e::program()).unwrap() == program, "creel's own program was overwritten");
}
