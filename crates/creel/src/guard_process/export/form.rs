//! What a record looks like to a collector.
//!
//! Owns the two forms: a syslog message (RFC 5424) and a batch of OTLP log records in JSON. What the agent chose stands inside
//! a JSON text of ASCII, so that it can neither end a message nor steer a terminal (HARDENING.md 19). Sends nothing.

use bytes::Bytes;
use creel_guard::Tenant;
use creel_ledger::LogLine;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Receivers take 8,192 bytes (RFC 5425, section 4.3.1); what is longer is cut, and says so.
const LONGEST: usize = 8_192;
/// What is left of each of its texts then, in characters: five of them, of 12 bytes at their worst.
const CUT: usize = 96;
/// `log audit` (RFC 5424, section 6.2.1, table 1).
const FACILITY: u8 = 13;

/// One message.
pub(super) fn syslog(line: &LogLine) -> Vec<u8> {
    let pri = FACILITY * 8 + severity(line).0;
    let tenant: String = line.tenant.chars().filter(char::is_ascii_graphic).take(48).collect();
    let kind: String = line.deed.chars().filter(char::is_ascii_graphic).take(32).collect();
    let (tenant, kind) = (or_nil(&tenant), or_nil(&kind));
    let time = or_nil(line.ended.as_deref().unwrap_or(&line.time)).to_owned();
    let time = if OffsetDateTime::parse(&time, &Rfc3339).is_ok() { time } else { "-".to_owned() };
    // HOSTNAME is the collector's to say, PROCID is ours to choose.
    format!("<{pri}>1 {time} - creel {tenant} {kind} - {}", text(line, LONGEST - 256)).into_bytes()
}

/// One request, its path and `Host` still to be set.
pub(super) fn otlp(lines: &[LogLine], tenant: &Tenant) -> Request<Bytes> {
    let records: Vec<Value> = lines.iter().map(record).collect();
    let body = json!({ "resourceLogs": [{
        "resource": { "attributes": [text_of("service.name", "creel"), text_of("creel.tenant", tenant.as_str())] },
        "scopeLogs": [{ "scope": { "name": "creel", "version": env!("CARGO_PKG_VERSION") }, "logRecords": records }],
    }] });
    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("creel"));
    request
}

/// A `LogRecord` (opentelemetry/proto/logs/v1/logs.proto); 64-bit numbers stand as text in JSON.
fn record(line: &LogLine) -> Value {
    let (_, number, word) = severity(line);
    let nanos = |time: &str| OffsetDateTime::parse(time, &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp_nanos);
    let time = line.ended.as_deref().unwrap_or(&line.time);
    let mut record = json!({
        "timeUnixNano": nanos(time).to_string(),
        "observedTimeUnixNano": nanos(time).to_string(),
        "severityNumber": number,
        "severityText": word,
        "eventName": format!("creel.{}", line.deed),
        "body": { "stringValue": text(line, LONGEST) },
        "attributes": [
            { "key": "creel.seq", "value": { "intValue": line.seq.to_string() } },
            text_of("creel.door", &line.door),
            text_of("creel.deed", &line.deed),
            text_of("creel.verdict", &line.verdict),
            text_of("creel.rule", &line.rule),
            text_of("creel.outcome", &line.outcome),
            text_of("creel.actor", &line.actor),
        ],
    });
    let is_trace = |trace: &&String| trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit());
    if let (Some(trace), Some(record)) = (line.trace.as_ref().filter(is_trace), record.as_object_mut()) {
        record.insert("traceId".to_owned(), json!(trace));
    }
    record
}

