//! Events of the Open Cybersecurity Schema Framework, 1.5.0.
//!
//! Owns which class a deed has and what goes where in it. It invents nothing: what the ledger doesn't know is left out,
//! what the framework has no name for stands under `unmapped`. Pure.

use creel_guard::{Action, Actor, Deed, Send, Target};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Row;
use crate::frame::hex;
use crate::line::LogLine;

/// The edition of the framework.
const VERSION: &str = "1.5.0";

/// A class of events, with its own number within its category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class {
    uid: u64,
    name: &'static str,
    category: (u64, &'static str),
}

const SYSTEM: (u64, &str) = (1, "System Activity");
const NETWORK: (u64, &str) = (4, "Network Activity");
const APPLICATION: (u64, &str) = (6, "Application Activity");

const FILE: Class = Class { uid: 1001, name: "File System Activity", category: SYSTEM };
const KERNEL: Class = Class { uid: 1003, name: "Kernel Activity", category: SYSTEM };
const PROCESS: Class = Class { uid: 1007, name: "Process Activity", category: SYSTEM };
const CONNECTION: Class = Class { uid: 4001, name: "Network Activity", category: NETWORK };
const HTTP: Class = Class { uid: 4002, name: "HTTP Activity", category: NETWORK };
const DNS: Class = Class { uid: 4003, name: "DNS Activity", category: NETWORK };
const LIFECYCLE: Class = Class { uid: 6002, name: "Application Lifecycle", category: APPLICATION };
const API: Class = Class { uid: 6003, name: "API Activity", category: APPLICATION };

/// An activity that the class has no number for.
const OTHER: u64 = 99;

/// The event of a record.
pub(super) fn event(row: &Row) -> Value {
    let line = &row.line;
    let mut event = Map::new();
    let (class, activity) = match &row.stored {
        Some(stored) => deed(&stored.action, line, &mut event),
        None => note(line, &mut event),
    };
    let (status_id, status) = match line.outcome.as_str() {
        "done" => (1, "Success"),
        "failed" | "refused" => (2, "Failure"),
        _ => (0, "Unknown"),
    };
    let passed = line.outcome != "refused";
    let fields = json!({
        "class_uid": class.uid,
        "class_name": class.name,
        "category_uid": class.category.0,
        "category_name": class.category.1,
        "activity_id": activity,
        "type_uid": class.uid * 100 + activity,
        "time": millis(&line.time),
        "severity_id": if passed { 1 } else { 3 },
        "severity": if passed { "Informational" } else { "Medium" },
        "status_id": status_id,
        "status": status,
        "status_detail": line.failure.as_ref().unwrap_or(&line.why),
        "message": format!("{} {}", line.deed, line.target),
        "action_id": if passed { 1 } else { 2 },
        "action": if passed { "Allowed" } else { "Denied" },
        "disposition_id": if passed { 1 } else { 2 },
        "disposition": if passed { "Allowed" } else { "Blocked" },
        "policy": { "uid": line.rule, "name": line.rule },
        "metadata": metadata(line),
        "unmapped": {
            "door": line.door,
            "deed": line.deed,
            "verdict": line.verdict,
            "outcome": line.outcome,
            "leaf_index": line.index,
            "leaf_hash": hex(&row.frame.hash),
        },
    });
    if let Value::Object(fields) = fields {
        event.extend(fields);
    }
    if let Some(code) = line.status {
        event.insert("status_code".to_owned(), code.to_string().into());
    }
    if let Some(ended) = &line.ended {
        let (start, end) = (millis(&line.time), millis(ended));
        event.insert("start_time".to_owned(), start.into());
        event.insert("end_time".to_owned(), end.into());
        event.insert("duration".to_owned(), end.saturating_sub(start).max(0).into());
    }
    Value::Object(event)
}

fn metadata(line: &LogLine) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "profiles": ["security_control"],
        "product": { "name": "Creel", "vendor_name": "Creel", "version": env!("CARGO_PKG_VERSION") },
        "uid": format!("{}:{}", line.tenant, line.seq),
        "sequence": line.seq,
        "log_name": line.tenant,
        "tenant_uid": line.tenant,
    });
    if let (Some(trace), Value::Object(fields)) = (&line.trace, &mut metadata) {
        fields.insert("correlation_uid".to_owned(), trace.clone().into());
    }
    metadata
}

