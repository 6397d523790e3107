//! What must not leave, in bodies that are compressed.

use std::sync::{Arc, Mutex};

use creel_doors::leak::Leaks;
use creel_guard::{Judge, Outcome};
use creel_scan::secrets::Known;
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

use crate::fakes::{Row, Swap};
use crate::world::{Origin, World, approving, pinned};

const SECRET: &str = "Zq8-Lm2x_Yb7Kc3Nd5Pf9/Hg+2Js4Ua6";

/// Knows one value.
struct One(Known);

impl Leaks for One {
    fn find(&self, bytes: &[u8]) -> Option<String> {
        let hit = self.0.find(bytes).into_iter().find(|hit| hit.confidence >= 1.0)?;
        Some(self.0.id(hit.value).to_owned())
    }
}

async fn world(origin: &Origin) -> World {
    let rules = Arc::new(Swap(Mutex::new(approving("origin.test"))));
    let leaks = Arc::new(One(Known::new([("key", SECRET.as_bytes())])));
    let judge = Arc::clone(&rules) as Arc<dyn Judge>;
    World::searching(judge, rules, vec![pinned("origin.test", origin)], Some(leaks)).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &compress_to_vec(text, 6), &[0; 8]].concat()
}

fn post(port: u16, coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /up HTTP/1.1\r\nhost: origin.test:{port}\r\n{coding}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The same in chunks of this size.
fn chunked(port: u16, coding: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut all = format!(
        "POST /up HTTP/1.1\r\nhost: origin.test:{port}\r\n{coding}transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )
    .into_bytes();
    for piece in body.chunks(size) {
        all.extend(format!("{:x}\r\n", piece.len()).bytes().chain(piece.iter().copied()).chain(*b"\r\n"));
    }
    [&all[..], b"0\r\n\r\n"].concat()
}

fn failure(rows: &[Row]) -> String {
    match &rows.last().unwrap().outcome {
        Some(Outcome::Failed { why, .. }) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_compressed_body_with_a_secret_does_not_leave() {
    let origin = Origin::new(true).await;
    let world = world(&origin).await;
    let text = format!("{{\"note\":\"{}\",\"key\":\"{SECRET}\"}}", "some words, and ".repeat(4000));
    let hidden = text.as_bytes();
    let (gzipped, zlibbed) = (gzip(hidden), compress_to_vec_zlib(hidden, 6));
    let mut count = 0;
    for (coding, body) in [
        ("content-encoding: gzip\r\n", &gzipped),
        ("content-encoding: deflate\r\n", &zlibbed),
        ("content-encoding: identity, deflate\r\ncontent-encoding: gzip\r\n", &gzip(&zlibbed)),
        ("content-type: application/gzip\r\n", &gzipped),
        ("", &[b"--x\r\n\r\n", &gzipped[..], b"\r\n--x--"].concat()),
    ] {
        for request in [post(origin.port, coding, body), chunked(origin.port, coding, body, 7)] {
            let answer = world.https(origin.port, request).await;
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("leak/known-value"), "{coding}: {answer}");
            count += 1;
            let settled = |rows: &[Row]| rows.len() == count && rows.iter().all(|row| row.outcome.is_some());
            let why = failure(&world.book.until("settled", settled).await);
            assert!(why.contains("leak/known-value"), "{coding}: {why}");
        }
    }
    assert!(origin.got().is_empty(), "no body arrived whole");
}

#[tokio::test]
async fn what_can_not_be_looked_into_does_not_leave_and_all_else_arrives_as_it_was() {
    let origin = Origin::new(true).await;
    let world = world(&origin).await;
    for coding in ["br", "zstd", "aws-chunked", "gzip, gzip, gzip"] {
        let coding = format!("content-encoding: {coding}\r\n");
        let answer = world.https(origin.port, post(origin.port, &coding, b"anything")).await;
        assert!(answer.starts_with("HTTP/1.1 415") && answer.contains("egress/packed-body"), "{coding}: {answer}");
    }
    assert_eq!(origin.connections(), 0);
    let bomb = gzip(&vec![b'x'; 40 << 20]);
    for body in [&bomb[..], b"no gzip at all, whatever the head says"] {
        let answer = world.https(origin.port, post(origin.port, "content-encoding: gzip\r\n", body)).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("searched"), "{answer}");
    }
    assert!(origin.got().is_empty(), "no body arrived whole");
    let clean = gzip("nothing of the kind; ".repeat(9000).as_bytes());
    for coding in ["content-encoding: gzip\r\n", "content-type: application/gzip\r\n"] {
        assert!(world.https(origin.port, post(origin.port, coding, &clean)).await.starts_with("HTTP/1.1 200"));
        assert_eq!(origin.got().last().unwrap().body, clean.len());
    }
    let get = format!(
        "GET /a HTTP/1.1\r\nhost: origin.test:{}\r\ncontent-encoding: br\r\nconnection: close\r\n\r\n",
        origin.port
    );
    assert!(world.https(origin.port, get).await.starts_with("HTTP/1.1 200"), "there is no body to look into");
}
