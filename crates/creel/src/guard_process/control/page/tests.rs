//! A browser, a preview and an attacker at the page, over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use creel_guard::{Action, Actor, Asker, Call, Deed, Door, Facts, Obligations, Persons, Question, Tenant};

use super::*;
use crate::config::Approvals as Settings;
use crate::guard_process::approvals::Approvals;
use crate::guard_process::played::Book;

struct World {
    book: Arc<Book>,
    approvals: Arc<Approvals>,
    links: Arc<Links>,
    at: SocketAddr,
    home: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

fn tenant() -> Tenant {
    Tenant::parse("main").unwrap()
}

/// A page that serves, on the runtime of the test.
fn world(name: &str) -> World {
    let home = std::env::temp_dir().join(format!("creel-page-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let minute = Duration::from_secs(60);
    let settings = Settings { wait: minute, keep: minute, grant: minute, per_hour: 30, ..Settings::default() };
    let approvals = Approvals::open(&home, settings).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let links = Arc::new(Links::new(&format!("http://{at}")).unwrap());
    let book = Arc::<Book>::default();
    let questions = Questions { guard: book.guard(), tenant: tenant(), approvals: Arc::clone(&approvals) };
    tokio::spawn(serve(Page { listener, links: Arc::clone(&links) }, Arc::new(questions)));
    World { book, approvals, links, at, home }
}

impl World {
    /// Has a person asked; gives back what becomes of the act, and the question's number.
    async fn ask(&self, arguments: &str, persons: Persons) -> (tokio::task::JoinHandle<bool>, u64) {
        let deed = Deed::Call(Call { tool: "exec".into(), arguments: arguments.into(), call_id: String::new() });
        let action = Action { tenant: tenant(), actor: Actor::Agent, door: Door::Model, deed };
        let question = Question { persons, ..Question::new(format!("May it {arguments}?"), Obligations::default()) };
        let (holder, before) = (Arc::clone(&self.approvals), self.approvals.list().len());
        let held = tokio::spawn(async move { holder.ask(&action, &Facts::default(), &question).await.yes });
        loop {
            let open = self.approvals.list();
            if open.len() > before {
                return (held, open.last().unwrap().id);
            }
            tokio::task::yield_now().await;
        }
    }

    fn link(&self, question: u64, user: u32) -> String {
        let url = self.links.url(Bound { question, user }, u64::MAX, wall_ms()).unwrap();
        url.strip_prefix(&format!("http://{}", self.at)).unwrap().to_owned()
    }

    /// One request as it stands; the status and all of the answer.
    async fn send(&self, request: String) -> (u16, String) {
        let at = self.at;
        let answer = tokio::task::spawn_blocking(move || exchange(at, &request)).await.unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await
    }

    async fn post(&self, path: &str, form: &str) -> u16 {
        self.send(posted(path, form, "")).await.0
    }
}

fn posted(path: &str, form: &str, more: &str) -> String {
    let kind = "Content-Type: application/x-www-form-urlencoded";
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{kind}\r\n{more}Content-Length: {}\r\n\r\n{form}", form.len())
}

#[expect(clippy::disallowed_methods, reason = "a browser of the test's")]
fn exchange(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_decide_nothing_and_a_form_answers_once() {
    let world = world("once");
    let (held, id) = world.ask("<b>rm</b>", Persons::One).await;
    let link = world.link(id, 1001);
    for _ in 0..3 {
        let (status, page) = world.get(&link).await;
        assert!(status == 200 && page.contains("May it &lt;b&gt;rm&lt;/b&gt;?") && page.contains("uid 1001"), "{page}");
        assert!(page.contains("frame-ancestors 'none'") && page.contains("no-store"), "{page}");
        let (status, head) = world.send(format!("HEAD {link} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(status == 200 && !head.contains("<pre>"), "{head}");
        for query in ["?answer=yes", "?answer=no"] {
            assert_eq!(world.get(&format!("{link}{query}")).await.0, 200);
        }
    }
    assert_eq!(world.send(format!("OPTIONS {link} HTTP/1.1\r\nHost: x\r\n\r\n")).await.0, 405);
    for form in ["", "answer=maybe", "answer=yes&answer=no", "yes"] {
        assert_eq!(world.post(&link, form).await, 400, "{form}");
    }
    assert_eq!(world.post(&link, &"x".repeat(5000)).await, 400);
    let foreign = posted(&link, "answer=yes", "Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(world.send(foreign).await.0, 403);
    assert!(!held.is_finished() && world.approvals.list().len() == 1);

    let own = posted(&link, "answer=yes", "Sec-Fetch-Site: same-origin\r\n");
    let (status, page) = world.send(own).await;
    assert!(status == 200 && page.contains("goes on"), "{page}");
    assert!(held.await.unwrap());
    assert_eq!((world.post(&link, "answer=yes").await, world.get(&link).await.0), (404, 404));
    let records = format!("{:?}", world.book.rows.lock().unwrap());
    assert!(records.contains("by a link"), "{records}");
    assert!(!records.contains(world.links.stem()), "the token is on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_lapsed_and_made_up_tokens_do_nothing_and_look_alike() {
    let world = world("foreign");
    let (held, id) = world.ask("a", Persons::One).await;
    let real = world.link(id, 1001);
    let lapsed = world.links.url(Bound { question: id, user: 7 }, wall_ms() + 1, wall_ms()).unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let lapsed = lapsed.rsplit_once("/q/").map(|(_, token)| format!("/q/{token}")).unwrap();
    let other = Links::new("http://x").unwrap().url(Bound { question: id, user: 0 }, u64::MAX, 0).unwrap();
    let other = other.strip_prefix("http://x").unwrap().to_owned();
    // one of a question that is gone
    let gone = world.link(id + 1, 1001);
    let mut pages = Vec::new();
    for link in [
        lapsed,
        other,
        gone,
        format!("{real}0"),
        real.strip_suffix(|_: char| true).unwrap().to_owned(),
        "/q/".into(),
        "/".into(),
    ] {
        let (status, page) = world.get(&link).await;
        assert_eq!(status, 404, "{link}");
        pages.push(page.split("\r\n\r\n").nth(1).unwrap().to_owned());
        assert!([404, 409].contains(&world.post(&link, "answer=yes").await) || link == "/", "{link}");
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:?}");
    assert!(!held.is_finished());
    assert_eq!(world.post(&real, "answer=no").await, 200);
    assert!(!held.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_links_of_one_person_are_one_person() {
    let world = world("two");
    let (held, id) = world.ask("pay", Persons::Two).await;
    let (anna, ben) = (world.link(id, 1001), world.link(id, 1002));
    assert_eq!(world.post(&anna, "answer=yes").await, 200);
    assert_eq!(world.post(&anna, "answer=yes").await, 404);
    let again = world.link(id, 1001);
    assert_ne!(again, anna);
    let (status, page) = world.get(&again).await;
    assert!(status == 200 && page.contains("Two people must say Yes; uid 1001 has"), "{page}");
    assert_eq!(world.post(&again, "answer=yes").await, 409);
    assert!(!held.is_finished());
    assert_eq!(world.post(&ben, "answer=yes").await, 200);
    assert!(held.await.unwrap());
}
