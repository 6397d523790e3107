//! Asking a running Creel.
//!
//! Owns the connection from the command line to the warden and to a tenant's guard, and the texts for when nobody is
//! there. Every command that needs a running Creel goes through it.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{FINDING, NOT_RUNNING, out};
use crate::escape::one_line;
use crate::link::{self, Link};
use crate::protocol::{FromControl, ToControl};
use crate::site::Site;

/// Runs `work` on a runtime of this thread.
pub(crate) fn block_on<F: Future<Output = ExitCode>>(work: F) -> ExitCode {
    match block_on_value(async { Ok(work.await) }) {
        Ok(code) | Err(code) => code,
    }
}

/// Runs `work` on a runtime of this thread, for its value.
pub(crate) fn block_on_value<T, F: Future<Output = Result<T, ExitCode>>>(work: F) -> Result<T, ExitCode> {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let value = runtime.block_on(work);
            // Reads of a terminal can't be cancelled; nobody waits for them.
            runtime.shutdown_background();
            value
        }
        Err(error) => Err(out::fail(1, format_args!("no runtime: {error}"))),
    }
}

/// Connects to one of Creel's sockets; when nobody is there, says so and gives the exit code.
pub(crate) fn connect(socket: &Path) -> Result<Link, ExitCode> {
    link::connect(socket).map_err(|error| unreached(socket, &error))
}

/// Says why `socket` was not reached, and gives the exit code.
pub(crate) fn unreached(socket: &Path, error: &std::io::Error) -> ExitCode {
    let socket = socket.display();
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => out::fail(2, format_args!("`{socket}` is root's: run this as root")),
        _ => out::fail(
            NOT_RUNNING,
            format_args!("creel is not running here (`{socket}` does not answer): start it with `creel up`"),
        ),
    }
}

/// Says what the guard said instead of an answer, and gives the exit code.
pub(crate) fn failed(told: FromControl) -> ExitCode {
    match told {
        FromControl::Failed { why } => out::fail(FINDING, one_line(&why)),
        FromControl::Refused { refusal } => {
            out::fail(FINDING, format_args!("refused by `{}`: {}", refusal.rule, one_line(&refusal.to_ledger)))
        }
        _ => lost(),
    }
}

/// Asks the guard of `tenant` and waits for its one answer.
pub(crate) fn guard(site: &Site, tenant: &str, question: &ToControl) -> Result<FromControl, ExitCode> {
    block_on_value(async {
        let link = connect(&site.control_socket(tenant))?;
        link.send(question, &[]).await.map_err(|_| lost())?;
        match link.recv::<FromControl>().await {
            Ok(Some((told, _))) => Ok(told),
            _ => Err(lost()),
        }
    })
}

/// The far end went away in the middle.
pub(crate) fn lost() -> ExitCode {
    out::fail(NOT_RUNNING, "the connection ended before the answer came; `creel status` says what runs")
}
