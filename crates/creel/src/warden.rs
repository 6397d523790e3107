//! The root daemon: builds the jail, supervises it, restarts what dies.
//!
//! Owns the warden's main loop. It never parses what the agent sends; whatever must be read from the jail is read by the
//! guard or by our helper inside. `creel up` starts it, the other commands speak to it over its root-owned socket.

mod agent;
mod desk;
pub(crate) mod notify;
mod schedule;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::lock::Held;
use crate::provider::Provider;
use crate::site::Site;

/// What `creel up` tells the warden, on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// The state folder.
    pub(crate) state: PathBuf,
    /// The prepared runtime.
    pub(crate) runtime: PathBuf,
    /// The configuration file; `None` for the defaults.
    pub(crate) config: Option<PathBuf>,
    /// The provider that was chosen.
    pub(crate) provider: Provider,
    /// The secrets, as JSON lines of `{name, value}`.
    pub(crate) secrets: Zeroizing<String>,
    /// Layers whose absence the operator accepts.
    pub(crate) degraded: Vec<String>,
    /// Which engine builds the jails.
    pub(crate) engine: String,
}

/// The name of the warden's own lock.
const WARDEN: &str = "warden";

/// Whether no warden runs on `site`.
pub(crate) fn is_free(site: &Site) -> bool {
    Held::is_free(&site.lock_file(WARDEN))
}

/// The longest orders, in bytes.
const LONGEST_ORDERS: u64 = 4 << 20;

/// `creel warden`, hidden.
pub(crate) fn main() -> ExitCode {
    crate::logging::start("info");
    let _ = rustix::process::setsid();
    // what it gives up only root has; the limits of a plain user's warden come with a test of its own
    if rustix::process::geteuid().is_root()
        && let Err(error) = creel_jail::confine_warden()
    {
        return refuse(&format!("the warden can't be confined: {error}"));
    }
    let orders = match read_orders() {
        Ok(orders) => orders,
        Err(error) => return refuse(&format!("no orders: {error}; the warden is started by `creel up`")),
    };
    let site = Site::new(&orders.state);
    if let Err(error) = site.make() {
        return refuse(&error.to_string());
    }
    let held = match Held::take(&site.lock_file(WARDEN)) {
        Ok(held) => held,
        Err(error) => return refuse(&format!("another creel runs on `{}`: {error}", site.root().display())),
    };
    site.forget_programs();
    site.sweep(true);
    // One thread: the death signal of the jail's processes is bound to the thread that started them (prctl(2)).
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("no runtime: {error}")),
    };
    let code = runtime.block_on(desk::run(site, orders));
    drop(held);
    code
}

fn read_orders() -> std::io::Result<Orders> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().lock().take(LONGEST_ORDERS).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

fn refuse(why: &str) -> ExitCode {
    tracing::error!("{why}");
    ExitCode::FAILURE
}
