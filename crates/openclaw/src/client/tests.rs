use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use futures_util::{SinkExt as _, StreamExt as _};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// A gateway that a test plays.
struct Gateway(WebSocketStream<DuplexStream>);

impl Gateway {
    async fn accept(stream: DuplexStream) -> Self {
        Self(accept_async(stream).await.unwrap())
    }

    async fn put(&mut self, frame: Value) {
        let _ = self.0.send(Message::text(frame.to_string())).await;
    }

    async fn get(&mut self) -> Value {
        serde_json::from_str(self.0.next().await.unwrap().unwrap().to_text().unwrap()).unwrap()
    }

    async fn connected(stream: DuplexStream) -> Self {
        let mut gateway = Self::accept(stream).await;
        gateway
            .put(json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 1 } }))
            .await;
        let connect = gateway.get().await;
        assert_eq!(connect["method"], "connect");
        assert_eq!(connect["params"]["auth"]["token"], "tok");
        gateway.put(json!({ "type": "res", "id": connect["id"], "ok": true, "payload": { "type": "hello-ok" } })).await;
        gateway
    }

    async fn asked(stream: DuplexStream) -> Self {
        let mut gateway = Self::connected(stream).await;
        let send = gateway.get().await;
        assert_eq!(send["method"], "chat.send");
        assert_eq!(send["params"]["sessionKey"], SESSION);
        assert_eq!(send["params"]["message"], "hello");
        gateway.put(json!({ "type": "res", "id": send["id"], "ok": true, "payload": { "runId": "run-1" } })).await;
        gateway
    }

    async fn chat(&mut self, run: &str, more: Value) {
        let mut payload = json!({ "runId": run });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.put(json!({ "type": "event", "event": "chat", "payload": payload })).await;
    }
}

async fn hello(stream: DuplexStream) -> Result<Answer, Error> {
    say(stream, "tok", "hello", LONG, |_| {}).await
}

#[tokio::test]
async fn a_turn_ends_with_the_answer_of_its_own_run() {
    let (ours, theirs) = duplex(64 * 1024);
    let gateway = async {
        let mut gateway = Gateway::asked(theirs).await;
        gateway.put(json!({ "type": "event", "event": "tick" })).await;
        gateway.chat("run-0", json!({ "state": "final", "message": { "content": "not yours" } })).await;
        gateway.chat("run-1", json!({ "state": "status" })).await;
        gateway.chat("run-1", json!({ "state": "delta", "deltaText": "good " })).await;
        gateway.chat("run-1", json!({ "state": "delta", "deltaText": "day" })).await;
        gateway
            .chat(
                "run-1",
                json!({ "state": "final", "message": { "content": [{ "type": "text", "text": "good day" }] } }),
            )
            .await;
        let _ = gateway.0.next().await;
    };
    let mut heard = String::new();
    let (answer, ()) = tokio::join!(say(ours, "tok", "hello", LONG, |piece| heard.push_str(piece)), gateway);
    assert_eq!(answer.unwrap(), Answer { text: "good day".to_owned(), run_id: "run-1".to_owned() });
    assert_eq!(heard, "good day");
}

#[tokio::test]
async fn failures_are_told() {
    for (state, words) in [
        (json!({ "state": "error", "errorMessage": "no credit" }), "no credit"),
        (json!({ "state": "aborted" }), "told to stop"),
    ] {
        let (ours, theirs) = duplex(64 * 1024);
        let gateway = async {
            let mut gateway = Gateway::asked(theirs).await;
            gateway.chat("run-1", state).await;
            let _ = gateway.0.next().await;
        };
        let (answer, ()) = tokio::join!(hello(ours), gateway);
        assert!(answer.unwrap_err().to_string().contains(words));
    }
}

#[tokio::test]
async fn a_gateway_that_starts_says_so() {
    let (ours, theirs) = duplex(64 * 1024);
    let gateway = async {
        let mut gateway = Gateway::accept(theirs).await;
        gateway.put(json!({ "type": "event", "event": "connect.challenge" })).await;
        let connect = gateway.get().await;
        let error = json!({ "code": "UNAVAILABLE", "message": "gateway starting" });
        gateway.put(json!({ "type": "res", "id": connect["id"], "ok": false, "error": error })).await;
        let _ = gateway.0.next().await;
    };
    let (answer, ()) = tokio::join!(hello(ours), gateway);
    assert!(matches!(answer, Err(Error::Starting)));
}

#[tokio::test]
async fn a_hang_up_noise_and_a_flood_are_errors() {
    let (ours, theirs) = duplex(64 * 1024);
    let (answer, _) = tokio::join!(hello(ours), async { drop(Gateway::connected(theirs).await) });
    assert!(matches!(answer, Err(Error::Agent { .. })));

    let (ours, mut theirs) = duplex(64 * 1024);
    let noise = async {
        let _ = theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\nno socket here").await;
        drop(theirs);
    };
    let (answer, ()) = tokio::join!(hello(ours), noise);
    assert!(matches!(answer, Err(Error::Agent { .. })));

    let (ours, theirs) = duplex(64 * 1024);
    let flood = async {
        let mut gateway = Gateway::asked(theirs).await;
        let _ = gateway.0.send(Message::text("x".repeat(5 * 1024 * 1024))).await;
    };
    let (answer, ()) = tokio::join!(hello(ours), flood);
    assert!(matches!(answer, Err(Error::Agent { .. })));
}

#[tokio::test]
async fn silence_ends_when_patience_does() {
    let (ours, theirs) = duplex(64 * 1024);
    let answer = say(ours, "tok", "hello", Duration::ZERO, |_| {}).await;
    assert!(matches!(answer, Err(Error::Late { seconds: 0, .. })));
    drop(theirs);
    let (ours, theirs) = duplex(64 * 1024);
    assert!(matches!(readiness::within(ours, Duration::ZERO).await, Err(Error::Late { .. })));
    drop(theirs);
}

#[tokio::test]
async fn a_message_can_be_too_long() {
    let (ours, _theirs) = duplex(64);
    let text = "x".repeat(LONGEST_MESSAGE + 1);
    assert!(matches!(say(ours, "tok", &text, LONG, |_| {}).await, Err(Error::Operator { .. })));
}

async fn readiness_of(answer: &[u8]) -> Result<bool, Error> {
    let (ours, mut theirs) = duplex(64 * 1024);
    let server = async {
        let mut question = [0u8; 4096];
        let count = theirs.read(&mut question).await.unwrap();
        assert!(question[..count].starts_with(b"GET /readyz HTTP/1.1\r\n"));
        let _ = theirs.write_all(answer).await;
        drop(theirs);
    };
    tokio::join!(ready(ours), server).0
}

#[tokio::test]
async fn readiness_is_the_status_alone() {
    assert!(readiness_of(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap());
    assert!(!readiness_of(b"HTTP/1.1 503 Starting\r\ncontent-length: 0\r\n\r\n").await.unwrap());
    assert!(matches!(readiness_of(b"SSH-2.0-x\r\n").await, Err(Error::Agent { .. })));
    assert!(matches!(readiness_of(b"").await, Err(Error::Agent { .. })));
    let mut endless = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
    endless.resize(40_000, b'a');
    assert!(matches!(readiness_of(&endless).await, Err(Error::Agent { .. })));
}
