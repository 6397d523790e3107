//! Tells every door to stop.
//!
//! Owns [`Shutdown`] and [`Trigger`]. A door that closes takes nothing new, and what comes waits at its socket for whoever
//! serves it next; one that stops drops what is under way, and each open receipt then says `Abandoned`. Made by the guard
//! process, awaited by every `serve`.

use tokio::sync::watch;

/// Completes when the [`Trigger`] is pulled or dropped.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Stage>);

/// Stops every door that holds its [`Shutdown`].
#[derive(Debug)]
pub struct Trigger(watch::Sender<Stage>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    Closing,
    Stopped,
}

impl Shutdown {
    /// A trigger and what it stops.
    #[must_use]
    pub fn pair() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Stage::Open);
        (Trigger(sender), Self(receiver))
    }

    /// Waits until it is time to stop.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone: time to stop as well.
        let _ = self.0.wait_for(|stage| *stage == Stage::Stopped).await;
    }

    /// Waits until nothing new may be taken.
    pub async fn closing(&mut self) {
        let _ = self.0.wait_for(|stage| *stage >= Stage::Closing).await;
    }
}

impl Trigger {
    /// Has the doors take nothing new; what is under way goes on.
    pub fn close(&self) {
        self.0.send_replace(Stage::Closing);
    }

    /// Stops the doors.
    pub fn pull(&self) {
        self.0.send_replace(Stage::Stopped);
    }
}
