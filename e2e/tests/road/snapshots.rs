//! The workspace of a real OpenClaw: kept by hand, on schedule and before what destroys, shown, compared and put back.

use std::sync::PoisonError;

use serde_json::Value;

use super::files::{lines, records, run, until};
use super::{ALONE, up};
use creel_e2e::fresh;
use creel_testkit::Creel;

fn snapshots(creel: &Creel) -> Vec<Value> {
    lines(creel, &["snapshot", "list", "--json"])
}

fn one(creel: &Creel, args: &[&str]) -> Value {
    lines(creel, args).pop().unwrap_or_else(|| panic!("{args:?}: {:?}", creel.run(args)))
}

fn get(creel: &Creel, path: &str) -> Option<String> {
    let got = creel.run(&["ws", "get", path]).unwrap();
    (got.code == 0).then_some(got.out)
}

/// Records of the control door that begin so, with who did it and how it ended.
fn acts(creel: &Creel, start: &str) -> Vec<(u64, String, String)> {
    let word = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let found = records(creel, |line| line["target"].as_str().is_some_and(|target| target.starts_with(start)));
    found.iter().map(|line| (line["seq"].as_u64().unwrap(), word(line, "actor"), word(line, "outcome"))).collect()
}

#[test]
fn the_workspace_is_kept_shown_and_put_back() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let creel = fresh("snapshots").unwrap();
    let text = "[limits]\ndisk = \"1GiB\"\n[approvals]\nwait = 0\n[snapshots]\nevery = 15\npause = 1\n";
    let config = creel.file("creel.toml", text).unwrap().display().to_string();
    up(&creel, &config);
    run(
        &creel,
        "mkdir -p work/deep; echo one > work/one; echo two > work/deep/two; ln -s /etc/passwd work/link; mkfifo work/pipe",
    );

    // by hand
    let named = one(&creel, &["snapshot", "take", "--name", "before all", "--json"]);
    let number = named["number"].as_u64().unwrap().to_string();
    assert_eq!((&named["why"], &named["name"], &named["left"]), (&"asked".into(), &"before all".into(), &0.into()));
    let shown = creel.run(&["snapshot", "show", &number]).unwrap();
    assert!(shown.out.contains("work/deep/two") && shown.out.contains("work/link  (/etc/passwd)"), "{shown:?}");
    assert_eq!(creel.run(&["snapshot", "show", &number, "work/one"]).unwrap().out, "one\n");
    assert_eq!(creel.run(&["snapshot", "show", &number, "/etc/passwd"]).unwrap().code, 1);

    // before what destroys: it is on record before the act is
    run(&creel, "rm -rf work/deep; echo other > work/one; echo new > work/new");
    let before = snapshots(&creel).into_iter().filter(|line| line["why"] == "act").collect::<Vec<_>>();
    assert!(before.iter().any(|line| line["act"].as_str().unwrap().contains("rm")), "{before:?}");
    let removal = records(&creel, |line| line["door"] == "exec" && line["target"] == "rm -rf work/deep");
    let taken = acts(&creel, "snapshot-taken");
    let act = removal[0]["seq"].as_u64().unwrap();
    assert!(taken.iter().any(|(seq, actor, _)| *seq < act && actor == "creel"), "{taken:?}");

    let diff = creel.run(&["snapshot", "diff", &number]).unwrap();
    for line in ["removed   work/deep/two", "changed   work/one", "added     work/new"] {
        assert!(diff.code == 1 && diff.out.contains(line), "{line}: {diff:?}");
    }
    let restored = one(&creel, &["snapshot", "restore", &number, "--json", "work"]);
    assert_eq!((&restored["failures"], &restored["removed"]), (&0.into(), &1.into()), "{restored}");
    assert_eq!((get(&creel, "work/one"), get(&creel, "work/deep/two")), (Some("one\n".into()), Some("two\n".into())));
    assert_eq!(get(&creel, "work/new"), None);
    let kept = restored["kept_as"].as_u64().unwrap().to_string();
    assert_eq!(creel.run(&["snapshot", "show", &kept, "work/new"]).unwrap().out, "new\n");
    let texts = creel.run(&["snapshot", "diff", &number, &kept, "--text", "--path", "work/one"]).unwrap();
    assert_eq!((texts.code, texts.out.as_str()), (1, "changed   work/one\n@@ line 1 @@\n-one\n+other\n"), "{texts:?}");
    assert_eq!(creel.run(&["snapshot", "diff", &number, "--text"]).unwrap().code, 2);
    let by = acts(&creel, &format!("snapshot-restore {number}"));
    assert!(matches!(&by[..], [(_, actor, outcome)] if actor.contains("root") && outcome == "done"), "{by:?}");
    // the agent can work with what was put back
    run(&creel, "echo more >> work/one; echo x > work/deep/three");
    assert_eq!(get(&creel, "work/one"), Some("one\nmore\n".into()));

    until("the schedule", || snapshots(&creel).iter().any(|line| line["why"] == "schedule"));
    what_cant_be_kept_is_not_destroyed(&creel);
    assert_eq!(creel.run(&["snapshot", "rm", &number]).unwrap().code, 0);
    assert_eq!(creel.run(&["snapshot", "show", &number]).unwrap().code, 1);
    assert_eq!(creel.run(&["ledger", "verify"]).unwrap().code, 0);
    assert_eq!(creel.run(&["down", "--now"]).unwrap().code, 0);
}

/// The store is broken from outside.
fn what_cant_be_kept_is_not_destroyed(creel: &Creel) {
    let store = creel.state().join("tenants/default/guard/snapshots");
    run(creel, "echo precious > precious");
    std::fs::rename(store.join("pieces"), store.join("aside")).unwrap();
    std::fs::write(store.join("pieces"), "no folder").unwrap();
    run(creel, "rm precious");
    assert_eq!(get(creel, "precious"), Some("precious\n".into()));
    let refused = records(creel, |line| line["rule"] == "guard/no-snapshot" && line["door"] == "exec");
    assert!(!refused.is_empty());
    std::fs::remove_file(store.join("pieces")).unwrap();
    std::fs::rename(store.join("aside"), store.join("pieces")).unwrap();
    assert_eq!(creel.run(&["snapshot", "take"]).unwrap().code, 0);
    run(creel, "rm precious");
    assert_eq!(get(creel, "precious"), None);
}
