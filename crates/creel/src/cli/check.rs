//! `creel check`: the walls, proved on the running jail.
//!
//! Owns the items of CONTRACT.md and how each is judged from what the probe found inside and what is seen from outside.
//! It never reads the configuration to say what holds, and what it can't see it calls unknown.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use creel_ledger::{Follow, LogLine};
use serde::Serialize;

use crate::cli::{FINDING, Where, ask, out, status};
use crate::clock::monotonic;
use crate::outside::Outside;
use crate::probe::Findings;
use crate::protocol::{FromWarden, InsideTask, Status, ToWarden};
use crate::run::FILES_WATCHED;
use crate::site::Site;

mod items;

/// Prove the walls by probing the running jail from inside.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// One item of the check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Item {
    /// Its id.
    pub(crate) id: &'static str,
    /// The part of Creel that should hold it.
    pub(crate) layer: &'static str,
    /// `pass`, `fail`, `degraded` or `unknown`.
    pub(crate) status: &'static str,
    /// What was seen.
    pub(crate) evidence: String,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    items: Vec<Item>,
}

impl Check {
    pub(crate) fn run(self) -> ExitCode {
        let site = self.place.site(None);
        let found = ask::block_on_value(async { look(&site).await });
        let (status, findings, seen) = match found {
            Ok(found) => found,
            Err(code) => return code,
        };
        let Some(tenant) = status.tenants.first() else { return ask::lost() };
        let outside = Outside::look(tenant.init_pid, tenant.wall_pid, tenant.warden_pid, &items::WRITABLE);
        let (mut front, behind) = findings;
        // from whichever side it can be read
        if let (Some(seen), Some(more)) = (&mut front.token_seen, behind.as_ref().and_then(|f| f.token_seen.as_ref())) {
            seen.extend(more.iter().filter(|place| !seen.contains(place)).cloned().collect::<Vec<_>>());
        }
        let mut items = items::all(&front, &outside, &tenant.limits);
        items.push(items::inner_wall(behind.as_ref(), &outside));
        let watches = tenant.layers.iter().all(|layer| layer.id != FILES_WATCHED || layer.status == "enforced");
        items.push(items::watched(front.made.as_deref(), &seen, watches));
        for item in &mut items {
            if item.status != "pass" && tenant.degraded.iter().any(|id| id == item.id) {
                item.status = "degraded";
            }
        }
        items.extend(items::creel(&outside, tenant.limits.cpus));
        items.extend(items::users(&outside));
        items.push(items::rotated(&tenant.secrets));
        let ok = items.iter().all(|item| item.status == "pass");
        if self.json {
            out::json(&Report { ok, items });
        } else {
            out::text(render(&items));
        }
        if ok { ExitCode::SUCCESS } else { ExitCode::from(FINDING) }
    }
}

/// What was found in front of the inner wall, and behind it if it could be looked at.
type Sides = (Findings, Option<Findings>);

/// Whether what was made inside came to be on record, and after how long; why nobody can say.
type Seen = Result<Option<Duration>, String>;

/// How long a record of the files door may take: folders are counted for a second.
const LONGEST: Duration = Duration::from_secs(10);

async fn look(site: &Site) -> Result<(Status, Sides, Seen), ExitCode> {
    let status = status::fetch(site).await?;
    let tenant = status.tenants.first().map(|tenant| site.tenant(&tenant.name).ledger());
    // all that is written already is passed over
    let mut records = tenant.ok_or_else(|| "there is no tenant".to_owned()).and_then(|ledger| {
        let mut follow = Follow::new(&ledger, 0).map_err(|error| error.to_string())?;
        while !follow.poll().map_err(|error| error.to_string())?.is_empty() {}
        Ok(follow)
    });
    let begun = monotonic();
    let front = probe(site, InsideTask::Probe).await?;
    let behind = probe(site, InsideTask::ProbeBehind).await.ok();
    let mut seen = records.as_ref().map(|_| None).map_err(Clone::clone);
    while let (Ok(None), Ok(follow), Some(made)) = (&seen, &mut records, &front.made) {
        if monotonic() > begun + LONGEST {
            break;
        }
        match follow.poll() {
            Ok(lines) if lines.is_empty() => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(lines) => {
                let tells = |line: &LogLine| line.file.as_ref().is_some_and(|file| file.path.starts_with(made));
                seen = Ok(lines.iter().any(tells).then(|| monotonic() - begun));
            }
            Err(error) => seen = Err(error.to_string()),
        }
    }
    Ok((status, (front, behind), seen))
}

async fn probe(site: &Site, task: InsideTask) -> Result<Findings, ExitCode> {
    let link = ask::connect(&site.warden_socket())?;
    let lost = |_| ask::lost();
    let (null, _) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(lost)?;
    let (out_read, out_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(lost)?;
    let fds = [null.as_fd(), out_write.as_fd(), out_write.as_fd()];
    link.send(&ToWarden::Inside { task }, &fds).await.map_err(|_| ask::lost())?;
    drop((null, out_write));
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        let read = File::from(out_read).take(1 << 20).read_to_string(&mut text);
        read.map(|_| text)
    });
    match link.recv::<FromWarden>().await {
        Ok(Some((FromWarden::Ended { .. }, _))) => {}
        Ok(Some((FromWarden::Failed { code, why }, _))) => return Err(out::fail(code, why)),
        _ => return Err(ask::lost()),
    }
    let text = text.await.ok().and_then(Result::ok).unwrap_or_default();
    match serde_json::from_str(&text) {
        Ok(findings) => Ok(findings),
        Err(error) => {
            let said = crate::escape::one_line(text.get(..300).unwrap_or(&text));
            Err(out::fail(FINDING, format_args!("the probe inside did not report: {error}: {said}")))
        }
    }
}

fn render(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        let colour = match item.status {
            "pass" => "\u{1b}[32m",
            "fail" | "degraded" => "\u{1b}[31m",
            _ => "\u{1b}[33m",
        };
        let evidence = crate::escape::one_line(&item.evidence);
        text.push_str(&format!("{colour}{:<9}\u{1b}[0m {:<17} {evidence}\n", item.status, item.id));
    }
    text
}
