use creel_guard::{HostName, Target};

use super::*;
use crate::secret::SecretName;

const CRM: &str = "Ab3dEf6hIjKlMnOpQrStUvWxYz01";
const BOT: &str = "987654321:Zy9xWv8uTs7rQp6oNm5lKj4iHg3fEd2c";

fn placeholders() -> Placeholders {
    let one = |secret: &str, skill: Option<&str>, value: &str| Placeholder {
        secret: SecretName::parse(secret).unwrap(),
        skill: skill.map(str::to_owned),
        value: value.to_owned(),
    };
    Placeholders::new(vec![one("CRM", Some("crm"), CRM), one("BOT", None, BOT)])
}

fn send(path: &str, headers: &[(&str, &str)], body: Option<(Form, &str)>) -> Send {
    let to = Target::Host(HostName::parse("a.test").unwrap());
    let headers = Headers::new(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    let content = body.map(|(form, text)| {
        let value = match form {
            Form::Urlencoded => creel_guard::urlencoded_pairs(text).unwrap(),
            _ => serde_json::from_str(text).unwrap(),
        };
        Content::new(form, value, String::new())
    });
    Send { path: path.to_owned(), headers, content, ..Send::connection(to, 443) }
}

fn check(mut send: Send, wanted: &[(&str, &str)]) -> Send {
    let found = placeholders().take(&mut send);
    let found: Vec<_> = found.iter().map(|one| (one.secret.clone(), one.slot.clone().unwrap().to_string())).collect();
    let wanted: Vec<_> = wanted.iter().map(|(name, slot)| ((*name).to_owned(), (*slot).to_owned())).collect();
    assert_eq!(found, wanted);
    send
}

/// Everything of a request that is judged, recorded and searched.
fn all_of(send: &Send) -> String {
    let headers: Vec<String> = send.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{} {headers:?} {}", send.path, send.content.as_ref().map_or("", |content| &content.text))
}

#[test]
fn each_slot_is_found_and_marked() {
    let basic = format!("Basic {}", STANDARD.encode(format!("deploy:{CRM}")));
    let bearer = format!("Bearer {CRM}");
    let escaped = BOT.replace(':', "%3A");
    for (request, slot, shown) in [
        (send("/", &[("authorization", &bearer)], None), ("CRM", "bearer"), "authorization: $CRM"),
        (send("/", &[("authorization", &basic)], None), ("CRM", "basic deploy"), "authorization: $CRM"),
        (send("/", &[("x-api-key", CRM)], None), ("CRM", "header x-api-key"), "x-api-key: $CRM"),
        (send(&format!("/bot{BOT}/send?a=1"), &[], None), ("BOT", "path bot*"), "/bot$BOT/send?a=1"),
        (send(&format!("/bot{escaped}/send"), &[], None), ("BOT", "path bot*"), "/bot$BOT/send"),
        (send(&format!("/x?a=1&key={CRM}"), &[], None), ("CRM", "query key"), "/x?a=1&key=$CRM"),
        (send(&format!("/x?key={escaped}"), &[], None), ("BOT", "query key"), "/x?key=$BOT"),
        (
            send("/", &[], Some((Form::Json, &format!(r#"{{"a":[{{"b/c":"{CRM}"}}]}}"#)))),
            ("CRM", "json /a/0/b~1c"),
            r#"{"a":[{"b/c":"$CRM"}]}"#,
        ),
        (
            send("/", &[], Some((Form::Urlencoded, &format!("a=1&client_secret={escaped}")))),
            ("BOT", "form client_secret"),
            "a=1&client_secret=%24BOT",
        ),
    ] {
        let marked = all_of(&check(request, &[slot]));
        assert!(marked.contains(shown), "{marked}");
        assert!(!marked.contains(CRM) && !marked.contains(BOT) && !marked.contains(&STANDARD.encode(CRM)), "{marked}");
    }
}

#[test]
fn what_fills_no_slot_whole_stays_where_it_is() {
    for request in [
        send("/", &[("authorization", &format!("Token token={CRM}"))], None),
        send("/", &[("x-note", &format!("see {CRM}"))], None),
        send(&format!("/a%20b{CRM}"), &[], None),
        send(&format!("/x?key=a{CRM}"), &[], None),
        send(&format!("/x?a=1;key={CRM}"), &[], None),
        send(&format!("/x?{CRM}"), &[], None),
        send("/", &[], Some((Form::Json, &format!(r#"{{"text":"my key: {CRM}"}}"#)))),
        send("/", &[], Some((Form::Json, &format!(r#"{{"{CRM}":1}}"#)))),
    ] {
        let left = check(request, &[]);
        assert!(all_of(&left).contains(CRM), "{left:?}");
    }
}

#[test]
fn a_mark_that_the_agent_wrote_itself_hides_nothing() {
    for path in [format!("/$BOT/bot{BOT}"), format!("/bot{BOT}?a=$BOT")] {
        let left = check(send(&path, &[], None), &[]);
        assert_eq!(left.path, path, "it stays to be found as a leak");
    }
}

#[test]
fn two_in_one_request_are_both_told() {
    let request = send(&format!("/x?a={CRM}&b={CRM}"), &[("x-key", CRM)], None);
    check(request, &[("CRM", "header x-key"), ("CRM", "query a"), ("CRM", "query b")]);
}

proptest::proptest! {
    #[test]
    fn nothing_is_left_where_a_slot_was_told(
        before in "[a-z/?&=%+;$:. ]{0,12}", after in "[a-z/?&=%+;$:. ]{0,12}", name in "[a-z-]{1,8}", value in "\\PC{0,12}",
    ) {
        let path = format!("/{before}{CRM}{after}");
        let mut request = send(&path, &[(&name, &value)], None);
        let found = placeholders().take(&mut request);
        proptest::prop_assert_eq!(request.path.contains(CRM), found.is_empty());
        proptest::prop_assert!(found.len() <= 1);
    }
}
