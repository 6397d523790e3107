//! What a message looks like at each kind of place.
//!
//! Owns [`request`]. What the agent wrote stands apart, marked, with nothing left that could be clicked; no message holds a
//! link but those that answer its questions, where the place gets some (HARDENING.md 13). It sends nothing.

use bytes::Bytes;
use creel_guard::Tenant;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request};
use serde_json::json;

use super::pile::{Alert, Bundle};
use crate::clock::utc;
use crate::config::{AlertFormat, Event};
use crate::escape::{defanged, one_line};

/// The longest text, in bytes: Telegram takes 4096 UTF-16 units, ntfy 4096 bytes; the marks need some.
const LONGEST_TEXT: usize = 3_600;
/// The longest text of Creel's own in one alert.
const LONGEST_OWN: usize = 400;

/// The request, its path and `Host` still to be set. `links` are of questions in the bundle, by number.
pub(super) fn request(
    format: &AlertFormat,
    tenant: &Tenant,
    bundle: &Bundle,
    links: &[(u64, String)],
) -> Request<Bytes> {
    let title = title(tenant, bundle);
    let answers: String = links.iter().map(|(id, url)| format!("\n\nAnswer question {id}: {url}")).collect();
    let plain = text(bundle, LONGEST_TEXT.saturating_sub(answers.len()));
    let text = format!("{plain}{answers}");
    let body = match format {
        AlertFormat::Json => whole(tenant, bundle, &title, &text, links).to_string(),
        AlertFormat::Slack => slack(&title, &plain, links).to_string(),
        AlertFormat::Telegram { chat } => json!({
            "chat_id": chat,
            "text": format!("{title}\n\n{text}"),
            "link_preview_options": { "is_disabled": true },
            "disable_web_page_preview": true,
            "protect_content": true,
        })
        .to_string(),
        AlertFormat::Ntfy => text,
    };
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("creel"));
    if *format == AlertFormat::Ntfy {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Ok(title) = HeaderValue::from_str(&title) {
            headers.insert("title", title);
        }
        if let [(_, url)] = links
            && let Ok(url) = HeaderValue::from_str(url)
        {
            headers.insert("click", url);
        }
        headers.insert("priority", HeaderValue::from_static(priority(bundle.event)));
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request
}

fn whole(tenant: &Tenant, bundle: &Bundle, title: &str, text: &str, links: &[(u64, String)]) -> serde_json::Value {
    let first = bundle.alerts.first();
    let links: Vec<_> = links.iter().map(|(question, url)| json!({ "question": question, "url": url })).collect();
    json!({
        "creel": env!("CARGO_PKG_VERSION"),
        "tenant": tenant.as_str(),
        "event": bundle.event.name(),
        "title": title,
        "text": text,
        "quoted": bundle.alerts.iter().filter_map(|alert| alert.quoted.as_deref()).map(quoted).collect::<Vec<_>>(),
        "links": links,
        "count": bundle.count(),
        "time": first.map(|alert| utc(alert.at_ms)).unwrap_or_default(),
    })
}

/// Within a block of code nothing is markup; `&`, `<` and `>` are Slack's own (its page "Formatting text for app surfaces").
fn slack(title: &str, text: &str, links: &[(u64, String)]) -> serde_json::Value {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("```", "'''");
    let answers: String = links.iter().map(|(id, url)| format!("\n<{url}|Answer question {id}>")).collect();
    json!({
        "text": format!("*{title}*\n```{plain}```{answers}"),
        "unfurl_links": false,
        "unfurl_media": false,
        "link_names": false,
        "parse": "none",
    })
}

/// Visible ASCII: it becomes a header, too.
fn title(tenant: &Tenant, bundle: &Bundle) -> String {
    let count = bundle.count();
    let what = match bundle.event {
        Event::Canary => "a canary was taken",
        Event::Quarantine => "quarantine",
        Event::Question if count > 1 => return format!("Creel ({tenant}): {count} questions wait for a person"),
        Event::Question => "a question waits for a person",
        Event::Leak => "a secret was stopped",
        Event::Memory => "something in the agent's memory",
        Event::Overdue => "a secret is overdue for a new value",
        Event::Budget => "the model's budget",
        Event::Test => "a test",
    };
    let times = if count > 1 { format!(", {count} times") } else { String::new() };
    format!("Creel ({tenant}): {what}{times}")
}

fn text(bundle: &Bundle, room: usize) -> String {
    let room = room / bundle.alerts.len().max(1);
    let mut text = bundle.alerts.iter().map(|alert| one(alert, room)).collect::<Vec<_>>().join("\n\n");
    if bundle.more > 0 {
        text.push_str(&format!("\n\n[{} more of this kind; `creel log` has each]", bundle.more));
    }
    text
}

fn one(alert: &Alert, room: usize) -> String {
    let own = cut(&one_line(&alert.text), LONGEST_OWN.min(room / 2));
    let mut text = format!("{} {own}", utc(alert.at_ms));
    if let Some(quote) = &alert.quoted {
        text.push_str("\n[what follows was written by the agent or by what it read; trust nothing in it]\n| ");
        text.push_str(&cut(&quoted(quote), room.saturating_sub(text.len() + 64)).replace('\n', "\n| "));
    }
    text
}

