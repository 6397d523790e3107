//! `creel status`: what runs, what holds it, where it may go.
//!
//! Owns the command's words and its table. The warden tells about processes; the ledger is verified here, from its
//! files, so that its state does not rest on the word of who writes it.

use std::process::ExitCode;

use clap::Args;

use crate::cli::{Where, ask, out};
use crate::escape::one_line;
use crate::protocol::{FromWarden, LedgerStatus, QuarantineStatus, Status as Report, TenantStatus, ToWarden};
use crate::site::Site;

/// Show what runs, what holds it, and where it may go.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

impl Status {
    pub(crate) fn run(self) -> ExitCode {
        ask::block_on(async {
            let site = self.place.site(None);
            match fetch(&site).await {
                Ok(report) if self.json => {
                    out::json(&report);
                    ExitCode::SUCCESS
                }
                Ok(report) => {
                    out::text(render(&report));
                    ExitCode::SUCCESS
                }
                Err(code) => code,
            }
        })
    }
}

/// What the warden says.
pub(crate) async fn of_warden(site: &Site) -> Result<Report, ExitCode> {
    let link = ask::connect(&site.warden_socket())?;
    link.send(&ToWarden::Status, &[]).await.map_err(|_| ask::lost())?;
    match link.recv::<FromWarden>().await {
        Ok(Some((FromWarden::Status(report), _))) => Ok(*report),
        _ => Err(ask::lost()),
    }
}

/// Asks the warden and verifies the ledgers.
pub(crate) async fn fetch(site: &Site) -> Result<Report, ExitCode> {
    let mut report = of_warden(site).await?;
    report.ledger = LedgerStatus { size: 0, verified: true };
    for tenant in &report.tenants {
        let folder = site.tenant(&tenant.name).ledger();
        let found = crate::cli::ledger::verify::beside(&folder, &creel_ledger::Trust::default());
        match found.and_then(|trust| creel_ledger::verify_with(&folder, &trust)) {
            Ok(found) => {
                report.ledger.size += found.size;
                report.ledger.verified &= found.ok;
            }
            Err(_) => report.ledger.verified = false,
        }
    }
    Ok(report)
}

/// The report for people.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    for tenant in &report.tenants {
        text.push_str(&render_tenant(tenant));
    }
    let state = if report.ledger.verified { "verified" } else { "NOT VERIFIED: run `creel ledger verify`" };
    text.push_str(&format!("ledger    {} records, {state}\n", report.ledger.size));
    text
}

fn render_tenant(tenant: &TenantStatus) -> String {
    let agent = &tenant.agent;
    let hosts = if tenant.approved_hosts.is_empty() { "nothing".to_owned() } else { tenant.approved_hosts.join(", ") };
    let mut text = format!(
        "tenant    {}\nagent     {} (OpenClaw {}, pid {}, up {} s, restarts {})\nmodel     {}\nmay leave {}\n",
        tenant.name,
        agent.state,
        one_line(&agent.version),
        agent.pid,
        agent.uptime_s,
        tenant.agent_restarts,
        tenant.model,
        hosts
    );
    if let Some(QuarantineStatus { canary, at, since, frozen, failed }) = &tenant.quarantine {
        let state = match failed {
            Some(why) => format!("its processes can't be frozen: {}", one_line(why)),
            None if *frozen => "frozen".to_owned(),
            None => "being brought to a halt".to_owned(),
        };
        let why = format!("since {since}: the canary {} turned up in {}", one_line(canary), one_line(at));
        text.push_str(&format!("\u{1b}[31mQUARANTINE {why}; {state}; `creel canary release` ends it\u{1b}[0m\n"));
    }
    for leak in &tenant.leaks_possible {
        text.push_str(&format!("\u{1b}[33mleaks     possible at {}\u{1b}[0m\n", one_line(leak)));
    }
    for exception in &tenant.exceptions {
        text.push_str(&format!("\u{1b}[33mopened    {}\u{1b}[0m\n", one_line(exception)));
    }
    let layers: Vec<&str> = tenant.layers.iter().filter(|l| l.status == "enforced").map(|l| l.id.as_str()).collect();
    text.push_str(&format!("walls     {}\n", layers.join(" ")));
    if !tenant.degraded.is_empty() {
        text.push_str(&format!(
            "\u{1b}[31mDEGRADED  {} (accepted by the operator)\u{1b}[0m\n",
            tenant.degraded.join(" ")
        ));
    }
    for secret in &tenant.secrets {
        if let (Some(since), Some(why)) = (&secret.since, &secret.overdue) {
            let (name, why) = (one_line(&secret.name), one_line(why));
            text.push_str(&format!("\u{1b}[31mOVERDUE   the secret {name}, of {since}: {why}\u{1b}[0m\n"));
        }
    }
    let policy = &tenant.policy;
    text.push_str(&format!("rules     generation {}, for {} s\n", policy.generation, policy.since_s));
    if !policy.waiting.is_empty() {
        text.push_str(&format!("\u{1b}[33mwaiting   for a restart: {}\u{1b}[0m\n", policy.waiting.join(" ")));
    }
    if let Some(why) = &policy.failed {
        text.push_str(&format!("\u{1b}[31mreload    failed, the old rules stay: {}\u{1b}[0m\n", one_line(why)));
    }
    text.push_str(&format!("guard     pid {}, restarts {}\n", tenant.guard_pid, tenant.guard_restarts));
    text
}
