use super::*;

fn talk(said: &[&str], results: &[&str]) -> Conversation {
    let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Conversation { said: own(said), results: own(results), ..Conversation::default() }
}

fn check_error(text: &str, line: usize, why: &str) {
    let error = Script::parse(text).unwrap_err();
    assert!(error.line == line && error.why.contains(why), "{error}\nfor {text}");
}

#[test]
fn faults_carry_their_place() {
    let head = "name = \"x\"\n[[step]]\n";
    check_error("", 1, "name");
    check_error("name = \"x\"\nstep = []", 1, "no step");
    check_error(&format!("{head}wen = \"x\"\n"), 3, "wen");
    check_error(&format!("{head}times = \"x\"\n"), 3, "");
    check_error(&format!("{head}reply = []\n"), 2, "says nothing");
    check_error(&format!("{head}after = \"y\"\nreply = [{{ text = \"a\" }}]\n"), 3, "`y`");
    check_error(&format!("{head}[[step.reply]]\ntext = \"a\"\ncall = \"b\"\n"), 3, "exactly one");
    check_error(&format!("{head}[[step.reply]]\ntext = \"a\"\nargs = {{}}\n"), 3, "belong to");
    check_error(&format!("{head}[[step.reply]]\nhang_up = false\n"), 3, "exactly one");
    check_error(&format!("{head}[[step.reply]]\ndelay_ms = 600001\n"), 3, "600000");
    check_error(&format!("{head}[[step.reply]]\ncall = \"b\"\nargs = {{}}\nraw_args = \"\"\n"), 3, "not both");
    check_error(&format!("{head}[[step.reply]]\ncall = \"b\"\nsplit = 0\n"), 3, "`split`");
    check_error(&"#".repeat(MAX_TEXT), 1, "1 MiB");
}

const MAX_TEXT: usize = (1 << 20) + 1;

#[test]
fn steps_answer_in_order_once_and_after_each_other() {
    let script = Script::parse(
        r#"
        name = "two"
        otherwise = "nothing to do"
        [[step]]
        name = "first"
        when = "go"
        from = "user"
        reply = [{ text = "one" }, { call = "exec", args = { command = "id", n = 1, deep = { list = [true, 0.5] } } }]
        [[step]]
        after = "first"
        from = "tool"
        times = 0
        reply = [{ call = "send", args = { body = "got {{result}}, {{x}}" }, split = 1 }]
        "#,
    )
    .unwrap();
    let texts = |reply: &Reply| reply.texts().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(texts(&script.answer(&talk(&[], &["go"]))), ["nothing to do"]);
    let reply = script.answer(&talk(&["go on"], &[]));
    assert_eq!(texts(&reply), ["one"]);
    assert_eq!(reply.calls().next().unwrap().arguments, r#"{"command":"id","deep":{"list":[true,0.5]},"n":1}"#);
    assert_eq!(texts(&script.answer(&talk(&["go on"], &[]))), ["nothing to do"]);
    for _ in 0..2 {
        let reply = script.answer(&talk(&["go on"], &["{{said}}"]));
        let call = reply.calls().next().unwrap();
        assert_eq!((call.arguments.as_str(), call.delta_bytes), (r#"{"body":"got {{said}}, {{x}}"}"#, 1));
    }
}

#[test]
fn raw_arguments_stay_as_they_are() {
    let script = Script::parse(
        "name = \"x\"\n[[step]]\nreply = [{ call = \"exec\", raw_args = '{\"command' }, { hang_up = true }]",
    )
    .unwrap();
    let reply = script.answer(&talk(&[], &[]));
    assert_eq!(reply.calls().next().unwrap().arguments, "{\"command");
    assert_eq!(reply.parts.last(), Some(&Part::HangUp));
}

/// Every script that is shipped can be read.
#[test]
fn shipped_scripts_parse() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/attacks");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        Script::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        seen += 1;
    }
    assert!(seen > 0);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _answer = Script::parse(&text);
    }
}
