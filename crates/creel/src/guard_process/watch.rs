//! Secrets and canaries in what the agent does, and the quarantine.
//!
//! Owns [`Watch`]. It stands before the policy: an act of the agent's that holds a value which the tenant's secrets or
//! canaries know, in whatever form, is refused. A canary closes every door to the agent until a person opens them again
//! (`creel canary release`); that outlives the guard. Doors lend it the bodies that they stream.

#[cfg(test)]
mod matrix;
mod prompts;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use creel_doors::leak::Leaks;
use creel_guard::{
    Action, Actor, Attempt, BreakerState, Breakers, Deed, Door, Facts, Guard, Judge, Judgement, Needs, Refusal, RuleId,
    Tenant, Touch, Verdict,
};
use creel_scan::secrets::{Finding, Known, Scanner};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::alerts::Alerts;
use crate::canary::Nest;
use crate::clock::wall_ms;
use crate::config::{Canaries, Event, Taken};
use prompts::{Clean, Told};

/// Longer texts are not decoded, only searched.
const MOST_DECODED: usize = 64 * 1024;
/// Alarms that wait to be recorded; one more says nothing new.
const WAITING: usize = 64;
/// What a hit is refused under; the agent is not told whether it was bait.
const RULE: &str = "leak/known-value";
/// What a placeholder outside of its slot is refused under. The agent is told no difference.
const RULE_STAND_IN: &str = "leak/placeholder";
/// What the names of placeholders begin with here; no secret's and no canary's does.
const STAND_IN: &str = "placeholder of ";

/// A placeholder's name in what is looked for.
pub(crate) fn stand_in(one: &creel_secrets::Placeholder) -> String {
    let skill = one.skill.as_ref().map_or_else(String::new, |skill| format!(" for {skill}"));
    format!("{STAND_IN}{}{skill}", one.secret)
}

/// Why the agent is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quarantine {
    /// The canary.
    pub(crate) canary: String,
    /// Where it turned up: a door, or the body of a request.
    pub(crate) at: String,
    /// When, in milliseconds since 1970.
    pub(crate) since_ms: u64,
}

/// A value that turned up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trip {
    pub(crate) what: String,
    /// The door that it turned up at.
    pub(crate) door: Door,
}

/// A known value in a text.
struct Found {
    name: String,
    form: &'static str,
    start: usize,
    end: usize,
}

/// Looks for known values in what the agent does.
pub(crate) struct Watch {
    inner: Arc<dyn Judge>,
    scanner: RwLock<Arc<Scanner>>,
    canaries: BTreeSet<String>,
    /// The files with bait, each with the canary in it.
    decoys: BTreeMap<String, String>,
    taken: Canaries,
    /// What each canary is: worth nothing to whoever reads it here.
    values: BTreeMap<String, String>,
    quarantine: watch::Sender<Option<Quarantine>>,
    file: PathBuf,
    trips: mpsc::Sender<Trip>,
    alerts: Arc<Alerts>,
    told: Mutex<Told>,
    clean: Mutex<Clean>,
}

