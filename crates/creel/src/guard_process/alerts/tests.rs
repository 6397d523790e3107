//! Alerts to real servers on loopback.

use std::sync::atomic::{AtomicBool, Ordering};

use creel_doors::upstream::{Client, SystemResolver, Trust};
use creel_guard::{HostName, Outcome};
use creel_secrets::{MemoryBroker, Secret, SecretName};
use creel_testkit::{Asked, Origin};
use http::Response;
use zeroize::Zeroizing;

use super::*;
use crate::config::Config;
use crate::guard_process::played::Book;

const TOKEN: &str = "T0/B1/abcdefghijklmnopqrstuvwx";

/// Alerts by this configuration, and what they are told with.
struct World {
    book: Arc<Book>,
    alerts: Arc<Alerts>,
    means: Means,
}

fn world(text: &str, ca: Option<&str>) -> World {
    let cas: Vec<_> = ca.map(|pem| ("ca.pem".into(), pem.to_owned())).into_iter().collect();
    let config = Config::again("c".as_ref(), text, &cas).unwrap_or_else(|report| panic!("{report}"));
    let name = SecretName::parse("HOOK").unwrap();
    let secret = Secret::load(&name, Zeroizing::new(TOKEN.as_bytes().to_vec())).unwrap();
    let means = Means {
        client: Client::new(Trust::new(&[]).unwrap()),
        resolver: Arc::new(SystemResolver),
        broker: Arc::new(MemoryBroker::new([(name, secret)]).unwrap()),
        own_addresses: Vec::new(),
    };
    World { book: Arc::default(), alerts: Alerts::new(config.alerts()), means }
}

impl World {
    fn serve(&self) -> Vec<JoinHandle<()>> {
        self.alerts.serve(&self.book.guard(), &Tenant::parse("main").unwrap(), &self.means)
    }

    async fn test(&self) -> Vec<(String, Option<String>)> {
        self.alerts.test(&self.book.guard(), &Tenant::parse("main").unwrap(), &self.means).await
    }
}

/// The servers live outside: they have a runtime of their own.
fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

async fn within(limit: Duration, what: &str, is_true: impl Fn() -> bool) {
    let waited = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(limit, waited).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_alert_is_there_within_a_second_over_tls_with_its_secret_in_its_place() {
    let origin = Origin::https("127.0.0.1:0", &["hooks.test"]).unwrap();
    let port = origin.address().port();
    let place =
        format!("address = \"127.0.0.1\"\nca = \"ca.pem\"\nsecret = \"HOOK\"\nurl = \"https://hooks.test:{port}");
    let world = world(
        &format!(
            "[[alerts]]\n{place}/services/{{secret}}\"\nsecret_slot = \"path\"\nformat = \"slack\"\n[[alerts]]\n{place}/x/\"\nevents = [\"question\"]\n"
        ),
        Some(origin.ca_pem()),
    );
    run(async {
        world.serve();
        world.alerts.raise(Event::Canary, format!("the canary turned up, as {TOKEN}"), None);
        within(SECOND, "the first alert", || !origin.asked().is_empty()).await;
        let Asked { path, body, method, headers } = origin.asked().remove(0);
        let body = String::from_utf8(body).unwrap();
        assert_eq!((method.as_str(), path), ("POST", format!("/services/{TOKEN}")));
        assert!(body.contains("a canary was taken") && body.contains("the canary turned up"), "{body}");
        assert!(!body.contains(TOKEN), "no secret of the tenant's is in a message: {body}");
        assert!(headers.contains(&("host".to_owned(), format!("hooks.test:{port}"))), "{headers:?}");
        world.alerts.raise(Event::Question, "question 1", Some("https://evil.test".to_owned()));
        within(SECOND, "both places", || origin.asked().len() == 3).await;
        let bearer = origin.asked().into_iter().find(|asked| asked.path == "/x/").unwrap();
        assert!(bearer.headers.contains(&("authorization".to_owned(), format!("Bearer {TOKEN}"))), "{bearer:?}");
        within(SECOND, "the records", || world.book.ends.lock().unwrap().len() == 3).await;
        let rows = world.book.rows.lock().unwrap().join("\n");
        assert!(rows.contains("canary to https://hooks.test") && !rows.contains("services"), "{rows}");
        let told = |end: &Outcome| matches!(end, Outcome::Done { status: Some(200), .. });
        assert!(world.book.ends.lock().unwrap().iter().all(told));
    });
}

#[test]
fn what_a_place_misses_it_is_told_when_it_is_back() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let answer = move |_: &Asked| {
        let status = if down.load(Ordering::SeqCst) { 503 } else { 204 };
        Response::builder().status(status).body(bytes::Bytes::new()).unwrap()
    };
    let origin = Origin::answering("127.0.0.1:0", answer).unwrap();
    let world = world(&format!("[[alerts]]\nurl = \"http://{}\"\n", origin.address()), None);
    run(async {
        world.serve();
        for n in 0..1000 {
            world.alerts.raise(Event::Leak, format!("leak {n}"), None);
        }
        within(SECOND, "a try", || origin.asked().len() == 1).await;
        within(SECOND, "a failure on record", || !world.book.ends.lock().unwrap().is_empty()).await;
        assert!(matches!(&world.book.ends.lock().unwrap()[0], Outcome::Failed { why } if why.contains("answered 503")));
        within(SECOND, "the state", || world.alerts.list()[0].failed.is_some()).await;
        let told = &world.alerts.list()[0];
        assert_eq!((told.waiting, told.failures), (1000, 1), "{told:?}");
        is_down.store(false, Ordering::SeqCst);
        within(3 * SECOND, "the second try", || origin.asked().len() == 2).await;
        let body: serde_json::Value = serde_json::from_slice(&origin.asked()[1].body).unwrap();
        assert_eq!((&body["event"], &body["count"]), (&"leak".into(), &1000.into()));
        within(SECOND, "calm", || world.alerts.list()[0].waiting == 0).await;
    });
}

