//! What an act costs: policy alone, and policy with its record, for a read and for an act with an effect.
//!
//! `make bench` prints microseconds an act and acts a second, beside one bare fdatasync on the same disk in the same run:
//! compare the ratios, not the figures. It takes no argument.

#[path = "guard/calm.rs"]
mod calm;

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel_guard::{
    Action, Actor, BreakerState, Deed, Door, Facts, Guard, HostName, Judge, NoOneToAsk, Outcome, Send, Target, Tenant,
};
use creel_ledger::{FileLedger, OpenOptions};
use creel_policy::{Config, EgressAllow, HostPattern, Policy};

use calm::{Closed, Tokio};

/// Names in the policy: far more than anybody lists.
const NAMES: usize = 10_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = std::env::temp_dir().join(format!("creel-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = runtime.block_on(measure(&folder));
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn measure(folder: &std::path::Path) -> Result<(), Failure> {
    let tenant = Tenant::parse("bench")?;
    let policy = Arc::new(policy()?);
    let facts = Facts { addresses: vec!["93.184.215.14".parse()?], breakers: BreakerState::Closed, ..Facts::default() };
    let (read, write) = (action(&tenant, "GET", Some(0))?, action(&tenant, "POST", Some(1024))?);

    let start = now();
    for _ in 0..200_000 {
        black_box(policy.judge(black_box(&read), black_box(&facts)));
    }
    print("policy alone, 10,000 names", 200_000, start.elapsed())?;

    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("plain"))?;
    let start = now();
    for _ in 0..500 {
        file.write_all(&[b'x'; 512])?;
        file.sync_data()?;
    }
    print("bare write and fdatasync", 500, start.elapsed())?;

    let place = folder.join("ledger");
    let ledger = Arc::new(FileLedger::open(&place, &tenant, OpenOptions::default())?);
    let guard = Guard::new(policy, ledger, Arc::new(NoOneToAsk), Arc::new(Closed), Arc::new(Tokio), false);
    for (name, what, callers) in [
        ("admit and settle a read, 1 caller", &read, 1),
        ("admit and settle an effect, 1 caller", &write, 1),
        ("admit and settle an effect, 256 callers", &write, 256),
    ] {
        let each = 4096 / callers;
        let start = now();
        let mut tasks = Vec::new();
        for _ in 0..callers {
            let (guard, what, facts) = (guard.clone(), what.clone(), facts.clone());
            tasks.push(tokio::spawn(async move {
                for _ in 0..each {
                    if let Ok(permit) = guard.admit(what.clone(), facts.clone()).await {
                        permit.redeem().1.settle(Outcome::done());
                    }
                }
            }));
        }
        for task in tasks {
            task.await?;
        }
        print(name, callers * each, start.elapsed())?;
    }
    Ok(())
}

fn policy() -> Result<Policy, Failure> {
    let mut entries = Vec::with_capacity(NAMES);
    for n in 0..NAMES {
        entries.push(EgressAllow::new(HostPattern::parse(&format!("host{n}.example.com"))?, vec![443]));
    }
    Ok(Policy::new(Config { generation: 1, egress_allow: entries, ..Config::default() }))
}

fn action(tenant: &Tenant, method: &str, body: Option<u64>) -> Result<Action, Failure> {
    let send = Send {
        scheme: "https".to_owned(),
        method: Some(method.to_owned()),
        path: "/v1/things?page=2".to_owned(),
        body,
        ..Send::connection(Target::Host(HostName::parse("host7777.example.com")?), 443)
    };
    Ok(Action { tenant: tenant.clone(), actor: Actor::Agent, door: Door::Egress, deed: Deed::Send(send) })
}

fn print(name: &str, count: usize, taken: Duration) -> std::io::Result<()> {
    let each = taken.as_secs_f64() * 1e6 / count as f64;
    writeln!(std::io::stdout(), "{name:<42} {each:>9.2} us  {:>10.0} /s", 1e6 / each)
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}
