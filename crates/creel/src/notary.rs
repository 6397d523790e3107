//! `creel notary`, hidden: signs a tenant's checkpoints, or witnesses them, in a process and as a user of its own.
//!
//! Owns both ends of that talk: the process with its key, and [`Remote`], the guard's link to it. It believes nothing that
//! the guard says: `ledger::Notary` asks for a proof each time. Whoever starts a guard starts its two notaries
//! ([`Office`]) and hands it their links; they end when the guard does.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};
use std::time::Duration;

use creel_jail_sys::process::{LINK_FD, inherited, spawn_with_link};
use creel_jail_sys::seqpacket::Seq;
use creel_ledger::{Ask, Countersign, No, Notaries, Notary, SignatureLine, VerifierKey};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use serde::{Deserialize, Serialize};

use crate::guard_process::become_user;

/// How long a notary may take: it writes one small file to disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a notary is told first.
#[derive(Debug, Serialize, Deserialize)]
struct Charge {
    /// The user and group to become.
    uid: u32,
    /// Its folder.
    home: PathBuf,
    /// The log's name.
    origin: String,
    /// Of a witness: the log's key.
    log: Option<String>,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
enum Sworn {
    Ready { vkey: String },
    Failed { why: String },
}

/// What a guard has to know of its notaries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seals {
    /// The log's name.
    pub(crate) origin: String,
    /// The signer's public key.
    pub(crate) signer: String,
    /// The witness's.
    pub(crate) witness: String,
}

/// The two notaries of a tenant, as whoever starts them knows them.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    /// The log's name.
    pub(crate) origin: String,
    /// The signer's user and folder.
    pub(crate) signer: (u32, PathBuf),
    /// The witness's.
    pub(crate) witness: (u32, PathBuf),
}

/// Both processes. Dropped, they end.
#[derive(Debug)]
pub(crate) struct Office {
    children: Vec<Child>,
}

/// The links to both, before they have sworn.
#[derive(Debug)]
pub(crate) struct Unsworn {
    signer: Seq,
    witness: Seq,
}

impl Office {
    /// Starts both in this control group, on a thread that lives as long as they.
    ///
    /// # Errors
    /// When one can't be started.
    pub(crate) fn open(exe: &Path, group: Option<BorrowedFd<'_>>) -> io::Result<(Self, Unsworn)> {
        let mut office = Self { children: Vec::new() };
        let unsworn = Unsworn { signer: office.start(exe, group)?, witness: office.start(exe, group)? };
        Ok((office, unsworn))
    }

    fn start(&mut self, exe: &Path, group: Option<BorrowedFd<'_>>) -> io::Result<Seq> {
        let (ours, theirs) = Seq::pair()?;
        self.children.push(spawn_with_link(exe, "notary", &theirs, group)?);
        // Also the guard's patience later: the descriptor carries it along.
        set_socket_timeout(ours.as_fd(), Timeout::Recv, Some(PATIENCE))?;
        set_socket_timeout(ours.as_fd(), Timeout::Send, Some(PATIENCE))?;
        Ok(ours)
    }
}

impl Unsworn {
    /// Waits until both are ready; the descriptors are the guard's, signer first.
    ///
    /// # Errors
    /// When one can't use its folder.
    pub(crate) fn swear(self, bench: &Bench) -> io::Result<(Seals, [OwnedFd; 2])> {
        let Self { signer, witness } = self;
        let charge = |(uid, home): &(u32, PathBuf), log| Charge {
            uid: *uid,
            home: home.clone(),
            origin: bench.origin.clone(),
            log,
        };
        let key = take_office(&signer, &charge(&bench.signer, None))?;
        let seen = take_office(&witness, &charge(&bench.witness, Some(key.clone())))?;
        let seals = Seals { origin: bench.origin.clone(), signer: key, witness: seen };
        Ok((seals, [signer.into_fd(), witness.into_fd()]))
    }
}

