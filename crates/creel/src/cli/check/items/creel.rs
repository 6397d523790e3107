//! The walls around Creel's own processes.
//!
//! Owns one item for each part that reads what the agent writes, or has rights of root's: a filter on its system calls, no
//! privileges but those of its work, no dump, bounded memory, and for those who serve the jail bounded processor time.
//! Landlock can't be seen from outside.

use creel_jail::{GUARD_MEMORY, PORTER_MEMORY, SENTRY_MEMORY, WARDEN_MEMORY};

use super::held::{cores, within_cpus};
use super::{item, unknown};
use crate::cli::check::Item;
use crate::outside::Outside;
use crate::outside::own::Own;

const LAYER: &str = "creel";

/// What a part may have.
struct Bounds {
    id: &'static str,
    part: &'static str,
    /// Its capabilities (capabilities(7)); all that root's warden keeps are the jail's to build.
    capabilities: Option<u64>,
    /// Largest core file: 0, or 1 where the jail's programs get it from there.
    core: u64,
    memory: u64,
    /// A process is dumpable or not whoever it belongs to, and only a user's own can be told apart.
    own_user: bool,
}

/// `CAP_DAC_READ_SEARCH`, `CAP_KILL`, `CAP_SYS_PTRACE`.
const LOOK_AND_KILL: u64 = 1 << 2 | 1 << 5 | 1 << 19;
/// `CAP_DAC_READ_SEARCH`.
const READ: u64 = 1 << 2;

const PARTS: [Bounds; 5] = [
    Bounds {
        id: "guard.confined",
        part: "guard",
        capabilities: Some(0),
        core: 0,
        memory: GUARD_MEMORY,
        own_user: true,
    },
    Bounds {
        id: "notary.confined",
        part: "notary",
        capabilities: Some(0),
        core: 0,
        memory: GUARD_MEMORY,
        own_user: true,
    },
    Bounds {
        id: "porter.confined",
        part: "porter",
        capabilities: Some(LOOK_AND_KILL),
        core: 1,
        memory: PORTER_MEMORY,
        own_user: false,
    },
    Bounds {
        id: "sentry.confined",
        part: "sentry",
        capabilities: Some(READ),
        core: 1,
        memory: SENTRY_MEMORY,
        own_user: false,
    },
    Bounds {
        id: "warden.confined",
        part: "warden",
        capabilities: None,
        core: 1,
        memory: WARDEN_MEMORY,
        own_user: false,
    },
];

/// Judges each part. A plain user's warden has no right but the user's and is not confined; his jail has no sentry.
pub(in crate::cli::check) fn creel(outside: &Outside, cpus: f64) -> Vec<Item> {
    let there = |part: &Bounds| {
        let shown = outside.own.iter().any(|own| own.part == part.part);
        !outside.own_user || (part.part != "warden" && (shown || part.part != "sentry"))
    };
    PARTS.iter().filter(|part| there(part)).map(|part| judge(part, outside, cpus)).collect()
}

fn judge(part: &Bounds, outside: &Outside, cpus: f64) -> Item {
    if outside.own.is_empty() {
        return unknown(part.id, LAYER, "the warden's processes could not be seen");
    }
    let found: Vec<&Own> = outside.own.iter().filter(|own| own.part == part.part).collect();
    if found.is_empty() {
        return item(part.id, LAYER, false, format!("no {} runs", part.part));
    }
    // Where the jail's own time can't be bounded theirs can't be either, and `limit.cpu` says so.
    let bounded = part.part != "warden" && outside.processes.first().is_some_and(|first| cores(first).is_some());
    let mut wrong = Vec::new();
    for own in &found {
        let mut faults = faults(part, own, outside.own_user);
        let used = cores(&own.process);
        if bounded && !used.is_some_and(|cores| within_cpus(cores, cpus)) {
            let much = used.map_or_else(|| "any".to_owned(), |cores| format!("{cores} processors' worth of"));
            faults.push(format!("it may use {much} processor time"));
        }
        wrong.extend(faults.into_iter().map(|fault| format!("process {}: {fault}", own.process.pid)));
    }
    let evidence = if wrong.is_empty() {
        let many = if found.len() == 1 { String::new() } else { format!("{} of them; ", found.len()) };
        let rights = part.capabilities.map_or_else(String::new, |set| format!("capabilities {set:016x}, "));
        format!("{many}a filter of system calls, {rights}no core file, at most {} MiB", part.memory >> 20)
    } else {
        wrong.join("; ")
    };
    item(part.id, LAYER, wrong.is_empty(), evidence)
}

