//! `creel policy replay` and `creel policy explain`: what other rules would have answered, and how an answer comes about.
//!
//! Owns the commands' words. They read ledger files and a configuration; they send nothing and record nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use creel_guard::{Action, Deed, Facts, Judge as _};
use creel_ledger::{Range, Stored};
use creel_policy::{Policy, Replayed, examples, replay};
use serde::Serialize;

use super::Of;
use crate::cli::ledger::Which;
use crate::cli::{FINDING, Where, log, out};
use crate::escape::one_line;

/// Judge what is on record again by another configuration.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    records: Records,
}

/// Which records.
#[derive(Debug, Args)]
pub(super) struct Records {
    /// The first record: its number, a day or a moment (`17`, `2026-11-22`, `2026-11-22T10:40:05Z`).
    #[arg(long, value_name = "EDGE")]
    from: Option<String>,
    /// The last record, likewise; it counts too, a day to its end (UTC).
    #[arg(long, value_name = "EDGE")]
    to: Option<String>,
    /// Only this tenant's; without, all tenants'.
    #[arg(long)]
    tenant: Option<String>,
    /// A ledger's folder, instead of the installation's.
    #[arg(long, value_name = "PATH", conflicts_with = "tenant")]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

impl Records {
    /// Every decision among them, ledger by ledger.
    pub(super) fn read(&self) -> Result<impl Iterator<Item = Result<Stored, String>> + use<>, String> {
        let range = Range::parse(self.from.as_deref(), self.to.as_deref()).map_err(|error| error.to_string())?;
        let folders = match &self.ledger {
            Some(folder) => vec![folder.clone()],
            None => log::ledgers(&self.place.site(None), self.tenant.as_deref()).map_err(|error| error.to_string())?,
        };
        Ok(folders.into_iter().flat_map(move |folder| decisions(&folder, &range)))
    }
}

/// A record that would be judged otherwise.
#[derive(Debug, Serialize)]
struct Change {
    tenant: String,
    seq: u64,
    time: String,
    deed: &'static str,
    target: String,
    was: Said,
    would: Said,
}

#[derive(Debug, Serialize)]
struct Said {
    verdict: String,
    rule: String,
    why: String,
}

/// What was counted.
#[derive(Debug, Default, Serialize)]
struct Sum {
    judged: u64,
    same: u64,
    differs: u64,
    /// Decided by no policy.
    elsewhere: u64,
    /// Can't be told from the record alone.
    untold: u64,
}

/// Differences that read alike: verdict and rule before, verdict and rule now, the act without its path.
type Group = (String, String);

/// At most so many kinds of differences are told apart; more are one kind.
const MOST_GROUPS: usize = 1_000;

impl Replay {
    /// Code 1 when any verdict differs.
    pub(super) fn run(self) -> Result<ExitCode, String> {
        let policy = self.of.policy()?;
        let (mut sum, mut groups) = (Sum::default(), BTreeMap::<Group, (u64, String)>::new());
        for record in self.records.read()? {
            let record = record?;
            sum.judged += 1;
            match replay(&policy, &record.action, &record.facts, &record.verdict, record.rule.as_str()) {
                Replayed::Same => sum.same += 1,
                Replayed::Elsewhere => sum.elsewhere += 1,
                Replayed::Untold(_) => sum.untold += 1,
                Replayed::Differs(again) => {
                    sum.differs += 1;
                    let would = Said {
                        verdict: again.verdict.word().to_owned(),
                        rule: again.rule.to_string(),
                        why: again.why.clone(),
                    };
                    self.tell(&record, would, &mut groups);
                }
            }
        }
        self.end(&sum, &groups);
        Ok(if sum.differs == 0 { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
    }

    fn tell(&self, record: &Stored, would: Said, groups: &mut BTreeMap<Group, (u64, String)>) {
        let Stored { seq, time, action, verdict, rule, why, .. } = record;
        let was = Said { verdict: verdict.clone(), rule: rule.to_string(), why: why.clone() };
        if self.of.json {
            let (deed, target) = (action.deed.verb(), action.deed.target());
            let tenant = action.tenant.to_string();
            return out::json(&Change { tenant, seq: *seq, time: time.clone(), deed, target, was, would });
        }
        let change = format!("{} {} -> {} {}", was.verdict, was.rule, would.verdict, would.rule);
        let mut group = (change, kind(&action.deed));
        if groups.len() >= MOST_GROUPS && !groups.contains_key(&group) {
            group = (group.0, "others".to_owned());
        }
        let (count, _) = groups.entry(group).or_insert_with(|| (0, format!("{seq} of {}", action.tenant)));
        *count += 1;
    }

    fn end(&self, sum: &Sum, groups: &BTreeMap<Group, (u64, String)>) {
        if self.of.json {
            return out::json(sum);
        }
        for ((change, kind), (count, first)) in groups {
            out::line(format_args!("{count:>6}  {change}  {}  (first: record {first})", one_line(kind)));
        }
        let Sum { judged, same, differs, elsewhere, untold } = sum;
        out::line(format_args!(
            "{judged} decisions judged again: {same} the same, {differs} differ, {elsewhere} that no policy decides, {untold} \
             that the record does not hold enough for"
        ));
    }
}

/// The decisions of one ledger; none of one that was never begun.
fn decisions(folder: &Path, range: &Range) -> Box<dyn Iterator<Item = Result<Stored, String>>> {
    let told = |error: creel_ledger::Error| error.to_string();
    log::tell_beginning(folder);
    match creel_ledger::decisions(folder, range.clone()) {
        Ok(records) => Box::new(records.map(move |record| record.map_err(told))),
        // A jail that never came up has written nothing.
        Err(creel_ledger::Error::NoLedger(_)) => Box::new(std::iter::empty()),
        Err(error) => Box::new(std::iter::once(Err(told(error)))),
    }
}

/// The act without what differs each time.
fn kind(deed: &Deed) -> String {
    let what = match deed {
        Deed::Send(send) => format!("{} {}:{}", send.method.as_deref().unwrap_or("-"), send.to, send.port),
        Deed::Call(call) => call.tool.clone(),
        Deed::Run(run) => run.program.clone(),
        deed => deed.target(),
    };
    format!("{} {}", deed.verb(), what.chars().take(100).collect::<String>())
}

/// Show how an answer comes about: what each rule of the door says, in their order.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    of: Of,
    /// A record's number (`17` or `creel:record:17`), judged again by the configuration; or an act, as in docs/rules.md.
    act: String,
    /// Rules that have nothing to say as well.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
}

/// An answer with its steps.
#[derive(Debug, Serialize)]
struct Explained {
    act: String,
    verdict: &'static str,
    rule: String,
    why: String,
    /// What the record says, of an act on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<Said>,
    /// How many entries speak of where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<usize>,
    steps: Vec<Asked>,
}

#[derive(Debug, Serialize)]
struct Asked {
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// The first that has something to say.
    decides: bool,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        let policy = self.of.policy()?;
        let bare = self.act.strip_prefix("creel:record:").unwrap_or(&self.act);
        let (action, facts, was) = match bare.parse::<u64>() {
            Ok(seq) => {
                let found = creel_ledger::find(&self.which.folder(), seq).map_err(|error| error.to_string())?;
                let (stored, _) = found.ok_or_else(|| format!("there is no decision {seq} in this ledger"))?;
                let was = Said { verdict: stored.verdict, rule: stored.rule.to_string(), why: stored.why };
                (stored.action, stored.facts, Some(was))
            }
            Err(_) => {
                let act = examples::made(&policy, &self.act);
                let (action, facts) = act.map_err(|why| format!("`{}`: {why}", one_line(&self.act)))?;
                (action, facts, None)
            }
        };
        let explained = explain(&policy, &action, &facts, was);
        if self.of.json {
            out::json(&explained)
        } else {
            self.print(&explained)
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, explained: &Explained) {
        let Explained { act, verdict, rule, why, was, entries, steps } = explained;
        out::line(one_line(act));
        if let Some(Said { verdict, rule, why }) = was {
            out::line(format_args!("on record: {verdict} by `{}`: {}", one_line(rule), one_line(why)));
        }
        out::line(format_args!("{verdict} by `{rule}`: {}", one_line(why)));
        if let Some(count) = entries {
            out::line(format_args!("entries that speak of this place: {count} (`creel policy show --host NAME`)"));
        }
        for Asked { rule, verdict, why, decides } in steps {
            let mark = if *decides { "=>" } else { "  " };
            match (verdict, why) {
                (Some(verdict), Some(why)) => out::line(format_args!("{mark} {rule}: {verdict}, {}", one_line(why))),
                _ if self.all => out::line(format_args!("{mark} {rule}: nothing")),
                _ => {}
            }
        }
    }
}

fn explain(policy: &Policy, action: &Action, facts: &Facts, was: Option<Said>) -> Explained {
    let judged = policy.judge(action, facts);
    let mut decided = false;
    let asked = |step: creel_policy::Step| {
        let decides = step.says.is_some() && !decided;
        decided |= decides;
        let (verdict, why) = step.says.unzip();
        Asked { rule: step.rule, verdict, why, decides }
    };
    let entries = match &action.deed {
        Deed::Send(send) => Some(policy.entries_of(&send.to)),
        _ => None,
    };
    Explained {
        act: format!("{} {}", action.deed.verb(), action.deed.target()),
        verdict: judged.verdict.word(),
        rule: judged.rule.to_string(),
        why: judged.why,
        was,
        entries,
        steps: policy.steps(action, facts).into_iter().map(asked).collect(),
    }
}