/// Class and activity of an act, and what its class asks for.
fn deed(action: &Action, line: &LogLine, event: &mut Map<String, Value>) -> (Class, u64) {
    event.insert("actor".to_owned(), actor(&action.actor));
    let jail = json!({ "name": format!("jail of {}", line.tenant), "type_id": 6, "type": "Virtual" });
    let endpoint = json!({ "name": format!("jail of {}", line.tenant) });
    let mut set = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
    let mut api = |operation: &str, service: &str| {
        set("api", json!({ "operation": operation, "service": { "name": service } }));
        set("src_endpoint", endpoint.clone());
    };
    match &action.deed {
        Deed::Administer(act) => {
            api(&act.act, "creel");
            (API, OTHER)
        }
        Deed::Receive(receive) => {
            api("receive", &receive.source);
            (API, 1)
        }
        Deed::Prompt(prompt) => {
            api(&prompt.model, &prompt.provider);
            (API, 1)
        }
        Deed::Call(call) => {
            api(&call.tool, "tool");
            (API, OTHER)
        }
        Deed::Attempt(attempt) => {
            // `System Call`.
            set("kernel", json!({ "name": attempt.what, "type_id": 2, "type": "System Call" }));
            set("device", jail);
            (KERNEL, 4)
        }
        Deed::Run(run) => {
            let name = run.argv.first().map_or("", |path| path.rsplit('/').next().unwrap_or(path));
            set("process", json!({ "name": name, "cmd_line": line.target, "working_directory": run.cwd }));
            set("device", jail);
            (PROCESS, 1)
        }
        Deed::Touch(touch) => {
            let name = touch.path.rsplit('/').next().unwrap_or_default();
            set("file", json!({ "name": name, "path": touch.path, "type_id": 0 }));
            set("device", jail);
            (FILE, file_activity(&touch.how))
        }
        Deed::Resolve(resolve) => {
            set("query", json!({ "hostname": resolve.name, "type": resolve.kind }));
            set("src_endpoint", endpoint);
            (DNS, 1)
        }
        Deed::Send(send) => {
            set("src_endpoint", endpoint);
            sent(send, line, &mut set)
        }
    }
}

/// The numbers of File System Activity.
fn file_activity(how: &str) -> u64 {
    // the first of several
    match how.split([' ', ',']).next().unwrap_or_default() {
        "create" => 1,
        "open" | "read" => 2,
        "write" => 3,
        "delete" => 4,
        "rename" => 5,
        _ => OTHER,
    }
}

fn sent(send: &Send, line: &LogLine, set: &mut dyn FnMut(&str, Value)) -> (Class, u64) {
    let host = match &send.to {
        Target::Host(host) => ("hostname", host.to_string()),
        Target::Address(address) => ("ip", address.to_string()),
    };
    set("dst_endpoint", json!({ host.0: host.1, "port": send.port }));
    if let (Some(sent), Some(received)) = (line.sent, line.received) {
        set("traffic", json!({ "bytes_out": sent, "bytes_in": received, "bytes": sent.saturating_add(received) }));
    }
    let Some(method) = &send.method else {
        // `Refuse`, or `Open`.
        return (CONNECTION, if line.outcome == "refused" { 5 } else { 1 });
    };
    let (path, query) = send.path.split_once('?').unwrap_or((&send.path, ""));
    let text = format!("{}://{}:{}{}", send.scheme, send.to, send.port, send.path);
    let url = json!({ "url_string": text, "scheme": send.scheme, "hostname": send.to.to_string(), "port": send.port,
        "path": path, "query_string": query });
    set("http_request", json!({ "http_method": method, "url": url }));
    if let Some(code) = line.status {
        set("http_response", json!({ "code": code }));
    }
    let known = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PATCH"];
    (HTTP, known.iter().zip(1..).find(|(known, _)| *known == method).map_or(OTHER, |(_, number)| number))
}

/// What the ledger says about itself.
fn note(line: &LogLine, event: &mut Map<String, Value>) -> (Class, u64) {
    let app = json!({ "name": "creel ledger", "vendor_name": "Creel", "version": env!("CARGO_PKG_VERSION") });
    event.insert("app".to_owned(), app);
    match line.rule.as_str() {
        "ledger/began" | "ledger/recovered" => (LIFECYCLE, 3),
        "ledger/halted" => (LIFECYCLE, 4),
        _ => (LIFECYCLE, OTHER),
    }
}

fn actor(actor: &Actor) -> Value {
    // Types of users: 1 is a person's, 3 the system's own.
    let (name, kind) = match actor {
        Actor::Agent => ("agent", 1),
        Actor::Person { name } => (name.as_str(), 1),
        Actor::Creel => ("creel", 3),
    };
    json!({ "user": { "name": name, "type_id": kind }, "app_name": if matches!(actor, Actor::Agent) { "openclaw" } else { "creel" } })
}

/// Milliseconds since 1970; 0 for what is no time.
fn millis(time: &str) -> i64 {
    let moment = OffsetDateTime::parse(time, &Rfc3339);
    moment.map_or(0, |moment| i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
}
