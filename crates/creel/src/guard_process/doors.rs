//! The doors of one tenant, opened on the planted sockets.
//!
//! Owns what each door works with: its sockets, the address book, the certificate authority, the secrets' broker. It runs
//! once a guard, after the walls are closed and before the first byte of the agent's.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use creel_doors::ca::Ca;
use creel_doors::leak::Leaks;
use creel_doors::names::Names;
use creel_doors::shutdown::Trigger;
use creel_doors::upstream::{Client, DnsResolver, Over, Resolve, Servers, SystemResolver, Trust};
use creel_doors::{Shutdown, dns, egress, model};
use creel_guard::Guard;
use creel_jail::net::PlantedSockets;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use crate::config::{Asking, Config, Dns, Live};
use crate::protocol::GuardSetup;

/// Every door, ready to be opened.
pub(super) struct Doors {
    dns: dns::Dns,
    egress: egress::Egress,
    model: model::Model,
}

/// Builds every door.
pub(super) fn build(
    config: &Config,
    live: &Live,
    setup: &GuardSetup,
    (broker, aides): (Arc<dyn creel_secrets::Broker>, super::model::Aides),
    ca: Ca,
    guard: &Guard,
    watch: Arc<super::watch::Watch>,
) -> Result<Doors, String> {
    let names = Arc::new(address_book(&setup.home, &setup.life)?);
    let trust = Trust::from_bundle(Path::new(crate::trust::BUNDLE)).map_err(|error| error.to_string())?;
    let client = Client::new(trust);
    let resolver = resolver(config.dns(), &client);
    let egress = egress::Egress {
        guard: guard.clone(),
        tenant: setup.tenant.clone(),
        names: Arc::clone(&names),
        ca: Arc::new(ca),
        client: client.clone(),
        resolver: Arc::clone(&resolver),
        config: live.egress(),
        original: Arc::new(|stream: &TcpStream| creel_jail_sys::socket::original_destination(stream.as_fd())),
        meter: Arc::default(),
        broker: Arc::clone(&broker),
        leaks: Some(watch as Arc<dyn Leaks>),
    };
    let model = super::model::door(config, setup, broker, guard, client, resolver, (live.judging(), aides))?;
    Ok(Doors { dns: dns::Dns::new(guard.clone(), setup.tenant.clone(), names), egress, model })
}

/// What Creel's own messages are sent with, on connections of their own.
pub(super) fn means(
    config: &Config,
    setup: &GuardSetup,
    broker: Arc<dyn creel_secrets::Broker>,
) -> Result<super::post::Means, String> {
    let trust = Trust::from_bundle(Path::new(crate::trust::BUNDLE)).map_err(|error| error.to_string())?;
    let client = Client::new(trust);
    let resolver = resolver(config.dns(), &client);
    Ok(super::post::Means { client, resolver, broker, own_addresses: setup.own_addresses.clone() })
}

impl Doors {
    /// Opens every door on the planted sockets. The trigger closes them; the tasks then end.
    pub(super) fn open(self, planted: Vec<OwnedFd>) -> Result<(Trigger, Vec<JoinHandle<()>>), String> {
        let failed = |error: io::Error| format!("a planted socket can't be served: {error}");
        let sockets = PlantedSockets::from_fds(planted).map_err(|error| error.to_string())?;
        let PlantedSockets { dns_udp, dns_tcp, proxy, explicit, model } = sockets;
        let dns_sockets = dns::Sockets { udp: udp(dns_udp).map_err(failed)?, tcp: tcp(dns_tcp).map_err(failed)? };
        let proxy = tcp(proxy).map_err(failed)?;
        let explicit = tcp(explicit).map_err(failed)?;
        let model = tcp(model).map_err(failed)?;
        let (trigger, shutdown) = Shutdown::pair();
        let tasks = vec![
            tokio::spawn(dns::serve(self.dns, dns_sockets, shutdown.clone())),
            tokio::spawn(egress::serve_transparent(self.egress.clone(), proxy, shutdown.clone())),
            tokio::spawn(egress::serve_explicit(self.egress, explicit, shutdown.clone())),
            tokio::spawn(model::serve(self.model, model, shutdown)),
        ];
        Ok((trigger, tasks))
    }
}

/// Who resolves what was approved, for all doors.
fn resolver(dns: &Dns, client: &Client) -> Arc<dyn Resolve> {
    let Dns::Servers { addresses, how } = dns else { return Arc::new(SystemResolver) };
    let over = match how.clone() {
        Asking::Plain => Over::Plain,
        Asking::Encrypted { name, path, ca } => {
            let roots = ca.map(|ca| ca.certificates).unwrap_or_default();
            match path {
                None => Over::Tls { name, roots },
                Some(path) => Over::Https { name, path, roots },
            }
        }
    };
    Arc::new(DnsResolver::new(Servers { addresses: addresses.clone(), over, client: client.clone() }))
}

/// The jail's address book, kept for its life: a guard that died left it to the next one.
fn address_book(home: &Path, life: &str) -> Result<Names, String> {
    let own = format!("names-{life}.jsonl");
    let failed = |error: io::Error| format!("the journal of names can't be kept: {error}");
    for entry in std::fs::read_dir(home).map_err(failed)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("names-") && name != own {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let path = home.join(own);
    let journal = match std::fs::read_to_string(&path) {
        Ok(journal) => journal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    // A torn last line was never given out: the file is rewritten without it.
    let whole = Names::restore(&journal, Box::new(|_| Ok(()))).map_err(|error| error.to_string())?.journal();
    std::fs::write(&path, &whole).map_err(failed)?;
    let file = std::fs::OpenOptions::new().append(true).open(&path).map_err(failed)?;
    let file = Mutex::new(file);
    let keep = move |line: &str| file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    Names::restore(&whole, Box::new(keep)).map_err(|error| error.to_string())
}

fn tcp(fds: [OwnedFd; 2]) -> io::Result<Vec<TcpListener>> {
    let listen = |fd: OwnedFd| {
        let listener = std::net::TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    fds.into_iter().map(listen).collect()
}

fn udp(fds: [OwnedFd; 2]) -> io::Result<Vec<UdpSocket>> {
    let open = |fd: OwnedFd| {
        let socket = std::net::UdpSocket::from(fd);
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    };
    fds.into_iter().map(open).collect()
}