/// What of its walls is missing.
fn faults(part: &Bounds, own: &Own, own_user: bool) -> Vec<String> {
    let line = |name: &str| own.process.status.get(name).map_or("not seen", String::as_str);
    let mut faults = Vec::new();
    for (name, expected) in [("Seccomp", "2"), ("NoNewPrivs", "1")] {
        if line(name) != expected {
            faults.push(format!("{name} is {}", line(name)));
        }
    }
    let most = |text: &str, most: u64| text.parse::<u64>().is_ok_and(|number| number <= most);
    for name in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
        let kept = |set: u64| u64::from_str_radix(line(name), 16).is_ok_and(|found| found & !set == 0);
        if part.capabilities.is_some_and(|set| !kept(set)) {
            faults.push(format!("{name} is {}", line(name)));
        }
    }
    if !most(&own.process.core, part.core) {
        faults.push(format!("a core file may have {} bytes", own.process.core));
    }
    if !most(&own.data, part.memory) {
        faults.push(format!("it may hold {} bytes", own.data));
    }
    if part.own_user && own.dumpable {
        faults.push("others of its user can look into it".to_owned());
    }
    if part.own_user && !own_user && own.process.id("Uid") == "0" {
        faults.push("it is root's".to_owned());
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::processes::Process;

    fn own(part: &str, change: impl Fn(&mut Own)) -> Own {
        let bounds = PARTS.iter().find(|bounds| bounds.part == part).unwrap();
        let kept = format!("{:016x}", bounds.capabilities.unwrap_or(u64::MAX));
        let mut process = Process { pid: 7, core: bounds.core.to_string(), ..Process::default() };
        let caps = ["CapEff", "CapPrm"].map(|name| (name, kept.as_str()));
        let lines = [("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapInh", "0"), ("CapAmb", "0"), ("Uid", "9\t9\t9\t9")];
        for (name, value) in lines.into_iter().chain(caps) {
            process.status.insert(name.to_owned(), value.to_owned());
        }
        let mut own = Own { part: part.to_owned(), process, data: bounds.memory.to_string(), dumpable: false };
        change(&mut own);
        own
    }

    fn judged(own: Vec<Own>, own_user: bool) -> Vec<(&'static str, &'static str)> {
        let outside = Outside { own, own_user, ..Outside::default() };
        creel(&outside, 2.0).into_iter().map(|item| (item.id, item.status)).collect()
    }

    /// All parts, the first of one of which was changed.
    fn all(part: &str, change: impl Fn(&mut Own)) -> Vec<Own> {
        let parts = ["warden", "guard", "notary", "notary", "porter", "sentry"];
        parts
            .into_iter()
            .map(|each| {
                own(each, |own| {
                    if each == part {
                        change(own)
                    }
                })
            })
            .collect()
    }

    #[test]
    fn each_wall_that_a_part_lacks_turns_its_item_red_and_no_other() {
        let line = |name: &'static str, value: &'static str| {
            move |own: &mut Own| drop(own.process.status.insert(name.to_owned(), value.to_owned()))
        };
        type Change = Box<dyn Fn(&mut Own)>;
        let anyones: [Change; 5] = [
            Box::new(line("Seccomp", "0")),
            Box::new(line("NoNewPrivs", "0")),
            Box::new(|own| own.process.core = "unlimited".to_owned()),
            Box::new(|own| own.data = "unlimited".to_owned()),
            Box::new(|own| own.data = (4_u64 << 30).to_string()),
        ];
        let lesser: [Change; 3] = [
            Box::new(line("CapEff", "0000000000200000")),
            Box::new(line("CapInh", "0000000000200000")),
            Box::new(|own| drop(own.process.status.remove("CapPrm"))),
        ];
        let guards: [Change; 2] = [Box::new(|own| own.dumpable = true), Box::new(line("Uid", "0\t0\t0\t0"))];
        assert!(judged(all("", |_| ()), false).iter().all(|(_, status)| *status == "pass"));
        for bounds in &PARTS {
            let lesser = lesser.iter().filter(|_| bounds.part != "warden");
            let guards = guards.iter().filter(|_| bounds.own_user);
            for change in anyones.iter().chain(lesser).chain(guards) {
                let found = judged(all(bounds.part, change), false);
                let red: Vec<_> = found.iter().filter(|(_, status)| *status != "pass").collect();
                assert_eq!(red, [&(bounds.id, "fail")], "{found:?}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_red_and_what_is_not_seen_unknown() {
        let without = all("", |_| ()).into_iter().filter(|own| own.part != "porter").collect();
        assert!(judged(without, false).contains(&("porter.confined", "fail")));
        assert!(judged(Vec::new(), false).iter().all(|(_, status)| *status == "unknown"));
        let plain = judged(vec![own("warden", |_| ()), own("guard", |_| ())], true);
        let ids: Vec<_> = plain.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, ["guard.confined", "notary.confined", "porter.confined"]);
    }
}
