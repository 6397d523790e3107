//! Accepting connections, bounded.
//!
//! Owns the accept loop that doors share: so many connections at a time, more wait in the backlog, and a failing system
//! call does not spin. It knows nothing of what is said on a connection. The egress and model doors call it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::shutdown::Shutdown;

/// After a failed system call, so that a lasting failure does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Hands each connection of `listeners` to `work`, at most `most` at a time, until `shutdown`; those under way are then
/// dropped. When it closes, no more are accepted, and those under way go on. `door` is named in the log.
pub(crate) async fn serve<F, W>(
    door: &'static str,
    listeners: Vec<TcpListener>,
    most: usize,
    mut shutdown: Shutdown,
    work: F,
) where
    F: Fn(TcpStream) -> W + Clone + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(most));
    let mut loops = JoinSet::new();
    for listener in listeners {
        loops.spawn(accept(door, listener, Arc::clone(&places), shutdown.clone(), work.clone()));
    }
    shutdown.wait().await;
}

async fn accept<F, W>(
    door: &'static str,
    listener: TcpListener,
    places: Arc<Semaphore>,
    mut shutdown: Shutdown,
    work: F,
) where
    F: Fn(TcpStream) -> W + Send,
    W: Future<Output = ()> + Send + 'static,
{
    let mut at_work = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = shutdown.closing() => break,
            next = next => next,
        };
        while at_work.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let Ok(place) = place else { break };
                let connection = work(stream);
                at_work.spawn(async move {
                    let _place = place;
                    connection.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, door, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    // What waits at the socket is for whoever serves it next.
    drop(listener);
    while at_work.join_next().await.is_some() {}
}