#[test]
fn closed_ranges_hold_and_a_closed_ledger_sends_nothing() {
    let origin = Origin::http("127.0.0.1:0").unwrap();
    let port = origin.address().port();
    // `localhost` resolves to loopback: only the exact address, configured, opens it.
    let elsewhere = world(&format!("[[alerts]]\nurl = \"https://localhost:{port}/\"\n"), None);
    run(async {
        let told = elsewhere.test().await;
        assert!(told[0].1.as_ref().is_some_and(|why| why.contains("loopback")), "{told:?}");
        let here = world(&format!("[[alerts]]\nurl = \"http://localhost:{port}\"\naddress = \"127.0.0.1\"\n"), None);
        assert_eq!(here.test().await, [(format!("http://localhost:{port}"), None)]);
        assert_eq!(origin.asked().len(), 1);
        here.book.closed.store(true, Ordering::SeqCst);
        assert!(here.test().await[0].1.is_some());
        assert_eq!(origin.asked().len(), 1, "what can't be recorded does not leave");
        let mut own = world(&format!("[[alerts]]\nurl = \"https://own.test:{port}/\"\n"), None);
        own.means.resolver = Arc::new(Fixed);
        own.means.own_addresses = vec!["9.9.9.9".parse().unwrap()];
        assert!(own.test().await[0].1.as_ref().is_some_and(|why| why.contains("this host")));
    });
}

struct Fixed;

impl creel_doors::upstream::Resolve for Fixed {
    fn resolve<'a>(&'a self, _: &'a HostName) -> creel_guard::BoxFuture<'a, std::io::Result<Vec<std::net::IpAddr>>> {
        Box::pin(std::future::ready(Ok(vec!["9.9.9.9".parse().unwrap()])))
    }
}

#[tokio::test]
async fn what_an_audit_finds_again_is_told_once() {
    let world = world("[[alerts]]\nurl = \"https://a.test/\"\n", None);
    let found = |file: &str| Found { file: file.to_owned(), rules: Vec::new(), done: "reported".to_owned(), id: None };
    for findings in [vec![], vec![found("a")], vec![found("a")], vec![found("b")], vec![], vec![found("b")]] {
        world.alerts.raise_memory(&findings);
    }
    assert_eq!(world.alerts.list()[0].waiting, 3);
}
