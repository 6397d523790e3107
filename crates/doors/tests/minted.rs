//! Answers that mint credentials, over real sockets: the agent gets a placeholder, and the upstream the value.

use creel_guard::{Obligations, Outcome};

use crate::fakes::Rules;
use crate::world::{ACCESS_STAND_IN, CLIENT, CLIENT_STAND_IN, MINTED, Origin, World, approving, pinned};

async fn world(origin: &Origin) -> World {
    let rules = Rules { owes: Obligations { scrub: true, ..Obligations::default() }, ..approving("origin.test") };
    World::new(rules, vec![pinned("origin.test", origin)]).await
}

fn ask(line: &str, port: u16, bearer: &str, headers: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: origin.test:{port}\r\nauthorization: Bearer {bearer}\r\n{headers}content-length: 0\r\n\r\n"
    )
}

const CLOSE: &str = "connection: close\r\n";

#[tokio::test]
async fn a_token_is_exchanged_for_its_placeholder_and_back() {
    let origin = Origin::new(true).await;
    let world = world(&origin).await;
    let answer = world.https(origin.port, ask("POST /token", origin.port, CLIENT_STAND_IN, CLOSE)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.contains(&format!(r#"{{"access_token":"{ACCESS_STAND_IN}","expires_in":3600}}"#)), "{answer}");
    let echo = world.https(origin.port, ask("GET /echo", origin.port, ACCESS_STAND_IN, CLOSE)).await;
    let got = origin.got();
    let authorization = |at: usize| got[at].headers.get("authorization").unwrap().to_str().unwrap().to_owned();
    assert_eq!((authorization(0), authorization(1)), (format!("Bearer {CLIENT}"), format!("Bearer {MINTED}")));
    assert!(echo.starts_with("HTTP/1.1 200") && echo.contains("[scrubbed by creel]"), "{echo}");
    let rows = world.book.until("settled", |rows| rows.iter().all(|row| row.outcome.is_some())).await;
    for text in [answer, echo, format!("{rows:?}")] {
        assert!(!text.contains(MINTED) && !text.contains(CLIENT), "{text}");
    }
}

#[tokio::test]
async fn what_no_token_can_be_taken_out_of_is_withheld() {
    let origin = Origin::new(true).await;
    let world = world(&origin).await;
    for (query, why) in [
        ("form", "it is no JSON"),
        ("long", "longer than 64 KiB"),
        ("number", "it is no text"),
        ("none", "does not stand where it should"),
        ("twice", "does not stand where it should"),
        ("short", "shorter than 16 bytes"),
    ] {
        let line = format!("POST /token?{query}");
        let answer = world.https(origin.port, ask(&line, origin.port, CLIENT_STAND_IN, CLOSE)).await;
        assert!(answer.starts_with("HTTP/1.1 502") && answer.contains(why), "{query}: {answer}");
        assert!(!answer.contains(MINTED), "{answer}");
    }
    // What says that nothing came of it goes on, and a token in it does not.
    for (query, text) in [("denied", r#"{"error":"invalid_grant"}"#), ("later", ACCESS_STAND_IN)] {
        let line = format!("POST /token?{query}");
        let answer = world.https(origin.port, ask(&line, origin.port, CLIENT_STAND_IN, CLOSE)).await;
        assert!(answer.contains(text) && !answer.contains(MINTED), "{query}: {answer}");
    }
    let rows =
        world.book.until("settled", |rows| rows.len() == 8 && rows.iter().all(|row| row.outcome.is_some())).await;
    let failed = rows.iter().filter(|row| matches!(row.outcome, Some(Outcome::Failed { .. }))).count();
    assert_eq!(failed, 6);
}

#[tokio::test]
async fn no_token_comes_by_way_of_a_websocket_that_is_none() {
    let origin = Origin::new(true).await;
    let world = world(&origin).await;
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answer = world.https(origin.port, ask("GET /token", origin.port, CLIENT_STAND_IN, upgrade)).await;
    assert!(answer.contains("asked for as a WebSocket") && !answer.contains(MINTED), "{answer}");
    assert_eq!(origin.got().len(), 0);
}
