use super::*;

fn settings(format: ModelFormat) -> OpenClawSettings {
    OpenClawSettings { format, model: "mock-1".to_owned(), plugins: Vec::new(), skills: BTreeMap::new(), hooks: None }
}

fn at(format: ModelFormat, pointer: &str) -> Value {
    build(&settings(format)).unwrap().pointer(pointer).cloned().unwrap_or(Value::Null)
}

#[test]
fn the_model_is_reached_through_the_door_alone() {
    use ModelFormat::{AnthropicMessages, GoogleGenerativeAi, OpenaiCompletions, OpenaiResponses};
    assert_eq!(at(OpenaiCompletions, "/models/providers/creel/baseUrl"), "http://127.0.0.1:983/v1");
    assert_eq!(at(OpenaiCompletions, "/models/providers/creel/api"), "openai-completions");
    assert_eq!(at(AnthropicMessages, "/models/providers/creel/baseUrl"), "http://127.0.0.1:983");
    assert_eq!(at(AnthropicMessages, "/models/providers/creel/api"), "anthropic-messages");
    assert_eq!(at(OpenaiResponses, "/models/providers/creel/baseUrl"), "http://127.0.0.1:983/v1");
    assert_eq!(at(OpenaiResponses, "/models/providers/creel/api"), "openai-responses");
    assert_eq!(at(GoogleGenerativeAi, "/models/providers/creel/baseUrl"), "http://127.0.0.1:983/v1beta");
    assert_eq!(at(GoogleGenerativeAi, "/models/providers/creel/api"), "google-generative-ai");
    assert_eq!(at(OpenaiCompletions, "/models/mode"), "replace");
    assert_eq!(at(OpenaiCompletions, "/agents/defaults/model/primary"), "creel/mock-1");
}

#[test]
fn a_fresh_openclaw_is_quiet() {
    let off = ModelFormat::OpenaiCompletions;
    for pointer in [
        "/models/catalogRefresh/enabled",
        "/update/checkOnStart",
        "/update/auto/enabled",
        "/hooks/enabled",
        "/tools/elevated/enabled",
        "/gateway/controlUi/enabled",
        "/gateway/terminal/enabled",
        "/browser/enabled",
        "/plugins/entries/memory-core/config/dreaming/enabled",
    ] {
        assert_eq!(at(off, pointer), false, "{pointer}");
    }
    assert_eq!(at(off, "/agents/defaults/heartbeat/every"), "0m");
    assert_eq!(at(off, "/discovery/mdns/mode"), "off");
    assert_eq!(at(off, "/plugins/allow"), json!(["memory-core"]));
}

#[test]
fn the_token_is_a_reference() {
    let token = at(ModelFormat::OpenaiCompletions, "/gateway/auth/token");
    assert_eq!(token, json!({ "source": "exec", "provider": "creel", "id": "gateway/token" }));
    let text = String::from_utf8(write(&settings(ModelFormat::OpenaiCompletions)).unwrap()).unwrap();
    assert!(!text.contains(resolver::TOKEN_PREFIX));
}

#[test]
fn synthetic_addresses_may_be_fetched() {
    let policy = at(ModelFormat::AnthropicMessages, "/tools/web/fetch/ssrfPolicy");
    assert_eq!(policy, json!({ "allowRfc2544BenchmarkRange": true, "allowIpv6UniqueLocalRange": true }));
}

#[test]
fn plugins_come_after_the_one_that_is_always_allowed() {
    let mut wanted = settings(ModelFormat::OpenaiCompletions);
    wanted.plugins = vec!["browser".to_owned(), "memory-core".to_owned()];
    let built = build(&wanted).unwrap();
    assert_eq!(built["plugins"]["allow"], json!(["memory-core", "browser"]));
    assert_eq!(built["browser"]["enabled"], true);
    assert_eq!(built["browser"]["ssrfPolicy"]["allowRfc2544BenchmarkRange"], true);
}

#[test]
fn odd_names_are_refused() {
    let refuse = |model: &str, plugin: &str| {
        let mut odd = settings(ModelFormat::OpenaiCompletions);
        odd.model = model.to_owned();
        odd.plugins = vec![plugin.to_owned()];
        assert!(matches!(build(&odd), Err(Error::Operator { .. })), "{model:?} {plugin:?}");
    };
    refuse("", "ok");
    refuse("two words", "ok");
    refuse("new\nline", "ok");
    refuse(&"x".repeat(201), "ok");
    refuse("ok", "");
    refuse("ok", "a b");
}

#[test]
fn each_skill_gets_its_own_variables() {
    let mut wanted = settings(ModelFormat::OpenaiCompletions);
    wanted.skills.insert("crm".to_owned(), vec![("CRM_TOKEN".to_owned(), "stand-in".to_owned())]);
    let built = build(&wanted).unwrap();
    assert_eq!(built.pointer("/skills/entries/crm/env/CRM_TOKEN"), Some(&Value::from("stand-in")));
    assert_eq!(at(ModelFormat::OpenaiCompletions, "/skills/entries"), json!({}));
}
