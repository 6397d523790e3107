//! The exchange of secrets, as the warden sees to it.
//!
//! Owns who asked for one, and the threads that get new values from files, programs and places: the loop waits for none of them. It
//! shows no value. Called by the desk, for people and by the clock.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use creel_guard::{Actor, Outcome};
use creel_secrets::SecretName;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{Desk, GUARD_PATIENCE};
use crate::clock::wall_ms;
use crate::link::{Link, read_memory_file};
use crate::protocol::{FromWarden, ToGuard};
use crate::warden::agent::{Maker, Phase};

/// So many values may be on their way at once.
const MOST: usize = 8;

/// The longest value that is read, in bytes.
const LONGEST: u64 = 64 * 1024 + 2;

/// A value that was got, or why not, with the number of the exchange.
pub(super) type Got = (u64, Result<Zeroizing<Vec<u8>>, String>);

/// Exchanges that wait for their value.
pub(super) struct Exchanges {
    next: u64,
    open: HashMap<u64, Wanted>,
    got: mpsc::UnboundedSender<Got>,
}

/// Who wants one: somebody at the socket, or the schedule.
struct Wanted {
    name: SecretName,
    by: Option<(Rc<Link>, u32)>,
}

impl Exchanges {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Got>) {
        let (got, values) = mpsc::unbounded_channel();
        (Self { next: 0, open: HashMap::new(), got }, values)
    }
}

impl Desk {
    /// Begins to exchange a value for a person, who may have brought the new one.
    pub(super) async fn want_rotation(&mut self, link: Rc<Link>, uid: u32, name: &str, mut fds: Vec<OwnedFd>) {
        let begun = match SecretName::parse(name) {
            Ok(name) => self.begin_rotation(name, Some((Rc::clone(&link), uid)), fds.pop()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = begun {
            tell(&link, 1, why).await;
        }
    }

    fn begin_rotation(
        &mut self,
        name: SecretName,
        by: Option<(Rc<Link>, u32)>,
        brought: Option<OwnedFd>,
    ) -> Result<(), String> {
        if self.exchanges.open.len() >= MOST || self.exchanges.open.values().any(|wanted| wanted.name == name) {
            return Err(format!("`{name}` is being exchanged already, or {MOST} others are; try again"));
        }
        let way = match (brought, self.agent.maker_of(&name)) {
            (Some(value), _) => Way::Brought(value),
            (None, Some(maker)) => Way::Made(maker),
            (None, None) => return Err(format!("nothing makes a new value of `{name}`: give one")),
        };
        self.exchanges.next += 1;
        let (id, got, own) = (self.exchanges.next, self.exchanges.got.clone(), name.clone());
        self.exchanges.open.insert(id, Wanted { name, by });
        std::thread::spawn(move || got.send((id, way.get(&own))));
        Ok(())
    }

    /// The value is there, or will not come.
    pub(super) async fn rotate(&mut self, (id, value): Got) {
        let Some(Wanted { name, by }) = self.exchanges.open.remove(&id) else { return };
        let actor = match &by {
            Some((_, uid)) => Actor::Person { name: crate::guard_process::person(*uid) },
            None => Actor::Creel,
        };
        let done = match value {
            Ok(value) => self.agent.rotate(&name, value, actor).await,
            Err(why) => Err(why),
        };
        let (code, said) = match done {
            Ok(said) => {
                tracing::info!("{said}");
                self.schedule.rotated(&name, wall_ms());
                (0, said)
            }
            Err(why) => {
                tracing::warn!("the old value of `{name}` stays: {why}");
                self.schedule.failed(&name, &why, wall_ms());
                (1, why)
            }
        };
        if let Some((link, _)) = by {
            tell(&link, code, said).await;
        }
    }

    /// Exchanges what is due, and tells what can't be. Called at each turn of the clock; it waits for no value.
    pub(super) async fn rotate_when_due(&mut self) {
        if !matches!(self.agent.phase(), Phase::Starting | Phase::Ready) {
            return;
        }
        for name in self.schedule.due(wall_ms()) {
            if self.agent.maker_of(&name).is_none() {
                let why = format!("nothing makes a new value: `creel secret rotate {name}` takes one");
                self.schedule.failed(&name, &why, wall_ms());
            } else if let Err(why) = self.begin_rotation(name, None, None) {
                tracing::info!("not yet: {why}");
            }
        }
        if let Some((name, why)) = self.schedule.news(wall_ms())
            && !self.tell_overdue(&name, &why).await
        {
            self.schedule.untold(&name, wall_ms());
        }
    }

    /// On record, and to people. Whether it is on record.
    async fn tell_overdue(&self, name: &SecretName, why: &str) -> bool {
        let text = format!("{name}: {why}");
        let act = crate::guard_process::administer(self.agent.tenant(), Actor::Creel, "secret-overdue", &text);
        let Ok(Ok(ticket)) = tokio::time::timeout(GUARD_PATIENCE, self.agent.admit(act)).await else { return false };
        ticket.settle(Outcome::failed(why)).await;
        let text = format!("the secret {text}");
        tracing::warn!("{text}");
        self.agent.tell_guard(&ToGuard::Overdue { text }, &[]).await;
        true
    }
}

async fn tell(link: &Link, code: u8, said: String) {
    let _ = link.send(&FromWarden::Looked { code, said }, &[]).await;
}

/// How a new value is got.
enum Way {
    Brought(OwnedFd),
    Made(Maker),
}

impl Way {
    fn get(self, name: &SecretName) -> Result<Zeroizing<Vec<u8>>, String> {
        let text = match self {
            Self::Brought(fd) => {
                let bytes = read_memory_file(fd, LONGEST).map_err(|error| error.to_string())?;
                return Ok(Zeroizing::new(bytes));
            }
            Self::Made(Maker::File(path)) => crate::cli::secrets::read(name, &path)?,
            Self::Made(Maker::Program(words)) => crate::cli::secrets::printed(name, &words)?,
            Self::Made(Maker::Place(fetch)) => crate::cli::fetch::fetched(name, &fetch)?,
        };
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }
}