impl Watch {
    /// Looks for `known`, of which the canaries of `nest` are bait, before `inner` judges. Trips come out of the receiver.
    ///
    /// # Errors
    /// When the quarantine of an earlier guard can't be read.
    pub(crate) fn open(
        inner: Arc<dyn Judge>,
        known: Known,
        nest: &Nest,
        home: &Path,
        taken: Canaries,
        (alerts, held): (Arc<Alerts>, Option<Quarantine>),
    ) -> io::Result<(Arc<Self>, mpsc::Receiver<Trip>)> {
        let file = home.join("quarantine.json");
        let quarantine = match std::fs::read(&file) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| io::Error::other(error.to_string()))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => held,
            Err(error) => return Err(error),
        };
        let (trips, out) = mpsc::channel(WAITING);
        let values: BTreeMap<String, String> =
            nest.0.iter().map(|canary| (canary.name.clone(), canary.value.clone())).collect();
        let watch = Self {
            inner,
            scanner: RwLock::new(Arc::new(Scanner::known_only(known))),
            canaries: values.keys().cloned().collect(),
            decoys: nest.0.iter().rev().map(|canary| (canary.place.clone(), canary.name.clone())).collect(),
            taken,
            values,
            quarantine: watch::channel(quarantine).0,
            file,
            trips,
            alerts,
            told: Mutex::new(Told::open(home)?),
            clean: Mutex::default(),
        };
        Ok((Arc::new(watch), out))
    }

    /// Looks for these values from now on.
    pub(super) fn look_for(&self, known: Known) {
        *self.scanner.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Scanner::known_only(known));
        self.clean.lock().unwrap_or_else(PoisonError::into_inner).forget();
    }

    fn scanner(&self) -> Arc<Scanner> {
        Arc::clone(&self.scanner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the agent is in quarantine; `None` when it is not.
    pub(crate) fn quarantine(&self) -> Option<Quarantine> {
        self.quarantine.borrow().clone()
    }

    /// The same, as it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Quarantine>> {
        self.quarantine.subscribe()
    }

    /// Opens the doors again.
    ///
    /// # Errors
    /// When it can't be kept: they stay closed.
    pub(crate) fn release(&self) -> io::Result<bool> {
        let mut released = Ok(false);
        self.quarantine.send_if_modified(|state| {
            if state.is_none() {
                return false;
            }
            released = match std::fs::remove_file(&self.file) {
                // It could not be written down, or came from the guard before.
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(true),
            };
            if released.is_ok() {
                *state = None;
            }
            released.is_ok()
        });
        released
    }

    /// Whether each canary would be noticed in a request: asked of the very search that the doors ask, without the alarm.
    pub(crate) fn try_canaries(&self) -> Vec<(String, bool)> {
        let scanner = self.scanner();
        let known = scanner.known();
        let noticed = |name: &String| {
            self.values.get(name).is_some_and(|value| {
                let text = format!("GET /?q={value} HTTP/1.1");
                known.find(text.as_bytes()).iter().any(|hit| known.id(hit.value) == name && hit.confidence >= 1.0)
            })
        };
        self.canaries.iter().map(|name| (name.clone(), noticed(name))).collect()
    }

    /// The first known value in a text, by name, with the form that it has there. Placeholders count where bytes leave: the
    /// agent's own programs and tools may have them.
    fn look(&self, text: &[u8], leaves: bool) -> Option<(String, &'static str)> {
        self.all(text, leaves).into_iter().next().map(|found| (found.name, found.form))
    }

    /// All known values in a text, in order. A long text is not decoded.
    fn all(&self, text: &[u8], leaves: bool) -> Vec<Found> {
        let scanner = self.scanner();
        let known = scanner.known();
        if known.is_empty() {
            return Vec::new();
        }
        let findings = if text.len() > MOST_DECODED { scanner.find_known(text) } else { scanner.scan(text) };
        let found = |finding: Finding| {
            let (value, form) = finding.known.filter(|_| finding.confidence >= 1.0)?;
            let name = Some(known.id(value)).filter(|name| leaves || !name.starts_with(STAND_IN))?.to_owned();
            Some(Found { name, form, start: finding.start, end: finding.end })
        };
        findings.into_iter().filter_map(found).collect()
    }

    /// Known values that are whole in none of these texts, read one behind the other.
    fn spread(&self, texts: &[&str]) -> Vec<Found> {
        let scanner = self.scanner();
        let known = scanner.known();
        if known.is_empty() {
            return Vec::new();
        }
        let (mut stream, mut hits) = (known.stream(), Vec::new());
        texts.iter().for_each(|text| stream.push(text.as_bytes(), &mut hits));
        let found = |hit: creel_scan::secrets::Hit| {
            let name = Some(known.id(hit.value)).filter(|name| !name.starts_with(STAND_IN))?.to_owned();
            (hit.confidence >= 1.0).then_some(Found { name, form: hit.form, start: 0, end: 0 })
        };
        hits.into_iter().filter_map(found).collect()
    }

    /// The name of a secret or canary that an act holds; placeholders are nobody's secret.
    pub(super) fn held_by(&self, action: &Action) -> Option<String> {
        self.look(&text_of(&action.deed), false).map(|(name, _)| name)
    }

    /// A text with the names of secrets and canaries in the place of their values.
    pub(super) fn without(&self, text: &str) -> String {
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for Found { name, start, end, .. } in self.all(text.as_bytes(), false) {
            let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
            if start < at {
                continue;
            }
            out.push_str(text.get(at..start).unwrap_or_default());
            out.push_str(&format!("[secret {name}]"));
            at = end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }

    /// Sounds the alarm. A canary closes the doors before anything else happens.
    fn sound(&self, name: &str, form: &str, at: &str, door: Door) -> String {
        let is_canary = self.canaries.contains(name);
        let kind = if is_canary { "canary" } else { "secret" };
        let what = match name.strip_prefix(STAND_IN) {
            Some(name) => format!("the placeholder of `{name}` turned up in {at}, outside of its slot ({form})"),
            None => format!("the {kind} `{name}` turned up in {at} ({form})"),
        };
        if is_canary && (at != prompts::PROMPT || self.taken.prompts == Taken::Quarantine) {
            self.close(name, at);
        }
        self.shout(if is_canary { Event::Canary } else { Event::Leak }, &what, door);
        what
    }

    /// Somebody opened a file with bait.
    fn tempted(&self, name: &str, touch: &Touch) {
        let Touch { path, program, pid, .. } = touch;
        let who = if program.is_empty() { format!("process {pid}") } else { format!("`{program}`") };
        if self.taken.reading == Taken::Quarantine {
            self.close(name, &format!("the file {path}, which was opened"));
        }
        self.shout(Event::Canary, &format!("{who} opened {path}, where the canary `{name}` lies"), Door::Files);
    }

    /// Closes every door to the agent.
    fn close(&self, canary: &str, at: &str) {
        let fresh = Quarantine { canary: canary.to_owned(), at: at.to_owned(), since_ms: wall_ms() };
        self.quarantine.send_if_modified(|state| {
            if state.is_some() {
                return false;
            }
            // Closed in memory whatever becomes of the file.
            if let Err(error) = keep(&self.file, &fresh) {
                tracing::error!(%error, "the quarantine can't be written down; the warden knows of it");
            }
            *state = Some(fresh);
            true
        });
    }

    fn shout(&self, event: Event, what: &str, door: Door) {
        tracing::error!(what, "a known value turned up");
        self.alerts.raise(event, what.to_owned(), None);
        let _ = self.trips.try_send(Trip { what: what.to_owned(), door });
    }
}

fn keep(file: &Path, quarantine: &Quarantine) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(quarantine)?)?;
    std::fs::rename(new, file)
}

