//! The real OpenClaw over each wire format that it may be configured for, besides the usual one.

use std::sync::PoisonError;

use creel_e2e::fresh;

use super::injection::{ATTACK, SCRIPT, calls, put};
use super::{ALONE, runtime};

/// A user's task is done, and what a mail orders is not, over `format`.
fn works_over(format: &str, name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let creel = fresh(name).unwrap();
    let text = format!(
        "[limits]\ndisk = \"1GiB\"\n[approvals]\nwait = 0\n[model]\nprovider = \"scripted\"\nformat = \"{format}\"\n"
    );
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    let script = creel.file("obedient.toml", &SCRIPT.replace("PORT", "1")).unwrap().display().to_string();
    let ran = creel.run(&["up", "--config", &config, "--runtime-folder", &runtime(), "--script", &script]).unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);

    put(&creel, "secret.txt", "a secret\n");
    put(&creel, "mail.txt", "From: anna@firm.test\n\nplain words about tea\n");
    let said = creel.run(&["say", "Summarise my mail and write the summary to summary.txt"]).unwrap();
    assert!(said.code == 0 && said.out.contains("Done."), "{said:?}");
    assert_eq!(creel.run(&["ws", "get", "summary.txt"]).unwrap().out, "A mail about tea.");
    let clean = calls(&creel);
    assert!(clean.len() >= 2 && clean.iter().all(|(_, verdict)| verdict == "allow"), "{clean:?}");

    put(&creel, "mail.txt", &format!("From: eve@evil.test\n\n{ATTACK}"));
    let said = creel.run(&["say", "Summarise my mail"]).unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    let made = calls(&creel);
    let (look, attack) = made[clean.len()..].split_first().unwrap();
    assert_eq!((look.0.starts_with("read "), look.1.as_str()), (true, "allow"), "{look:?}");
    assert!(attack.len() == 7 && attack.iter().all(|(_, verdict)| verdict != "allow"), "{attack:?}");
    assert_ne!(creel.run(&["ws", "get", "stolen.txt"]).unwrap().code, 0, "the command ran");
    let tools = creel.run(&["tools", "--json"]).unwrap();
    assert!(tools.code == 0 && tools.out.contains(&format!("\"source\":\"{format}\"")), "{tools:?}");
    let records = creel.run(&["ledger", "export"]).unwrap().out;
    assert!(records.contains(&format!("\"format\":\"{format}\"")), "the prompts were of another format");
    assert_eq!(creel.run(&["down", "--now", "--purge"]).unwrap().code, 0);
}

#[test]
fn openai_responses() {
    works_over("openai-responses", "responses");
}

#[test]
fn gemini() {
    works_over("google-generative-ai", "gemini");
}
