//! Tells every door to stop.
//!
//! Owns [`Shutdown`] and [`Trigger`]. Never waits for connections to end: a door that stops drops them, and each open
//! receipt then says `Abandoned`. Made by the guard process, awaited by every `serve`.

use tokio::sync::watch;

/// Completes when the [`Trigger`] is pulled or dropped.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Stops every door that holds its [`Shutdown`].
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Shutdown {
    /// A trigger and what it stops.
    #[must_use]
    pub fn pair() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// Waits until it is time to stop.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone: time to stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

impl Trigger {
    /// Stops the doors.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }
}
