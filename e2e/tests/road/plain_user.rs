//! A real OpenClaw that a plain user starts.

use std::sync::PoisonError;

use creel_e2e::plain_user::{MISSING, PlainUser};
use creel_e2e::runtime;

use crate::ALONE;

#[test]
fn a_plain_user_runs_openclaw_behind_every_wall_that_he_can_have() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let user = PlainUser::new("plain-road").unwrap();
    let runtime = ["--runtime-folder", &runtime()].map(str::to_owned);
    let option = format!("--allow-degraded={MISSING}");
    let ran = user.run(&["up", &runtime[0], &runtime[1], &option], "").unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);

    let status = user.run(&["status"], "").unwrap();
    let red = format!("\u{1b}[31mDEGRADED  {}", MISSING.replace(',', " "));
    assert!(status.out.contains(&red), "{}", status.out);
    let said =
        user.run(&["say", "RUN: id -u; touch /etc/x /usr/x /opt/openclaw/x; ls /var/lib/openclaw /etc/openclaw"], "");
    let said = said.unwrap();
    assert!(said.out.contains("1000") && said.out.contains("Read-only file system"), "{}{}", said.out, said.err);
    assert!(!said.out.contains("openclaw.json"), "{}", said.out);

    let check = user.run(&["check", "--json"], "").unwrap();
    let report: serde_json::Value = serde_json::from_str(&check.out).unwrap();
    let items = report["items"].as_array().unwrap();
    let red: Vec<_> = items.iter().filter(|item| item["status"] != "pass").collect();
    // who watches files need not be done without by name
    let missing = |id: &serde_json::Value| MISSING.split(',').chain(["files.watched"]).any(|known| id == known);
    let known = |item: &&serde_json::Value| item["status"] == "degraded" && missing(&item["id"]);
    assert!(red.iter().all(known), "{red:?}");
    let named = |id: &str| red.iter().any(|item| item["id"] == id);
    assert!(
        ["limit.memory", "limit.cpu", "separate-uid", "guard-uid", "files.watched"].into_iter().all(named),
        "{red:?}"
    );
    assert_eq!((check.code, items.len() > 28), (1, true));

    let log = user.run(&["log", "--json"], "").unwrap();
    assert!(log.out.contains("accepting the absence of limit.memory"), "{}", log.out);
    assert_eq!(user.run(&["down", "--now"], "").unwrap().code, 0);
    assert_eq!(user.run(&["status"], "").unwrap().code, 5);
}
