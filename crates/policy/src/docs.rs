//! The rules as people read them.
//!
//! Owns [`rules_markdown`], which `docs/rules.md` is made of (a test fails when they differ), and [`explain`], which
//! `creel why` prints. Never judges.

use std::fmt::Write as _;

use creel_guard::Door;

use crate::examples::POLICY;
use crate::rule::RuleDoc;
use crate::rules;

/// Answers that come from elsewhere than a rule: the guard, the ledger, a door.
static ELSEWHERE: [RuleDoc; 23] = [
    RuleDoc {
        id: "approval/no-one-to-ask",
        summary: "A person would have to answer, and nobody can be asked here, so the answer is No.\n",
        how_to_allow: "take the tool out of `[tools] ask` in `creel.toml` if it may run unasked",
        examples: &[],
    },
    RuleDoc {
        id: "approval/by-person",
        summary: "A person was asked about this very act and said Yes to it, once.\n",
        how_to_allow: "it was allowed",
        examples: &[],
    },
    RuleDoc {
        id: "approval/granted-before",
        summary: "A person said Yes to this very act when nobody waited for the answer any more. That Yes is used up now.\n",
        how_to_allow: "it was allowed; the same act is asked about again the next time",
        examples: &[],
    },
    RuleDoc {
        id: "approval/not-kept",
        summary: "The question can't be written to the disk, so it can't be asked, so the answer is No.\n",
        how_to_allow: "make room on the disk of the state folder",
        examples: &[],
    },
    RuleDoc {
        id: "approval/refused",
        summary: "A person was asked and said No, or said Yes to another one of several acts that were the same.\n",
        how_to_allow: "let the agent try again after ten minutes, and say Yes",
        examples: &[],
    },
    RuleDoc {
        id: "approval/refused-before",
        summary: "A person said No to this very act less than ten minutes ago.\n",
        how_to_allow: "wait, or change the rule that asks",
        examples: &[],
    },
    RuleDoc {
        id: "approval/silence",
        summary: "A person was asked and nobody answered in time. Silence is No.\n",
        how_to_allow: "let the agent try again, and answer the question",
        examples: &[],
    },
    RuleDoc {
        id: "approval/too-many",
        summary: "Too many questions are open: at most 8, and 2 about one tool or host. More are not asked.\n",
        how_to_allow: "answer the open ones: `creel approvals`",
        examples: &[],
    },
    RuleDoc {
        id: "approval/waiting",
        summary: "A person was asked and did not answer while the act was held. The question stays open; a Yes allows the same act once.\n",
        how_to_allow: "`creel approve ID`, and let the agent try again",
        examples: &[],
    },
    RuleDoc {
        id: "control/obligation",
        summary: "The act was allowed under a condition that the control door can't meet, so it was not done.\n",
        how_to_allow: "report it with the record; nothing in the configuration allows it",
        examples: &[],
    },
    RuleDoc {
        id: "guard/attempt",
        summary: "The kernel refused it before any door could see it. It is recorded, never admitted.\n",
        how_to_allow: "nothing allows it",
        examples: &[],
    },
    RuleDoc {
        id: "guard/breaker-open",
        summary: "A breaker has tripped: after bait was taken nothing passes until a person ends it; beyond the budget no prompt does \
                  until its time is over or a person resets it.\n",
        how_to_allow: "find out why it tripped, then reset it",
        examples: &[],
    },
    RuleDoc {
        id: "guard/breaker-unknown",
        summary: "The state of the breakers is not known, so nothing passes.\n",
        how_to_allow: "restart the guard; if it comes back, its state folder is damaged",
        examples: &[],
    },
    RuleDoc {
        id: "guard/judge-failed",
        summary: "The policy failed while it judged. That is a fault of Creel, and the answer is No.\n",
        how_to_allow: "report it with the record; nothing in the configuration allows it",
        examples: &[],
    },
    RuleDoc {
        id: "guard/ledger-unwritable",
        summary: "Nothing may happen while it can't be recorded.\n",
        how_to_allow: "make room on the disk that holds the state folder, then restart the guard",
        examples: &[],
    },
    RuleDoc {
        id: "guard/no-snapshot",
        summary: "The act may destroy what lies in the workspace (`[snapshots] before`), and no snapshot could be taken first.\n",
        how_to_allow: "the record of `snapshot-take` says why; without a pattern in `[snapshots] before` none is taken",
        examples: &[],
    },
    RuleDoc {
        id: "guard/no-answer",
        summary: "No guard runs for this tenant, or it did not answer in time. Without its answer nothing is done.\n",
        how_to_allow: "wait until the guard is back: the warden starts it again by itself",
        examples: &[],
    },
    RuleDoc {
        id: "leak/known-value",
        summary: "The act would carry one of your secrets or canaries out, plain, encoded or split. Nothing of it left.\n",
        how_to_allow: "bind the secret to the host in an `[[egress.allow]]` entry, and Creel fills it in outside; a canary never leaves",
        examples: &[],
    },
    RuleDoc {
        id: "ledger/began",
        summary: "A ledger in an older form was found, checked and sealed in a folder beside the new one, which begins here.\n",
        how_to_allow: "nothing is refused; the record binds the end of the old ledger, which `creel ledger verify` checks too",
        examples: &[],
    },
    RuleDoc {
        id: "ledger/halted",
        summary: "The ledger could not be written any more and said so in its last record. Nothing happens after it.\n",
        how_to_allow: "make room on the disk that holds the state folder, then restart the guard",
        examples: &[],
    },
    RuleDoc {
        id: "ledger/recovered",
        summary: "The ledger was opened after a crash: a write that was torn, behind all that was on disk, was cut off.\n",
        how_to_allow: "nothing is refused; the record says what was cut off",
        examples: &[],
    },
    RuleDoc {
        id: "model/not-carried-out",
        summary: "The act was allowed under a condition that the model door can't meet, so it was not done.\n",
        how_to_allow: "report it with the record; nothing in the configuration allows it",
        examples: &[],
    },
    RuleDoc {
        id: "operator/failed",
        summary: "A rule of your own (`[policy] rules`) can't be evaluated for this act, a number too large, say. It may be one that \
                  refuses, so the act is refused. Rules of your own that decide stand in records as `operator/` and their `@id`.\n",
        how_to_allow: "mend the rule that the record names: `creel policy check`",
        examples: &[],
    },
];