fn text_of(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Syslog's severity, OTLP's number and its word.
fn severity(line: &LogLine) -> (u8, u8, &'static str) {
    match (line.verdict.as_str(), line.outcome.as_str()) {
        ("deny", _) => (4, 13, "WARN"),
        (_, "failed" | "abandoned") => (5, 10, "INFO2"),
        _ => (6, 9, "INFO"),
    }
}

/// The line as `creel log --json` prints it, in ASCII; its longest texts cut when it is longer than `most`.
fn text(line: &LogLine, most: usize) -> String {
    let whole = ascii(line);
    if whole.len() <= most {
        return whole;
    }
    let cut = |text: &str| format!("{} [cut: the ledger has it whole]", text.chars().take(CUT).collect::<String>());
    let mut short = line.clone();
    (short.target, short.why, short.process) = (cut(&line.target), cut(&line.why), None);
    short.failure = line.failure.as_deref().map(cut);
    short.claimed_trace = line.claimed_trace.as_deref().map(cut);
    short.actor = cut(&line.actor);
    ascii(&short)
}

/// JSON whose other characters stand as `\uXXXX` (RFC 8259, section 7): outside of its texts there are none.
fn ascii(line: &LogLine) -> String {
    let json = serde_json::to_string(line).unwrap_or_default();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // U+007F is the one control that JSON does not escape
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

fn or_nil(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(target: &str) -> LogLine {
        let json = json!({
            "seq": 7, "id": 7, "time": "2026-11-30T10:00:00.250Z", "tenant": "main", "actor": "agent", "door": "egress",
            "deed": "send", "target": target, "verdict": "deny", "rule": "egress/not-approved", "why": "nobody approved it",
            "outcome": "refused", "boot_ms": 5, "trace": "0123456789abcdef0123456789abcdef",
        });
        serde_json::from_value(json).unwrap()
    }

    /// The JSON of a message.
    fn message(bytes: &[u8]) -> Value {
        let text = std::str::from_utf8(bytes).unwrap();
        serde_json::from_str(text.splitn(8, ' ').nth(7).unwrap()).unwrap()
    }

    #[test]
    fn a_message_has_the_fields_of_rfc_5424() {
        let text = String::from_utf8(syslog(&line("https://a.test/"))).unwrap();
        assert!(text.starts_with("<108>1 2026-11-30T10:00:00.250Z - creel main send - {\"seq\":7,"), "{text}");
        let mut ended = line("x");
        (ended.verdict, ended.outcome, ended.ended) =
            ("allow".into(), "failed".into(), Some("2026-11-30T10:00:01.000Z".into()));
        let text = String::from_utf8(syslog(&ended)).unwrap();
        assert!(text.starts_with("<109>1 2026-11-30T10:00:01.000Z "), "{text}");
        (ended.time, ended.ended, ended.tenant, ended.deed) = (String::new(), None, "a b".into(), String::new());
        assert!(String::from_utf8(syslog(&ended)).unwrap().starts_with("<109>1 - - creel ab - - {"));
    }

    #[test]
    fn a_batch_is_what_the_protocol_says() {
        let request = otlp(&[line("https://a.test/"), line("b")], &Tenant::parse("main").unwrap());
        assert_eq!(
            (request.method(), &request.headers()["content-type"]),
            (&Method::POST, &HeaderValue::from_static("application/json"))
        );
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let logs = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        assert_eq!(logs.as_array().unwrap().len(), 2);
        let first = &logs[0];
        assert_eq!((&first["timeUnixNano"], &first["severityNumber"]), (&"1796032800250000000".into(), &13.into()));
        assert_eq!(
            (&first["traceId"], &first["eventName"]),
            (&"0123456789abcdef0123456789abcdef".into(), &"creel.send".into())
        );
        assert_eq!(first["attributes"][0], json!({ "key": "creel.seq", "value": { "intValue": "7" } }));
        let text: Value = serde_json::from_str(first["body"]["stringValue"].as_str().unwrap()).unwrap();
        assert_eq!(text["target"], "https://a.test/");
    }

    proptest! {
        #[test]
        fn nothing_of_the_agents_leaves_its_place(target in any::<String>(), many in 0..5_000_usize) {
            let line = line(&format!("{target}{}", "\u{202e}é\n".repeat(many)));
            let bytes = syslog(&line);
            prop_assert!(bytes.len() <= LONGEST && bytes.iter().all(|b| matches!(b, 0x20..=0x7e)), "{}", bytes.len());
            let told = message(&bytes)["target"].as_str().unwrap().to_owned();
            prop_assert!(told == line.target || told.ends_with("[cut: the ledger has it whole]"));
        }
    }
}