fn quoted(text: &str) -> String {
    // Cut before as well: what is escaped is a few times as long.
    defanged(&cut(text, LONGEST_TEXT))
}

fn cut(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let at = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{} [cut here]", text.get(..at).unwrap_or_default())
}

fn priority(event: Event) -> &'static str {
    match event {
        Event::Canary | Event::Quarantine => "urgent",
        Event::Question | Event::Leak | Event::Budget => "high",
        Event::Memory | Event::Overdue | Event::Test => "default",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const FORMATS: [fn() -> AlertFormat; 4] = [
        || AlertFormat::Json,
        || AlertFormat::Slack,
        || AlertFormat::Telegram { chat: "1".to_owned() },
        || AlertFormat::Ntfy,
    ];

    fn bundle(quoted: &[&str], more: u64) -> Bundle {
        let alert = |text: &&str| Alert {
            event: Event::Question,
            text: "question 7: model call; answer with creel approve 7 or creel deny 7".to_owned(),
            quoted: Some((*text).to_owned()),
            at_ms: 1_790_000_000_000,
            question: None,
        };
        Bundle { event: Event::Question, alerts: quoted.iter().map(alert).collect(), more }
    }

    fn body(format: &AlertFormat, bundle: &Bundle) -> String {
        let request = request(format, &Tenant::parse("main").unwrap(), bundle, &[]);
        assert!(request.headers().values().all(|value| value.to_str().is_ok()));
        String::from_utf8(request.into_body().to_vec()).unwrap()
    }

    #[test]
    fn what_the_agent_wrote_is_marked_and_can_not_be_clicked() {
        let evil = "Approve: https://evil.test/approve/7 <https://evil.test|yes> @here www.evil.test ```\n/approve 7";
        for format in FORMATS.map(|make| make()) {
            let body = body(&format, &bundle(&[evil], 0));
            for bad in ["://", "evil.test", "<https", "@here", "|yes>", "\n/approve", "| /approve"] {
                assert!(!body.contains(bad), "{format:?} has `{bad}`: {body}");
            }
            assert!(body.contains("written by the agent") && body.contains("creel approve 7"), "{body}");
        }
    }

    #[test]
    fn a_link_stands_in_each_form_and_is_never_cut() {
        let links = [(7, format!("https://creel.test/q/{}", "0".repeat(64)))];
        let long = "evil.test ".repeat(2000);
        for format in FORMATS.map(|make| make()) {
            let request = request(&format, &Tenant::parse("main").unwrap(), &bundle(&[&long], 0), &links);
            let click = request.headers().get("click").cloned();
            let body = String::from_utf8(request.into_body().to_vec()).unwrap();
            assert!(body.contains(&links[0].1) && body.contains("nswer question 7"), "{format:?}: {body}");
            assert!(body.matches("://").count() <= 2 && body.len() < 9000, "{format:?}: {body}");
            assert_eq!(click.is_some(), format == AlertFormat::Ntfy);
        }
    }

    #[test]
    fn each_form_has_its_fields() {
        let many = bundle(&["a", "b"], 40);
        let parsed = |format: AlertFormat| serde_json::from_str::<Value>(&body(&format, &many)).unwrap();
        let json = parsed(AlertFormat::Json);
        assert_eq!((&json["event"], &json["count"], &json["tenant"]), (&"question".into(), &42.into(), &"main".into()));
        assert_eq!(json["time"], "2026-09-21T14:13:20Z");
        assert!(json["text"].as_str().unwrap().contains("40 more of this kind"));
        let slack = parsed(AlertFormat::Slack);
        assert!(slack["text"].as_str().unwrap().starts_with("*Creel (main): 42 questions wait for a person*\n```"));
        assert_eq!((&slack["unfurl_links"], &slack["unfurl_media"]), (&false.into(), &false.into()));
        let telegram = parsed(AlertFormat::Telegram { chat: "-42".to_owned() });
        assert_eq!((&telegram["chat_id"], telegram.get("parse_mode")), (&"-42".into(), None));
        assert_eq!(telegram["link_preview_options"]["is_disabled"], true);
        let ntfy = request(&AlertFormat::Ntfy, &Tenant::parse("main").unwrap(), &many, &[]);
        assert_eq!(ntfy.headers()["title"], "Creel (main): 42 questions wait for a person");
        assert_eq!(ntfy.headers()["priority"], "high");
    }

    proptest! {
        #[test]
        fn any_text_fits_and_holds_no_link(texts in proptest::collection::vec(any::<String>(), 1..5), glue in "[a-z.:/@]{0,40}", long in 0..4000_usize) {
            let texts: Vec<String> = texts.into_iter().map(|text| format!("{text}{glue}{}", "é".repeat(long))).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let bundle = bundle(&texts, 3);
            let text = super::text(&bundle, LONGEST_TEXT);
            prop_assert!(text.encode_utf16().count() <= 4000, "{}", text.len());
            prop_assert!(!text.contains("://") && !text.contains('<') && !text.contains("```"));
            for format in FORMATS.map(|make| make()) {
                body(&format, &bundle);
            }
        }
    }
}
