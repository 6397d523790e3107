use std::sync::Mutex;

use creel_guard::{
    Action, Answer, Asker, BoxFuture, BreakerState, Breakers, Deed, Entry, Facts, Guard, Judge, Judgement, Ledger,
    LedgerClosed, Obligations, Question, RecordId, RuleId, Tenant, Timer, Verdict,
};
use creel_secrets::MemoryBroker;
use futures_util::{StreamExt, stream};
use http_body_util::StreamBody;
use tokio::sync::Notify;

use super::*;

/// Allows prompts and asks about calls; the person answers Yes when the test says so.
#[derive(Default)]
struct World {
    settled: Mutex<Vec<(u64, Outcome)>>,
    admitted: Mutex<u64>,
    yes: Notify,
}

impl Judge for World {
    fn judge(&self, action: &Action, _facts: &Facts) -> Judgement {
        let verdict = match action.deed {
            Deed::Call(_) => Verdict::Ask(Question::new("?".to_owned(), Obligations::default())),
            _ => Verdict::Allow(Obligations::default()),
        };
        Judgement { verdict, rule: RuleId::new("model/test"), why: String::new(), generation: 1 }
    }
}

impl Ledger for World {
    fn admitted(&self, _entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        let mut count = self.admitted.lock().unwrap();
        *count += 1;
        Box::pin(std::future::ready(Ok(RecordId(*count))))
    }

    fn settled(&self, record: RecordId, outcome: Outcome) {
        self.settled.lock().unwrap().push((record.0, outcome));
    }
}

impl Asker for World {
    fn ask<'a>(&'a self, _action: &'a Action, _facts: &'a Facts, _question: &'a Question) -> BoxFuture<'a, Answer> {
        Box::pin(async {
            self.yes.notified().await;
            Answer { yes: true, rule: RuleId::new("approval/by-person"), by: "test".to_owned() }
        })
    }
}

impl Breakers for World {
    fn state(&self, _action: &Action) -> BreakerState {
        BreakerState::Closed
    }
}

impl Timer for World {
    fn after(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

async fn begin(world: &Arc<World>, format: Format, answer: Body) -> Body {
    let guard = Guard::new(world.clone(), world.clone(), world.clone(), world.clone(), world.clone(), false);
    let admission =
        Admission { guard, tenant: Tenant::parse("main").unwrap(), sign: None, claimed_trace: None, ground: None };
    let prompt = crate::model::see::prompt(&format.into(), "p", b"");
    let permit = admission.ask(Deed::Prompt(prompt), Facts::default()).await.unwrap();
    let (_, receipt) = permit.redeem();
    let tab = Tab::open(None, receipt.record(), "m", b"");
    let relay = Relay {
        format,
        admission,
        offered: ["exec".to_owned()].into(),
        broker: Arc::new(MemoryBroker::default()),
        receipt,
        sent: 1,
        status: 200,
        deadline: Box::pin(sleep(Duration::from_secs(3600))),
        tab,
    };
    start(relay, answer)
}

fn pieces(texts: &[&'static str]) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + use<> {
    let frames: Vec<_> = texts.iter().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))).collect();
    stream::iter(frames)
}

const CALL: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\
    \"function\":{\"name\":\"exec\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n";

#[tokio::test]
async fn the_agents_client_is_kept_awake_while_a_person_decides() {
    let world = Arc::new(World::default());
    let mut body =
        begin(&world, Format::OpenAi, StreamBody::new(pieces(&[CALL, "data: [DONE]\n\n"])).boxed_unsync()).await;
    for _ in 0..3 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, ": keepalive\n\n");
    }
    assert_eq!(*world.admitted.lock().unwrap(), 1);
    world.yes.notify_one();
    let rest = body.collect().await.unwrap().to_bytes();
    let rest = String::from_utf8(rest.to_vec()).unwrap().replace(": keepalive\n\n", "");
    assert_eq!(rest, format!("{CALL}data: [DONE]\n\n"));
    let settled = world.settled.lock().unwrap().clone();
    assert_eq!(settled[0], (2, Outcome::done()));
    assert!(matches!(settled[1], (1, Outcome::Done { status: Some(200), .. })), "{settled:?}");
}

/// A call in the other formats, and the sign of life that their clients leave alone.
const OTHERS: [(Format, &str, &str); 3] = [
    (
        Format::Anthropic,
        "event: message_start\ndata: {\"type\":\"message_start\"}\n\n\
         event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":\
         {\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"exec\",\"input\":{}}}\n\n\
         event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    ),
    (
        Format::Responses,
        "data: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":\
         {\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"exec\",\"arguments\":\"\"}}\n\n\
         data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":\
         {\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"exec\",\"arguments\":\"{}\"}}\n\n",
        ": keepalive\n\n",
    ),
    (
        Format::Gemini,
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"exec\",\"args\":{}}}]}}]}\n\n",
        ": keepalive\n\n",
    ),
];

#[tokio::test]
async fn every_formats_client_is_kept_awake_and_its_call_is_held() {
    for (format, call, sign) in OTHERS {
        let world = Arc::new(World::default());
        let mut body = begin(&world, format, StreamBody::new(pieces(&[call])).boxed_unsync()).await;
        let mut got = String::new();
        while !got.ends_with(sign) {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            got.push_str(std::str::from_utf8(&frame).unwrap());
        }
        assert!(!got.contains("exec"), "{format:?}: {got}");
        world.yes.notify_one();
        got.push_str(std::str::from_utf8(&body.collect().await.unwrap().to_bytes()).unwrap());
        assert_eq!(got.replace(sign, ""), call, "{format:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_and_settles() {
    let world = Arc::new(World::default());
    let broken = stream::iter([Err("the line is cut".into())]);
    let body = begin(&world, Format::OpenAi, StreamBody::new(pieces(&[": hi\n\n"]).chain(broken)).boxed_unsync()).await;
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(text.starts_with(": hi\n\ndata: {\"error\"") && text.contains("broke off"), "{text}");
    assert!(matches!(&world.settled.lock().unwrap()[0], (1, Outcome::Failed { .. })));
}

#[tokio::test]
async fn a_relay_that_dies_breaks_the_agents_stream() {
    let (sender, pieces) = mpsc::channel(1);
    sender.send(Piece::Data(Bytes::from_static(b"x"))).await.unwrap_or_default();
    drop(sender);
    assert!(Relayed { pieces }.collect().await.is_err());
}