/// The public key of the notary behind `link`, once it is ready.
fn take_office(link: &Seq, charge: &Charge) -> io::Result<String> {
    link.send(&serde_json::to_vec(charge)?, &[])?;
    let (bytes, _) = link.recv()?;
    if bytes.is_empty() {
        return Err(io::Error::other("a notary died while it started; the log says why"));
    }
    match serde_json::from_slice(&bytes)? {
        Sworn::Ready { vkey } => Ok(vkey),
        Sworn::Failed { why } => Err(io::Error::other(format!("a notary can't start: {why}"))),
    }
}

impl Drop for Office {
    /// Killing one loses nothing: what it signed is on disk before the signature leaves.
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The guard's link to one of them.
#[derive(Debug)]
struct Remote {
    /// None once it broke: an answer that comes late must not pass for the next one.
    link: Option<Seq>,
}

impl Remote {
    fn ask(link: &Seq, ask: &Ask) -> io::Result<Result<SignatureLine, No>> {
        link.send(&serde_json::to_vec(ask)?, &[])?;
        let (bytes, _) = link.recv()?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

impl Countersign for Remote {
    fn countersign(&mut self, ask: &Ask) -> Result<SignatureLine, No> {
        let Some(link) = &self.link else {
            return Err(No::Unable { why: "the notary is gone".to_owned() });
        };
        Self::ask(link, ask).unwrap_or_else(|error| {
            tracing::error!(%error, "a notary does not answer: what is recorded from now on is not signed");
            self.link = None;
            Err(No::Unable { why: format!("the notary does not answer: {error}") })
        })
    }
}

impl Seals {
    /// The notaries behind `links`, signer first.
    ///
    /// # Errors
    /// When a key is none, or a descriptor no link.
    pub(crate) fn notaries(self, [signer, witness]: [OwnedFd; 2]) -> io::Result<Notaries> {
        let remote = |fd, vkey: &str| {
            let key = VerifierKey::parse(vkey).ok_or_else(|| io::Error::other("a notary has no public key"))?;
            let remote: Box<dyn Countersign> = Box::new(Remote { link: Some(Seq::from_fd(fd)?) });
            io::Result::Ok((remote, key))
        };
        let (signer, witness) = (remote(signer, &self.signer)?, remote(witness, &self.witness)?);
        Ok(Notaries { origin: self.origin, signer, witness: Some(witness) })
    }
}

/// `creel notary`.
pub(crate) fn main() -> ExitCode {
    crate::logging::start("warn");
    let link = match inherited(LINK_FD).and_then(Seq::from_fd) {
        Ok(link) => link,
        Err(error) => {
            tracing::error!(%error, "a notary is started by `creel up`");
            return ExitCode::FAILURE;
        }
    };
    match serve(&link) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "a notary ends");
            ExitCode::FAILURE
        }
    }
}

fn serve(link: &Seq) -> io::Result<()> {
    let charge: Charge = serde_json::from_slice(&link.recv()?.0)?;
    let sworn = swear(&charge);
    let told = match &sworn {
        Ok(notary) => Sworn::Ready { vkey: notary.public().to_string() },
        Err(why) => Sworn::Failed { why: why.clone() },
    };
    link.send(&serde_json::to_vec(&told)?, &[])?;
    let mut notary = sworn.map_err(io::Error::other)?;
    loop {
        let (bytes, _) = link.recv()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let answer = notary.countersign(&serde_json::from_slice(&bytes)?);
        if let Err(No::Fork { why }) = &answer {
            tracing::error!(home = %charge.home.display(), "refused to sign: {why}");
        }
        link.send(&serde_json::to_vec(&answer)?, &[])?;
    }
}

/// Gets small, then takes out the key.
fn swear(charge: &Charge) -> Result<Notary, String> {
    let Charge { uid, home, origin, log } = charge;
    become_user(*uid).map_err(|error| format!("can't become user {uid}: {error}"))?;
    let paths = creel_jail::GuardPaths { write: vec![home.clone()], read: Vec::new() };
    creel_jail::confine_guard(&paths).map_err(|error| error.to_string())?;
    match log {
        None => Notary::signer(home, origin),
        Some(vkey) => {
            let log = VerifierKey::parse(vkey).ok_or("the log's key is none")?;
            Notary::witness(home, &format!("{origin}/witness"), origin, log)
        }
    }
}
