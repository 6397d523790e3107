//! Refusals that explain themselves to the client at hand: git, Python, a gRPC client.

use std::process::Stdio;

use http::{HeaderName, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::process::Command;

use crate::table::Stage;

const STRICT: &str = "[[egress.allow]]\nhost = \"strict.test\"\nports = [{tls}, {plain}]\nhttp = true\naddress = \"127.0.0.1\"\n\
                      paths = [\"/open/**\"]\n";

/// Runs a client behind the explicit proxy; what it printed.
async fn printed(stage: &Stage, program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program)
        .args(arguments)
        .env("http_proxy", format!("http://{}", stage.world.proxy))
        .env("https_proxy", format!("http://{}", stage.world.proxy))
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let out = tokio::time::timeout(std::time::Duration::from_secs(60), out).await.expect("it hangs").unwrap();
    assert!(!out.status.success(), "{program} was not refused");
    [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

#[tokio::test]
async fn git_shows_the_rule_and_what_to_do() {
    let stage = Stage::new(STRICT).await;
    let url = format!("http://strict.test:{}/other/x.git", stage.plain.port);
    let said = printed(&stage, "git", &["ls-remote", &url]).await;
    let last = stage.world.book.rows().len();
    assert!(said.contains("remote: refused by Creel") && said.contains("egress/deny-path"), "{said}");
    assert!(said.contains(&format!("`creel why {last}`")), "{said}");
    assert_eq!(stage.arrived(), 0);
}

/// Its client shows nothing of the answer to a refused `CONNECT` but the status line.
#[tokio::test]
async fn python_shows_the_rule_of_a_refused_connect() {
    let stage = Stage::new("").await;
    let script = "import urllib.request; urllib.request.urlopen('https://evil.test/')";
    let said = printed(&stage, "python3", &["-c", script]).await;
    assert!(said.contains("403 refused by Creel: egress/not-approved"), "{said}");
}

#[tokio::test]
async fn a_grpc_client_is_told_by_a_status() {
    let stage = Stage::new(STRICT).await;
    let stream = stage.world.connect("strict.test", stage.tls.port).await;
    let stream = stage.world.shake_for(stream, "strict.test", &["h2"]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("https://strict.test:{}/pkg.Service/Method", stage.tls.port))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let header = |name: &'static str| response.headers()[HeaderName::from_static(name)].to_str().unwrap().to_owned();
    assert_eq!((response.status().as_u16(), header("content-type")), (200, "application/grpc".to_owned()));
    assert_eq!(header("grpc-status"), "7");
    let said = header("grpc-message");
    assert!(said.contains("egress/deny-path") && said.contains("`creel why 1`"), "{said}");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    assert_eq!((stage.arrived(), stage.world.book.story()), (0, vec!["deny egress/deny-path".to_owned()]));
}