impl Judge for Watch {
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        let leaves = matches!(action.deed, Deed::Send(_) | Deed::Resolve(_));
        if let (Actor::Agent, Deed::Touch(touch)) = (&action.actor, &action.deed)
            && let Some(name) = self.decoys.get(&touch.path)
        {
            self.tempted(name, touch);
        }
        // What has happened already, or was tried, is told and not refused.
        if action.actor == Actor::Agent
            && !matches!(action.deed, Deed::Touch(_) | Deed::Attempt(_))
            && let Some((name, form)) = self.look(&text_of(&action.deed), leaves)
        {
            let why = self.sound(&name, form, &format!("an act at the {} door", action.door.name()), action.door);
            let rule = RuleId::new(if name.starts_with(STAND_IN) { RULE_STAND_IN } else { RULE });
            let to_agent = format!("it holds what must not leave (`{RULE}`)");
            let refusal = Refusal::new(rule.clone(), to_agent, format!("{why}; nothing allows it"));
            return Judgement { verdict: Verdict::Deny(refusal), rule, why, generation: 0 };
        }
        self.inner.judge(action, facts)
    }

    fn needs(&self, action: &Action) -> Needs {
        self.inner.needs(action)
    }
}

impl Breakers for Watch {
    fn state(&self, action: &Action) -> BreakerState {
        match &*self.quarantine.borrow() {
            // What people and Creel itself do is how it ends; what has happened already is recorded all the same.
            Some(quarantine)
                if action.actor == Actor::Agent && !matches!(action.deed, Deed::Attempt(_) | Deed::Touch(_)) =>
            {
                BreakerState::Open(format!("quarantine: canary {}", quarantine.canary))
            }
            _ => BreakerState::Closed,
        }
    }
}

