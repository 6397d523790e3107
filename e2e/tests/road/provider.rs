//! A model provider that is not the scripted one: a server of the test's, over the real wire format.

use std::process::Command;

use creel_e2e::{fresh, runtime};
use creel_testkit::Origin;

/// Shaped like a key, and nobody's.
const KEY: &str = "sk-test-4f1d9b7c2a6e8035d1c4b9a7e6f20318";

/// One answer of OpenAI Chat Completions, streamed.
const ANSWER: &str = concat!(
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":"hello from PROVIDER"},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#,
    "\n\ndata: [DONE]\n\n"
);

#[test]
fn a_provider_gets_our_key_and_nothing_of_the_agents_and_the_jail_never_sees_it() {
    let _alone = crate::ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let creel = fresh("provider").unwrap();
    let provider = Origin::answering("127.0.0.1:0", |_| {
        let kind = ("content-type", "text/event-stream");
        http::Response::builder().header(kind.0, kind.1).body(ANSWER.into()).unwrap()
    })
    .unwrap();
    let text = format!(
        "[limits]\ndisk = \"2GiB\"\n[model]\nprovider = \"openai\"\nmodel = \"m-1\"\nbase_url = \"http://provider.test:{}/v1\"\naddress = \"127.0.0.1\"\n",
        provider.address().port()
    );
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    let without = creel.run(&["up", "--config", &config, "--runtime-folder", &runtime()]).unwrap();
    assert!(without.code == 2 && without.err.contains("OPENAI_API_KEY"), "{without:?}");
    let mut up = creel.command(&["up", "--config", &config, "--runtime-folder", &runtime()]);
    let started = up.env("OPENAI_API_KEY", KEY).output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));

    let said = creel.run(&["say", "hello"]).unwrap();
    assert!(said.code == 0 && said.out.contains("hello from PROVIDER"), "{said:?}");
    let asked = provider.asked();
    let prompt = asked.iter().find(|asked| asked.path == "/v1/chat/completions").expect("a prompt arrived");
    let header = |name: &str| {
        prompt.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(header("authorization"), [format!("Bearer {KEY}")]);
    for foreign in ["x-api-key", "cookie", "openai-organization", "openai-project", "traceparent", "x-stainless-lang"] {
        assert_eq!(header(foreign), Vec::<String>::new(), "{foreign}");
    }
    assert!(!String::from_utf8_lossy(&prompt.body).contains(KEY));

    // Nowhere in what the jail's processes were given, nor in what Creel wrote down.
    let state = creel.state().display().to_string();
    let id = std::fs::read_to_string(creel.state().join("id")).unwrap();
    let mut jailed = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let of = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        if String::from_utf8_lossy(&of("cgroup")).contains(&id) {
            jailed += 1;
            let given = [of("environ"), of("cmdline")].concat();
            assert!(!String::from_utf8_lossy(&given).contains(KEY), "{}", entry.path().display());
        }
    }
    assert!(jailed >= 2, "the jail's processes were found");
    let found = Command::new("grep").args(["-rlF", "--exclude=volume.img", KEY, &state]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    assert!(creel.run(&["log", "--json"]).unwrap().out.contains("openai m-1"));
    assert_eq!(creel.run(&["down", "--now"]).unwrap().code, 0);
}

#[test]
fn beyond_the_budget_no_prompt_passes_until_it_is_reset() {
    let _alone = crate::ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let creel = fresh("budget").unwrap();
    // It says four tokens for what is many thousand.
    let provider = Origin::answering("127.0.0.1:0", |_| {
        let kind = ("content-type", "text/event-stream");
        http::Response::builder().header(kind.0, kind.1).body(ANSWER.into()).unwrap()
    })
    .unwrap();
    let text = format!(
        "[limits]\ndisk = \"2GiB\"\n[model]\nprovider = \"openai\"\nmodel = \"m-1\"\nbase_url = \"http://provider.test:{}/v1\"\naddress = \"127.0.0.1\"\n\
         [budget]\nper_hour = 0.01\n",
        provider.address().port()
    );
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    let mut up = creel.command(&["up", "--config", &config, "--runtime-folder", &runtime()]);
    let started = up.env("OPENAI_API_KEY", KEY).output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let before = creel.run(&["budget"]).unwrap();
    assert!(before.code == 0 && before.out.contains("of 0.01 USD"), "{before:?}");

    let said = creel.run(&["say", "hello"]).unwrap();
    assert!(said.code == 0 && said.out.contains("hello from PROVIDER"), "{said:?}");
    let spent = creel.run(&["budget"]).unwrap();
    assert!(spent.code == 1 && spent.out.contains("no prompt passes"), "{spent:?}");
    let prompts = || provider.asked().iter().filter(|asked| asked.path == "/v1/chat/completions").count();
    let sent = prompts();
    let said = creel.run(&["say", "hello again"]).unwrap();
    assert!(!said.out.contains("hello from PROVIDER"), "{said:?}");
    assert_eq!(prompts(), sent);
    let log = creel.run(&["log", "--json"]).unwrap().out;
    assert!(log.contains("guard/breaker-open") && log.contains("the model's budget is spent"), "{log}");

    assert_eq!(creel.run(&["budget", "reset"]).unwrap().code, 0);
    let said = creel.run(&["say", "hello"]).unwrap();
    assert!(said.code == 0 && said.out.contains("hello from PROVIDER"), "{said:?}");
    assert_eq!(creel.run(&["down", "--now", "--purge"]).unwrap().code, 0);
}
