//! No way out is forgotten: which test sends which, on a page for people.
//!
//! Owns the list behind `docs/ways-out.md`. It sends nothing itself; each test that it names must exist.

use std::fmt::Write as _;
use std::path::Path;

use crate::way::Way;

/// A way out, the tests that try it, and what none of them shows.
struct Known {
    row: u8,
    what: &'static str,
    tests: &'static [&'static str],
    open: &'static str,
}

const fn known(row: u8, what: &'static str, tests: &'static [&'static str]) -> Known {
    Known { row, what, tests, open: "" }
}

const fn partly(row: u8, what: &'static str, tests: &'static [&'static str], open: &'static str) -> Known {
    Known { row, what, tests, open }
}

/// A test without a folder stands beside this file.
const KNOWN: [Known; 60] = [
    known(1, "TCP to a public v4 address", &["targets.rs::addresses_that_nobody_approved"]),
    known(2, "TCP to a v6 address of any scope", &["targets.rs::addresses_that_nobody_approved"]),
    known(3, "raw, packet and ping sockets", &[PROBES]),
    known(4, "UDP to other resolvers and ports", &[NO_UDP]),
    known(
        5,
        "data in looked-up names",
        &[
            "crates/doors/tests/dns.rs::everything_else_does_not_exist_and_is_recorded",
            "crates/doors/tests/dns.rs::the_names_below_a_wildcard_are_counted",
            "crates/doors/tests/egress.rs::names_below_a_wildcard_count_at_this_door_too",
        ],
    ),
    known(6, "look-ups over HTTPS or TLS", &["requests.rs::look_ups_over_http"]),
    known(7, "an approved name that is an alias of a closed address", &["targets.rs::what_approved_names_lead_to"]),
    known(
        8,
        "an approved name whose address changes after the check",
        &[
            "targets.rs::what_approved_names_lead_to",
            "upstream.rs::a_name_that_leads_inside_the_next_time_is_refused_the_next_time",
        ],
    ),
    known(9, "another `Host` than the name in the handshake", &["names.rs::names_that_disagree"]),
    partly(
        10,
        "another name in the handshake than in `CONNECT`, none, a hidden one",
        &[
            "names.rs::names_that_disagree",
            "crates/doors/tests/streams.rs::a_tunnel_is_for_the_name_that_was_approved_and_nobody_looks_into_it",
        ],
        "a hidden name (ECH) is sent to a `tunnel` entry alone; elsewhere TLS ends at Creel, which has no key for one",
    ),
    known(11, "`CONNECT` to an address", &["targets.rs::addresses_that_nobody_approved"]),
    known(12, "`CONNECT` to another port", &["targets.rs::ports_and_lookalikes"]),
    known(13, "neither TLS nor HTTP behind `CONNECT`", &["framing.rs::what_wants_to_leave_http"]),
    known(14, "an absolute URI beside another `Host`", &["names.rs::names_that_disagree"]),
    known(15, "a path alone to the explicit proxy", &["names.rs::names_that_disagree"]),
    known(16, "both lengths in one head", &["framing.rs::two_lengths_and_disguised_codings"]),
    known(17, "codings in disguise", &["framing.rs::two_lengths_and_disguised_codings"]),
    known(18, "folded, bare and broken lines", &["framing.rs::lines_and_lengths_that_are_none"]),
    known(19, "two lengths, signs, other bases", &["framing.rs::lines_and_lengths_that_are_none"]),
    partly(
        20,
        "malformed chunks",
        &[
            "framing.rs::chunks_that_are_malformed",
            "crates/doors/tests/smuggling.rs::chunks_that_are_malformed_break_the_request",
        ],
        "the head was admitted by then: the record is `allow` with the outcome `failed`, and names no rule",
    ),
    known(
        21,
        "other versions of HTTP, and leaving it",
        &["framing.rs::lines_and_lengths_that_are_none", "framing.rs::what_wants_to_leave_http"],
    ),
    known(
        22,
        "HTTP/2 that is another request in HTTP/1.1",
        &[
            "framing.rs::frames_that_would_be_another_request_in_text",
            "crates/doors/tests/transports.rs::what_no_request_can_be_is_reset_and_on_record",
        ],
    ),
    known(
        23,
        "`CONNECT` within HTTP/2, floods of frames",
        &[
            "framing.rs::what_wants_to_leave_http",
            "crates/doors/tests/websocket.rs::over_http2_it_is_an_extended_connect",
            "crates/doors/tests/transports.rs::floods_of_frames_end_the_connection",
        ],
    ),
    partly(
        24,
        "a WebSocket to an approved host",
        &[
            "requests.rs::a_websocket_where_no_entry_says_so",
            "crates/doors/tests/websocket.rs::malformed_frames_end_it_with_1002_and_never_pass",
        ],
        "a value in pieces over several messages is seen where it is plain or encoded once",
    ),
    known(25, "credentials for the proxy", &["requests.rs::credentials_for_the_proxy_end_at_the_proxy"]),
    known(
        26,
        "the metadata address",
        &["targets.rs::addresses_that_nobody_approved", "targets.rs::what_approved_names_lead_to"],
    ),
    known(27, "other spellings of v4 addresses", &["targets.rs::spellings_of_addresses"]),
    known(
        28,
        "v4 addresses within v6 ones",
        &["targets.rs::addresses_that_nobody_approved", "targets.rs::what_approved_names_lead_to"],
    ),
    known(
        29,
        "metadata services of other clouds",
        &["targets.rs::addresses_that_nobody_approved", "targets.rs::what_approved_names_lead_to"],
    ),
    known(
        30,
        "this machine by its many names",
        &["targets.rs::spellings_of_addresses", "targets.rs::what_approved_names_lead_to"],
    ),
    known(
        31,
        "private and other closed ranges",
        &["targets.rs::addresses_that_nobody_approved", "targets.rs::what_approved_names_lead_to"],
    ),
    known(32, "look-alike letters", &["names.rs::names_that_are_none"]),
    known(
        33,
        "dots, capitals, overlong names",
        &["names.rs::names_that_are_none", "names.rs::one_trailing_dot_and_capitals_are_the_same_name"],
    ),
    known(34, "names that begin or end alike", &["targets.rs::ports_and_lookalikes"]),
    known(35, "users and separators in a name", &["names.rs::names_that_are_none"]),
    known(
        36,
        "redirects of an approved host",
        &["upstream.rs::a_redirect_is_handed_on_and_where_it_leads_is_a_request_of_its_own"],
    ),
    known(37, "hosts that many share", &["requests.rs::paths_and_methods_of_hosts_that_many_share"]),
    known(38, "Unix sockets of the host", &[PROBES]),
    known(39, "abstract Unix sockets", &[PROBES]),
    known(40, "AF_VSOCK", &[PROBES]),
    known(41, "AF_NETLINK", &[PROBES]),
    known(42, "io_uring", &["crates/jail/src/seccomp/tests.rs::what_must_never_be_allowed_is_not", PROBES]),
    known(
        43,
        "QUIC, and being told of it",
        &[
            "requests.rs::other_services_that_an_upstream_names_are_not_told",
            "crates/doors/tests/dns.rs::an_approved_name_gets_its_two_addresses_and_nothing_else",
            NO_UDP,
        ],
    ),
    known(44, "SSH", &["targets.rs::ports_and_lookalikes", "framing.rs::what_wants_to_leave_http"]),
    known(45, "other schemes", &["framing.rs::what_wants_to_leave_http"]),
    known(
        46,
        "mail",
        &[
            "targets.rs::ports_and_lookalikes",
            "crates/doors/tests/streams.rs::smtp_and_imap_turn_to_tls_and_nothing_but_greetings_leaves_before",
        ],
    ),
    known(54, "publishing where reading is approved", &["requests.rs::publishing_is_no_reading"]),
    known(
        55,
        "bodies that are too long, or wait for ever",
        &["requests.rs::bodies_that_are_too_long_or_wait_for_ever"],
    ),
    partly(
        56,
        "the moment in which the guard dies, changes or gets other rules",
        &[
            "e2e/tests/jails/faults.rs::a_guard_that_stands_still_lets_nothing_through",
            "e2e/tests/road/reload.rs::rules_change_under_a_running_agent",
            "crates/creel/src/config/live.rs::no_decision_falls_between_two_policies",
        ],
        "the moment itself is met by chance: requests go on in a loop while it passes",
    ),
    partly(
        57,
        "upstreams that prove nothing",
        &["upstream.rs::an_upstream_that_proves_nothing_gets_nothing"],
        "a revoked certificate is taken: neither lists (CRL) nor OCSP are asked; ciphers without encryption are not spoken at all",
    ),
    partly(
        58,
        "the model's provider as a way out",
        &[
            "accounts.rs::the_providers_host_is_the_model_doors_alone",
            "crates/doors/src/model/see/tests.rs::the_provider_does_not_become_an_open_proxy",
        ],
        "here hosts and credentials; what a request to the provider may hold is issue 5",
    ),
    partly(
        59,
        "somebody else's account",
        &[
            "accounts.rs::a_strangers_credential_in_every_slot",
            "crates/creel/src/config/profile/tests.rs::a_strangers_account_is_refused_or_the_place_is_named",
        ],
        "where your own account may be used, another may: `creel status` names these places, pinning is issue 6",
    ),
    known(
        60,
        "paths and methods with two readings",
        &["requests.rs::paths_and_methods_of_hosts_that_many_share", "requests.rs::headers_that_override_end_here"],
    ),
    partly(
        61,
        "batches",
        &["requests.rs::batches_are_opened_and_each_part_judged"],
        "a multipart body is refused where a form is declared; its parts are not opened",
    ),
    partly(
        62,
        "previews",
        &["requests.rs::previews_and_links_in_messages"],
        "a message with a foreign link is refused, not rewritten",
    ),
    known(
        47,
        "compressed bodies, and bombs",
        &[
            "crates/doors/tests/leaks.rs::a_compressed_body_with_a_secret_does_not_leave",
            "crates/doors/tests/leaks.rs::what_can_not_be_looked_into_does_not_leave_and_all_else_arrives_as_it_was",
        ],
    ),
    known(48, "a secret in another encoding", &[MATRIX]),
    known(49, "a secret in pieces, over chunks, fields and lines", &[MATRIX]),
    partly(
        53,
        "a secret in a prompt, or in the arguments of a tool",
        &[
            MATRIX,
            "crates/doors/tests/model.rs::a_known_value_in_a_prompt_gets_its_name_and_one_in_pieces_goes_no_further",
        ],
        "links in the model's words are not rewritten",
    ),
    known(63, "planted, local and unassigned addresses", &["targets.rs::ports_and_lookalikes"]),
];

const MATRIX: &str =
    "crates/creel/src/guard_process/watch/matrix.rs::every_encoding_is_noticed_at_every_door_whole_and_split";
const PROBES: &str = "e2e/tests/jails/probes.rs::every_probe_is_refused_inside_and_the_host_stays_as_it_was";
const NO_UDP: &str = "crates/jail/src/net/tests.rs::udp_goes_nowhere_but_to_our_resolver";

/// Where a test stands, and its name.
fn place(test: &str) -> (String, &str) {
    let (file, name) = test.split_once("::").unwrap();
    let file = if file.contains('/') { file.to_owned() } else { format!("crates/creel/tests/egress/{file}") };
    (file, name)
}

#[test]
fn every_row_is_sent_by_some_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for row in (1..=49).chain(53..=63) {
        assert_eq!(KNOWN.iter().filter(|known| known.row == row).count(), 1, "row {row}");
    }
    for Known { row, tests, .. } in KNOWN {
        for test in tests {
            let (file, name) = place(test);
            let text = std::fs::read_to_string(root.join(&file)).unwrap();
            let body = text.split_once(&format!("fn {name}(")).map(|(_, body)| body);
            assert!(body.is_some(), "row {row}: no `{name}` in {file}");
        }
    }
}

fn page() -> String {
    let mut out = format!(
        "# The ways out, and the test that tries each\n\n\
         <!-- Made from crates/creel/tests/egress/complete.rs by `UPDATE=1 cargo test -p creel`; edit that. -->\n\n\
         Each way out of the jail that passes the egress door is sent, under the real policy and over real sockets, over each of \
         the {} ways below that can carry it. A refused one must leave a record under its rule's name and no byte at any \
         upstream; with its rule opened the same request must arrive, once. What the kernel or another door holds is tried \
         where that stands. What can't be shut (50 to 52: drips, timing, what a handshake says) is in THREATS.md.\n\n\
         The ways: {}.\n\n\
         | | way out | tried by | not shown |\n|---|---|---|---|\n",
        Way::ALL.len(),
        Way::ALL.map(Way::words).join("; "),
    );
    for Known { row, what, tests, open } in &KNOWN {
        let tests: Vec<String> = tests
            .iter()
            .map(|test| {
                let (file, name) = place(test);
                format!("`{file}::{name}`")
            })
            .collect();
        let _ = writeln!(out, "| {row} | {what} | {} | {open} |", tests.join(", "));
    }
    out
}

#[test]
fn the_page_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ways-out.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, page()).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap_or_default() == page(), "run `UPDATE=1 cargo test -p creel`");
}