impl Leaks for Watch {
    fn find(&self, bytes: &[u8]) -> Option<String> {
        let scanner = self.scanner();
        let known = scanner.known();
        let hit = known.find(bytes).into_iter().find(|hit| hit.confidence >= 1.0)?;
        Some(self.sound(known.id(hit.value), hit.form, "the body of a request", Door::Egress))
    }

    fn find_within(&self, beginning: &[u8]) -> Option<String> {
        let (name, form) = self.look(beginning, true)?;
        Some(self.sound(&name, form, "the body of a request", Door::Egress))
    }
}

/// Writes each alarm down, as what the agent tried: a body is judged before it streams, so its own record says Yes.
pub(crate) async fn record(mut trips: mpsc::Receiver<Trip>, guard: Guard, tenant: Tenant) {
    while let Some(Trip { what, door }) = trips.recv().await {
        let deed = Deed::Attempt(Attempt { what });
        let action = Action { tenant: tenant.clone(), actor: Actor::Agent, door, deed };
        // It is never admitted: the refusal is what the record says.
        let _recorded = guard.admit(action, Facts::default()).await;
    }
}

/// Everything in an act that the agent chose.
fn text_of(deed: &Deed) -> Vec<u8> {
    let mut out = String::new();
    let mut add = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    match deed {
        Deed::Send(send) => {
            add(&send.to.to_string());
            add(&send.path);
            // As they stand in a request: what is cut over their values is put together again.
            send.headers.iter().for_each(|(name, value)| add(&format!("{name}: {value}")));
            if let Some(content) = &send.content {
                add(&content.text);
            }
        }
        Deed::Resolve(resolve) => {
            add(&resolve.name);
            // What was cut into labels.
            add(&resolve.name.replace('.', ""));
        }
        Deed::Run(run) => run.argv.iter().for_each(|word| add(word)),
        Deed::Call(call) => add(&call.arguments),
        Deed::Touch(touch) => add(&touch.path),
        Deed::Attempt(attempt) => add(&attempt.what),
        Deed::Receive(receive) => add(&receive.text),
        Deed::Prompt(_) | Deed::Administer(_) => {}
    }
    out.into_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::canary::Canary;
    use crate::canary::scratch::Scratch;
    use creel_guard::Resolve;

    pub(in crate::guard_process) const SECRET: &str = "sk-live-0123456789abcdefABCDEF";
    pub(super) const BAIT: &str = "AKIAQ7X2MNB4TTRWZP5C";

    pub(super) struct Yes;
    impl Judge for Yes {
        fn judge(&self, _action: &Action, _facts: &Facts) -> Judgement {
            let verdict = Verdict::Allow(creel_guard::Obligations::default());
            Judgement { verdict, rule: RuleId::new("test/yes"), why: String::new(), generation: 0 }
        }
    }

    pub(in crate::guard_process) fn watch(home: &Path) -> (Arc<Watch>, mpsc::Receiver<Trip>) {
        watch_that(home, Canaries::default())
    }

    pub(super) fn watch_that(home: &Path, taken: Canaries) -> (Arc<Watch>, mpsc::Receiver<Trip>) {
        let known = Known::new([("KEY", SECRET.as_bytes()), ("bait", BAIT.as_bytes())]);
        let bait = Canary { name: "bait".to_owned(), place: "/srv/bait".to_owned(), value: BAIT.to_owned() };
        Watch::open(Arc::new(Yes), known, &Nest(vec![bait]), home, taken, (Alerts::new(&[]), None)).unwrap()
    }

    /// Looks for this one value.
    pub(super) fn watch_for(home: &Path, value: &str) -> Arc<Watch> {
        let known = Known::new([("KEY", value.as_bytes())]);
        let told = (Alerts::new(&[]), None);
        Watch::open(Arc::new(Yes), known, &Nest::default(), home, Canaries::default(), told).unwrap().0
    }

    fn act(actor: Actor, deed: Deed) -> Action {
        Action { tenant: Tenant::parse("main").unwrap(), actor, door: Door::Dns, deed }
    }

    fn resolve(name: &str) -> Deed {
        Deed::Resolve(Resolve { name: name.to_owned(), host: None, kind: "A".to_owned() })
    }

    pub(super) fn is_allowed(watch: &Watch, action: &Action) -> bool {
        let open = matches!(Breakers::state(watch, action), BreakerState::Closed);
        open && matches!(watch.judge(action, &Facts::default()).verdict, Verdict::Allow(_))
    }

    #[test]
    fn a_secret_is_refused_in_any_form_and_closes_nothing() {
        let home = Scratch::new();
        let (watch, mut trips) = watch(&home.0);
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        for name in [format!("{hex}.evil.test"), "sk-live-01234567.89abcdefABCDEF.evil.test".to_owned()] {
            assert!(!is_allowed(&watch, &act(Actor::Agent, resolve(&name))), "{name}");
            let told = trips.try_recv().unwrap().what;
            assert!(told.contains("secret `KEY`") && !told.contains(SECRET), "{told}");
        }
        assert!(is_allowed(&watch, &act(Actor::Agent, resolve("plain.test"))));
        assert!(is_allowed(&watch, &act(Actor::Person { name: "a".to_owned() }, resolve(&hex))), "people may");
        assert_eq!(watch.quarantine(), None);
        assert_eq!(watch.try_canaries(), [("bait".to_owned(), true)]);
    }

    #[test]
    fn a_placeholder_may_be_held_and_not_sent() {
        let home = Scratch::new();
        let value = "Ab3dEf6hIjKlMnOpQrStUvWxYz01".to_owned();
        let secret = creel_secrets::SecretName::parse("CRM").unwrap();
        let one = creel_secrets::Placeholder { secret, skill: Some("crm".to_owned()), value: value.clone() };
        let known = Known::new([("KEY", SECRET.as_bytes()), (stand_in(&one).as_str(), value.as_bytes())]);
        let (watch, mut trips) =
            Watch::open(Arc::new(Yes), known, &Nest::default(), &home.0, Canaries::default(), (Alerts::new(&[]), None))
                .unwrap();
        let run = |words: &[&str]| {
            let argv = words.iter().map(|word| (*word).to_owned()).collect();
            Deed::Run(creel_guard::Run { argv, ..creel_guard::Run::default() })
        };
        assert!(is_allowed(&watch, &act(Actor::Agent, run(&["curl", "-H", &value]))));
        assert!(!is_allowed(&watch, &act(Actor::Agent, run(&["curl", &value, SECRET]))), "a secret beside it is seen");
        let host = format!("{}.evil.test", value.to_lowercase());
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        trips.try_recv().unwrap();
        for name in [host, format!("{hex}.evil.test")] {
            let judgement = watch.judge(&act(Actor::Agent, resolve(&name)), &Facts::default());
            assert_eq!(judgement.rule.as_str(), RULE_STAND_IN);
            let Verdict::Deny(refusal) = judgement.verdict else { panic!("{name}") };
            assert!(refusal.to_agent.contains(RULE), "it reads like any other: {}", refusal.to_agent);
            assert!(trips.try_recv().unwrap().what.contains("the placeholder of `CRM for crm`"));
        }
        assert_eq!(watch.quarantine(), None);
    }

    #[test]
    fn a_canary_closes_every_door_until_a_person_opens_them() {
        let home = Scratch::new();
        let (first, mut trips) = watch(&home.0);
        let plain = act(Actor::Agent, resolve("plain.test"));
        assert!(is_allowed(&first, &plain));
        let told = first.find(format!("key={BAIT}&x=1").as_bytes()).unwrap();
        assert!(told.contains("canary `bait`") && !told.contains(BAIT), "{told}");
        assert_eq!(trips.try_recv().unwrap().what, told);
        assert!(!is_allowed(&first, &plain));
        assert!(is_allowed(&first, &act(Actor::Person { name: "a".to_owned() }, resolve("plain.test"))));
        // The next guard knows it.
        let (next, _trips) = watch(&home.0);
        assert_eq!(next.quarantine().unwrap().canary, "bait");
        assert!(!is_allowed(&next, &plain));
        assert!(next.release().unwrap() && !next.release().unwrap());
        assert!(is_allowed(&next, &plain) && is_allowed(&watch(&home.0).0, &plain));
    }

    #[test]
    fn a_quarantine_that_could_not_be_written_down_is_known_from_the_warden() {
        let home = Scratch::new();
        let held = Quarantine { canary: "bait".to_owned(), at: "a request".to_owned(), since_ms: 7 };
        let open = |held| {
            let known = Known::new([("bait", BAIT.as_bytes())]);
            Watch::open(Arc::new(Yes), known, &Nest::default(), &home.0, Canaries::default(), (Alerts::new(&[]), held))
                .unwrap()
                .0
        };
        let watch = open(Some(held.clone()));
        assert!(!is_allowed(&watch, &act(Actor::Agent, resolve("plain.test"))));
        assert_eq!(watch.quarantine(), Some(held));
        assert!(watch.release().unwrap(), "there is no file to remove");
        assert!(is_allowed(&watch, &act(Actor::Agent, resolve("plain.test"))) && open(None).quarantine().is_none());
    }

    #[test]
    fn who_opens_bait_is_told_of_and_stopped_unless_people_want_to_watch() {
        let home = Scratch::new();
        let open = |path: &str| {
            let program = "cat".to_owned();
            Deed::Touch(Touch { how: "open".to_owned(), path: path.to_owned(), program, ..Touch::default() })
        };
        let touched = |actor: Actor, path: &str| Action { door: Door::Files, ..act(actor, open(path)) };
        let alert = Canaries { reading: Taken::Alert, ..Canaries::default() };
        for (taken, closed) in [(alert, false), (Canaries::default(), true)] {
            let (watch, mut trips) = watch_that(&home.0, taken);
            assert!(is_allowed(&watch, &touched(Actor::Agent, "/workspace/bait")));
            assert!(is_allowed(&watch, &touched(Actor::Person { name: "a".to_owned() }, "/srv/bait")));
            assert!(trips.try_recv().is_err() && watch.quarantine().is_none());
            assert!(is_allowed(&watch, &touched(Actor::Agent, "/srv/bait")), "it has happened");
            let told = trips.try_recv().unwrap();
            assert_eq!(told.what, "`cat` opened /srv/bait, where the canary `bait` lies");
            assert_eq!(told.door, Door::Files);
            assert_eq!(watch.quarantine().map(|one| one.canary), closed.then(|| "bait".to_owned()));
            assert_eq!(is_allowed(&watch, &act(Actor::Agent, resolve("plain.test"))), !closed);
        }
    }

    #[test]
    fn many_alarms_at_once_are_bounded() {
        let home = Scratch::new();
        let (watch, mut trips) = watch(&home.0);
        (0..10_000).for_each(|_| drop(watch.find(BAIT.as_bytes())));
        assert_eq!(std::iter::from_fn(|| trips.try_recv().ok()).count(), WAITING);
    }
}
