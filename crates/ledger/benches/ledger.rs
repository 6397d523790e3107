//! What a durable record costs: with 1, 16 and 256 producers that wait for the disk, beside bare fdatasyncs and SQLite.
//!
//! Prints records a second, bytes and processor time a record, and leaves verified a second. All of it runs on one disk in one
//! run, so compare the ratios. SQLite is Python's, in its WAL mode with `synchronous=FULL`. It takes no argument.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel_guard::{
    Action, Actor, Deed, Door, Durability, Entry, Facts, HostName, Judgement, Ledger as _, Obligations, RuleId, Send,
    Target, Tenant, Verdict,
};
use creel_ledger::{FileLedger, OpenOptions, verify};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

type Failure = Box<dyn std::error::Error>;

/// One record a transaction, and as many of them in one as 256 producers would share.
const SQLITE: &str = "
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('pragma journal_mode=wal'); db.execute('pragma synchronous=full')
db.execute('create table log (id integer primary key, leaf blob)')
leaf = b'x' * int(sys.argv[2])
def run(count, each):
    begun = time.perf_counter()
    for _ in range(count // each):
        db.execute('begin')
        for _ in range(each): db.execute('insert into log (leaf) values (?)', (leaf,))
        db.execute('commit')
    return count / (time.perf_counter() - begun)
print(run(3000, 1), run(256 * 200, 256))
";

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = std::env::temp_dir().join(format!("creel-bench-ledger-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = runtime.block_on(measure(&folder));
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn measure(folder: &Path) -> Result<(), Failure> {
    let tenant = Tenant::parse("bench")?;
    let floor = floor(folder)?;
    say(&format!("bare write and fdatasync, in place   {floor:>10.0} /s"))?;
    let mut size = 0;
    for (producers, records) in [(1, 3_000), (16, 32_000), (256, 512_000)] {
        let place = folder.join(producers.to_string());
        let ledger = Arc::new(FileLedger::open(&place, &tenant, OpenOptions::default())?);
        let (start, processor) = (now(), processor()?);
        let mut tasks = Vec::new();
        for _ in 0..producers {
            let (ledger, entry) = (Arc::clone(&ledger), entry(&tenant)?);
            tasks.push(tokio::spawn(async move {
                for _ in 0..records / producers {
                    ledger.admitted(entry.clone()).await?;
                }
                Ok::<(), creel_guard::LedgerClosed>(())
            }));
        }
        for task in tasks {
            task.await?.map_err(|closed| closed.why)?;
        }
        let (taken, used) = (start.elapsed(), self::processor()?.saturating_sub(processor));
        drop(ledger);
        size = bytes(&place)? / records;
        let (rate, each) = (records as f64 / taken.as_secs_f64(), used.as_secs_f64() * 1e6 / records as f64);
        say(&format!(
            "durable records, {producers:>3} producers      {rate:>10.0} /s  {:>7.2} x the bare fdatasync  {each:>6.2} us of processor  {size} bytes",
            rate / floor
        ))?;
    }
    sqlite(folder, size)?;
    let start = now();
    let found = verify(&folder.join("256"))?;
    say(&format!(
        "verify, leaves                       {:>10.0} /s",
        found.leaves as f64 / start.elapsed().as_secs_f64()
    ))
}

/// Writes into a file whose blocks are all there already: the least that a disk asks.
fn floor(folder: &Path) -> Result<f64, Failure> {
    let path = folder.join("plain");
    std::fs::write(&path, vec![b'y'; 3_000 * 600])?;
    let file = std::fs::OpenOptions::new().write(true).open(path)?;
    file.sync_all()?;
    let start = now();
    for number in 0..3_000 {
        file.write_all_at(&[b'x'; 600], number * 600)?;
        file.sync_data()?;
    }
    Ok(3_000.0 / start.elapsed().as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a bench starts what it compares with")]
fn sqlite(folder: &Path, size: u64) -> Result<(), Failure> {
    let place = folder.join("sqlite");
    let words = ["-c".as_ref(), SQLITE.as_ref(), place.as_os_str()];
    let ran = Command::new("python3").args(words).arg(size.to_string()).output()?;
    let told = String::from_utf8(ran.stdout)?;
    for (name, rate) in ["SQLite WAL, a record a transaction   ", "SQLite WAL, 256 a transaction        "]
        .iter()
        .zip(told.split_whitespace())
    {
        say(&format!("{name}{:>10.0} /s", rate.parse::<f64>()?))?;
    }
    if ran.status.success() { Ok(()) } else { Err("python3 can't drive SQLite".into()) }
}

fn bytes(place: &Path) -> Result<u64, Failure> {
    let mut all = 0;
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|end| end == "seg") {
            all += entry.metadata()?.len();
        }
    }
    Ok(all)
}

fn entry(tenant: &Tenant) -> Result<Entry, Failure> {
    let send = Send {
        scheme: "https".to_owned(),
        method: Some("POST".to_owned()),
        path: "/v1/things?page=2".to_owned(),
        body: Some(1024),
        ..Send::connection(Target::Host(HostName::parse("host7777.example.com")?), 443)
    };
    Ok(Entry {
        action: Action { tenant: tenant.clone(), actor: Actor::Agent, door: Door::Egress, deed: Deed::Send(send) },
        facts: Facts::default(),
        judgement: Judgement {
            verdict: Verdict::Allow(Obligations::default()),
            rule: RuleId::new("egress/allow-approved"),
            why: "the entry for `host7777.example.com` allows it".to_owned(),
            generation: 1,
        },
        answer: None,
        durability: Durability::BeforeRelease,
    })
}

fn processor() -> Result<Duration, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