/// The rule of this id.
#[must_use]
pub fn explain(rule_id: &str) -> Option<&'static RuleDoc> {
    rule_docs().find(|doc| doc.id == rule_id)
}

/// Whether an answer of this id comes from elsewhere than a rule of a policy.
pub(crate) fn is_elsewhere(rule_id: &str) -> bool {
    ELSEWHERE.iter().any(|doc| doc.id == rule_id && !rule_id.starts_with("operator/"))
}

/// Every rule: those of the doors in their written order, then the answers that are no rule's.
pub fn rule_docs() -> impl Iterator<Item = &'static RuleDoc> {
    Door::ALL.into_iter().flat_map(of_door).chain(&ELSEWHERE)
}

fn of_door(door: Door) -> impl Iterator<Item = &'static RuleDoc> {
    let door = rules::of(door);
    door.in_order.iter().copied().chain([door.otherwise]).map(|rule| &rule.doc)
}

/// The text of `docs/rules.md`.
#[must_use]
pub fn rules_markdown() -> String {
    let mut page = String::from(
        "# Rules\n\n\
         Made from the comments in `crates/policy/src/rules/` by `UPDATE=1 cargo test -p creel-policy`; don't edit it.\n\n\
         Each door runs its rules in the order given here. The first one that has something to say decides. When none\n\
         has, the last one does, and it refuses. The examples are run as tests, under this policy:\n\n```toml\n",
    );
    page.push_str(POLICY);
    page.push_str("```\n");
    for door in Door::ALL {
        // Writing into a String can't fail.
        let _ = write!(page, "\n## The {door} door\n");
        of_door(door).for_each(|doc| describe(&mut page, doc));
    }
    page.push_str("\n## Answers that are no rule's\n");
    ELSEWHERE.iter().for_each(|doc| describe(&mut page, doc));
    page
}

fn describe(page: &mut String, doc: &RuleDoc) {
    let _ = write!(page, "\n### `{}`\n\n", doc.id);
    for line in doc.summary.lines() {
        let _ = writeln!(page, "{}", line.trim());
    }
    let _ = write!(page, "\nTo get another answer: {}.\n", doc.how_to_allow);
    if !doc.examples.is_empty() {
        page.push_str("\n| act | answer |\n|---|---|\n");
    }
    for (act, answer) in doc.examples {
        let _ = writeln!(page, "| `{}` | {answer} |", act.replace('|', "\\|"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, rules_markdown()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(page == rules_markdown(), "docs/rules.md has drifted: UPDATE=1 cargo test -p creel-policy");
    }

    #[test]
    fn every_rule_is_named_once_and_after_its_door() {
        let mut seen = HashSet::new();
        for door in Door::ALL {
            for doc in of_door(door) {
                assert!(doc.id.starts_with(&format!("{door}/")), "{}", doc.id);
                assert!(seen.insert(doc.id), "{} twice", doc.id);
                assert!(!doc.how_to_allow.ends_with('.'), "{}", doc.id);
            }
        }
        assert!(explain("egress/deny-closed-range").is_some());
        assert!(explain("egress/none-such").is_none());
    }

    /// Rust sources below a folder, without tests.
    fn sources(folder: &Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                text.push_str(&sources(&path));
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                let file = std::fs::read_to_string(&path).unwrap();
                text.push_str(file.split("#[cfg(test)]").next().unwrap());
            }
        }
        text
    }

    #[test]
    fn every_answer_given_elsewhere_is_explained() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found = 0;
        for folder in ["guard", "ledger", "doors", "creel"] {
            let text = sources(&crates.join(folder).join("src"));
            for place in ["RuleId::new(\"", "deny(\""] {
                for id in text.split(place).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                    assert!(explain(id).is_some(), "{folder}: {id}");
                    found += 1;
                }
            }
        }
        assert!(found >= 7, "{found}");
    }

    #[test]
    fn every_rule_file_is_in_a_doors_list() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
        let mut files = 0;
        for door in Door::ALL {
            for file in std::fs::read_dir(folder.join(door.name())).unwrap() {
                let path = file.unwrap().path();
                let id = format!("{door}/{}", path.file_stem().unwrap().to_str().unwrap().replace('_', "-"));
                assert!(of_door(door).any(|doc| doc.id == id), "{} is in no list", path.display());
                files += 1;
            }
        }
        assert_eq!(files, Door::ALL.into_iter().flat_map(of_door).count());
    }
}
