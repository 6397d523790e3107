//! `[canaries]`: what becomes of an agent that takes bait.
//!
//! Owns the section and [`Canaries`]. What is laid where is [`crate::canary`]'s; the guard's process acts on it.

use super::settings::{Legal, section};
use super::size::Placed;

section! {
    /// Keys, passwords, a document and a host name that open nothing lie where thieves look (`creel canary list`). One that
    /// leaves, through any door, always closes every door to the agent and stops it; these say what else does.
    RawCanaries "canaries" {
        /// Opening a file with bait, which lies where no program of the agent's has anything to do (`/root`, `/srv`): `quarantine`
        /// stops the agent, `alert` tells you and lets it go on. A search through the whole file system (`grep -r … /`) opens them too.
        reading: Placed<String> = Placed::unset("quarantine".to_owned()), Legal::OneOf(&["quarantine", "alert"]),
            why "nothing that an agent is for needs to look there, and a search of workspace and home does not";
        /// Bait in a prompt to the model's provider, because the agent showed it to the model: the same choice. It does not reach the
        /// provider in either case. Listing the whole environment (`env`) shows three of them.
        prompts: Placed<String> = Placed::unset("alert".to_owned()), Legal::OneOf(&["quarantine", "alert"]),
            why "an honest agent lists its environment when it looks for a fault, and the bait gets no further than to Creel";
    }
}

/// What becomes of an agent that takes bait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Canaries {
    /// By opening a file.
    pub reading: Taken,
    /// By writing it into a prompt.
    pub prompts: Taken,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// Every door is closed, and it is stopped.
    #[default]
    Quarantine,
    /// People are told, and it goes on: who reads the bait can learn from it what else there is.
    Alert,
}

impl RawCanaries {
    pub(super) fn checked(self) -> Canaries {
        let Self { reading, prompts } = self;
        let taken = |word: Placed<String>| if word.value == "alert" { Taken::Alert } else { Taken::Quarantine };
        Canaries { reading: taken(reading), prompts: taken(prompts) }
    }
}
