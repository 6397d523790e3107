//! The egress door with everything on: the shipped rules over 1,000 names, each request judged and in a ledger on disk.

use std::path::Path;
use std::sync::Arc;

use creel_doors::Shutdown;
use creel_doors::ca::Ca;
use creel_doors::egress::{self, Egress, HostSettings};
use creel_doors::names::Names;
use creel_doors::upstream::{Client, SystemResolver, Trust, read_pem};
use creel_guard::{Guard, Mode, NoOneToAsk, Tenant};
use creel_ledger::{FileLedger, OpenOptions};
use creel_policy::{Config, EgressAllow, HostPattern, Policy};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::calm::{Closed, Tokio};
use super::origin::Ports;
use super::{Failure, HOST, note};

/// The name that stands for a tunnel to the same upstream.
pub(super) const TUNNELLED: &str = "tunnel.test";

pub(super) async fn serve(folder: &Path) -> Result<(), Failure> {
    let ports = Ports::read(folder)?;
    let tenant = Tenant::parse("bench")?;
    let home = note(folder, "home");
    std::fs::create_dir_all(&home)?;
    let ca = Ca::open(&home, &tenant)?;
    std::fs::write(note(folder, "door.pem"), ca.certificate_pem())?;
    let roots = read_pem(&std::fs::read(note(folder, "origin.pem"))?)?;
    let place = |name: &str, mode| -> Result<HostSettings, Failure> {
        Ok(HostSettings {
            pattern: egress::HostPattern::parse(name)?,
            ports: vec![ports.plain, ports.tls],
            address: Some([127, 0, 0, 1].into()),
            ca: roots.clone(),
            identity: None,
            mode,
        })
    };
    let hosts = vec![place(HOST, Mode::Http)?, place(TUNNELLED, Mode::Tunnel)?];
    let (_keep, config) = watch::channel(Arc::new(egress::Config::new(hosts)));
    let guard = guard(&note(folder, "ledger"), &tenant, ports)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let door = Egress {
        guard,
        tenant,
        names: Arc::new(Names::new(Box::new(|_| Ok(())))),
        ca: Arc::new(ca),
        client: Client::new(Trust::new(&[])?),
        resolver: Arc::new(SystemResolver),
        config,
        original: Arc::new(|stream| stream.local_addr()),
        meter: Arc::default(),
        broker: Arc::<creel_secrets::MemoryBroker>::default(),
        leaks: None,
    };
    std::fs::write(note(folder, "door.ready"), port.to_string())?;
    let (_trigger, shutdown) = Shutdown::pair();
    egress::serve_explicit(door, vec![listener], shutdown).await;
    Ok(())
}

/// Rules, judging, and a ledger in `folder`.
pub(super) fn guard(folder: &Path, tenant: &Tenant, ports: Ports) -> Result<Guard, Failure> {
    let ledger = Arc::new(FileLedger::open(folder, tenant, OpenOptions::default())?);
    Ok(Guard::new(Arc::new(policy(ports)?), ledger, Arc::new(NoOneToAsk), Arc::new(Closed), Arc::new(Tokio), false))
}

fn policy(ports: Ports) -> Result<Policy, Failure> {
    let mut entries = Vec::new();
    for n in 0..1000 {
        entries.push(EgressAllow::new(HostPattern::parse(&format!("host{n}.example.com"))?, vec![443]));
    }
    for (name, mode) in [(HOST, Mode::Http), (TUNNELLED, Mode::Tunnel)] {
        entries.push(EgressAllow {
            address: Some([127, 0, 0, 1].into()),
            http: true,
            mode,
            ..EgressAllow::new(HostPattern::parse(name)?, vec![ports.plain, ports.tls])
        });
    }
    Ok(Policy::new(Config { generation: 1, egress_allow: entries, ..Config::default() }))
}
