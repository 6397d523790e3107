//! `[approvals]`: who answers questions, and how long they wait.
//!
//! Owns the section and [`Approvals`]. What a question is and what an answer is worth is the guard's process's business.

use std::net::SocketAddr;
use std::time::Duration;

use creel_guard::Target;

use super::settings::{Legal, section};
use super::size::Placed;
use super::{Alert, Allow, Config};

section! {
    /// Who answers questions, and how long they wait. Silence is No.
    RawApprovals "approvals" {
        /// How long an act that is asked about is held, in seconds; 0 refuses it at once and leaves the question open.
        wait: Placed<u64> = Placed::unset(240), Legal::Count { min: 0, max: 240 },
            why "OpenClaw was seen to wait 250 s for a model's answer";
        /// How long a question stays open, in seconds. Once nobody waits for it any more, a Yes allows the very same act
        /// once.
        keep: Placed<u64> = Placed::unset(3600), Legal::Count { min: 1, max: 604_800 },
            why "people are away for an hour";
        /// How long such a Yes is worth something, in seconds.
        grant: Placed<u64> = Placed::unset(900), Legal::Count { min: 1, max: 86_400 },
            why "the agent is told to try again, and does so within minutes or never";
        /// So many questions an hour may come up about one tool, host or program. Beyond it the answer is No, unasked, which
        /// you are told once.
        per_hour: Placed<u64> = Placed::unset(30), Legal::Count { min: 1, max: 1000 },
            why "one every two minutes is more than a person reads with care";
        /// Users of this host who may answer besides root, by number (`id -u anna`): `creel approvals`, `creel approve` and
        /// `creel deny` work for them, and nothing else does.
        people: Placed<Vec<Placed<u64>>> = Placed::unset(Vec::new()), Legal::Counts { min: 1, max: 1_879_048_191 },
            why "an answer lets the agent do what it may not do by itself", example "[1001, 1002]";
        /// Rules whose questions take two people: two different users must say Yes, and one No is a No. The ids stand in
        /// each question's record and in docs/rules.md; a rule of your own (`operator/…`) can say `@persons("two")` itself.
        two: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("the id of a rule that asks"),
            why "one person is enough for most", example "[\"model/ask-high-risk\"]";
        /// Where the page is that links in messages lead to (`answers_as` of `[[alerts]]`): an address of this host and a port.
        /// It is plain HTTP; for others than this machine put a server with TLS in front, and say its `url`.
        listen: Option<Placed<String>> = None, Legal::Text("an IP address and a port"),
            why "questions are answered with `creel` on this host", example "\"127.0.0.1:7979\"";
        /// How people reach that page: `https`, or `http` to this machine itself. Without this: `http` and `listen`.
        url: Option<Placed<String>> = None, Legal::Text("a URL of a host alone"),
            why "the page is this machine's own", example "\"https://creel.example.com\"";
    }
}

/// Who answers questions, and how long they wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// How long an act is held.
    pub wait: Duration,
    /// How long a question stays open.
    pub keep: Duration,
    /// How long a Yes that nobody waits for is worth one act.
    pub grant: Duration,
    /// So many questions of one origin within an hour.
    pub per_hour: usize,
    /// Who may answer besides root, by user id.
    pub people: Vec<u32>,
    /// The rules whose questions two people must answer.
    pub two: Vec<String>,
    /// Where a link in a message leads, if there are any.
    pub page: Option<Page>,
}

/// The page where a question is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it is served.
    pub listen: SocketAddr,
    /// How people reach it, without a slash at the end.
    pub url: String,
    /// The host of that URL.
    pub host: Target,
}

/// Which entry lets the agent reach the page, or read what is sent to a place that gets links.
fn entry<'a>(egress: &'a [Allow], page: Option<&Page>, alert: Option<&Alert>) -> Option<&'a Allow> {
    let opens = |allow: &Allow| {
        let of_page = page.is_some_and(|Page { listen, url: _, host }| {
            let literal = Target::Address(listen.ip().to_canonical());
            let pinned =
                allow.address.is_some_and(|ip| listen.ip().is_unspecified() || ip == listen.ip().to_canonical());
            allow.ports.contains(&listen.port()) && (pinned || allow.host.covers(&literal)) || allow.host.covers(host)
        });
        of_page || alert.is_some_and(|alert| allow.host.covers(&alert.place.url.host))
    };
    egress.iter().find(|allow| opens(allow))
}

impl Config {
    /// Why the agent might answer its own questions by a link; none when it can't (HARDENING 13).
    pub(crate) fn own_answers(&self) -> Option<String> {
        if let Some(allow) = entry(&self.egress, self.approvals.page.as_ref(), None) {
            return Some(format!(
                "the entry for `{}` lets the agent reach the page where questions are answered",
                allow.host
            ));
        }
        self.alerts.iter().filter(|alert| alert.answers_as.is_some()).find_map(|alert| {
            let place = &alert.place;
            if self.model.base_url.as_ref().is_some_and(|url| url.host == place.url.host) {
                return Some(format!("`{place}` is the model's provider, and can't be told of links that answer"));
            }
            let allow = entry(&self.egress, None, Some(alert))?;
            Some(format!(
                "the entry for `{}` lets the agent go where links that answer are sent, `{place}`",
                allow.host
            ))
        })
    }
}
