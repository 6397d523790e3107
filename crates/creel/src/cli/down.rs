//! `creel down`: stop everything.
//!
//! Owns the command's words. The warden does the stopping; what `--purge` removes is removed here, after nothing runs.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use crate::cli::{Where, ask, out};
use crate::protocol::{FromWarden, ToWarden};
use crate::site::Site;

/// Stop it; the workspace, its state and the ledger stay.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Don't let OpenClaw drain (up to 20 s): kill it at once.
    #[arg(long)]
    now: bool,
    /// Afterwards remove all but the ledger, canaries and secrets: workspace, OpenClaw's state, certificate authority, runtime.
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    place: Where,
}

impl Down {
    pub(crate) fn run(self) -> ExitCode {
        let site = self.place.site(None);
        let code = ask::block_on(stop(&site, self.now, self.purge));
        if !self.purge || code != ExitCode::SUCCESS {
            return code;
        }
        match purge(&site) {
            Ok(()) => {
                out::note("removed all but the ledger, canaries and secrets");
                ExitCode::SUCCESS
            }
            Err(error) => out::fail(1, format_args!("not everything could be removed: {error}")),
        }
    }
}

async fn stop(site: &Site, now: bool, purge: bool) -> ExitCode {
    let link = match ask::connect(&site.warden_socket()) {
        Ok(link) => link,
        // To remove what a stopped Creel left is no error.
        Err(_) if purge && site.root().is_dir() => return ExitCode::SUCCESS,
        Err(code) => return code,
    };
    if link.send(&ToWarden::Down { now }, &[]).await.is_err() {
        return ask::lost();
    }
    loop {
        match link.recv::<FromWarden>().await {
            Ok(Some((FromWarden::Progress { text }, _))) => out::note(text),
            Ok(Some((FromWarden::Failed { code, why }, _))) => return out::fail(code, why),
            Ok(Some((FromWarden::Done, _))) => break,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return ask::lost(),
        }
    }
    // The last message comes before the last breath: wait until the warden's lock is free.
    for _ in 0..200 {
        if crate::warden::is_free(site) {
            let root = rustix::process::geteuid().is_root();
            let stays = if root { "the workspace, OpenClaw's state and the ledger stay" } else { "the ledger stays" };
            out::note(format_args!("stopped; {stays}"));
            return ExitCode::SUCCESS;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    out::fail(1, "the warden said goodbye but did not end; see `warden.log` in the state folder")
}

fn purge(site: &Site) -> io::Result<()> {
    for entry in read_dir(&site.tenants())? {
        let tenant = entry?.path();
        for inner in read_dir(&tenant)? {
            let path = inner?.path();
            // The notaries' keys and memory are what the ledger can be checked by, and go on with.
            let kept = ["ledger", "signer", "witness"].map(|name| Some(name.as_ref()));
            if !kept.contains(&path.file_name()) {
                remove(&path)?;
            }
        }
    }
    for entry in read_dir(site.root())? {
        let path = entry?.path();
        // The id stays with the ledger: it leads to the user who may go on writing it.
        if path != site.tenants() && path.file_name() != Some("id".as_ref()) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn read_dir(dir: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<std::fs::DirEntry>>>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => Ok(Box::new(entries)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let done = if std::fs::symlink_metadata(path)?.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    done.map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
}
