//! The exchange of secrets, as the warden sees to it.
//!
//! Owns who asked for one, and the threads that get new values from files and programs: the loop waits for none of them. It
//! shows no value. Called by the desk, for people.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use creel_guard::Actor;
use creel_secrets::SecretName;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::Desk;
use crate::link::{Link, read_memory_file};
use crate::protocol::FromWarden;
use crate::warden::agent::Maker;

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

/// Who wants one.
struct Wanted {
    name: SecretName,
    link: Rc<Link>,
    uid: u32,
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
        if let Err(why) = self.begin_rotation(&link, uid, name, fds.pop()) {
            tell(&link, 1, why).await;
        }
    }

    fn begin_rotation(
        &mut self,
        link: &Rc<Link>,
        uid: u32,
        name: &str,
        brought: Option<OwnedFd>,
    ) -> Result<(), String> {
        let name = SecretName::parse(name).map_err(|error| error.to_string())?;
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
        self.exchanges.open.insert(id, Wanted { name, link: Rc::clone(link), uid });
        std::thread::spawn(move || got.send((id, way.get(&own))));
        Ok(())
    }

    /// The value is there, or will not come.
    pub(super) async fn rotate(&mut self, (id, value): Got) {
        let Some(Wanted { name, link, uid }) = self.exchanges.open.remove(&id) else { return };
        let actor = Actor::Person { name: crate::guard_process::person(uid) };
        let done = match value {
            Ok(value) => self.agent.rotate(&name, value, actor).await,
            Err(why) => Err(why),
        };
        match done {
            Ok(said) => {
                tracing::info!("{said}");
                tell(&link, 0, said).await;
            }
            Err(why) => {
                tracing::warn!("the old value of `{name}` stays: {why}");
                tell(&link, 1, why).await;
            }
        }
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
        };
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }
}
