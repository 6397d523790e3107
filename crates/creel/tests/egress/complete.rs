//! No row of the table is forgotten.
//!
//! Owns the list of rows that something else than these doors holds, with the tests that prove it.

use std::path::Path;

/// Rows 1 to 46 and 55 to 63, and the modules of this binary that send them.
const HERE: [(u8, &str); 42] = [
    (1, "targets"),
    (2, "targets"),
    (6, "requests"),
    (7, "targets"),
    (8, "upstream"),
    (9, "names"),
    (10, "names"),
    (11, "targets"),
    (12, "targets"),
    (13, "framing"),
    (14, "names"),
    (15, "names"),
    (16, "framing"),
    (17, "framing"),
    (18, "framing"),
    (19, "framing"),
    (21, "framing"),
    (22, "framing"),
    (23, "framing"),
    (24, "requests"),
    (25, "requests"),
    (26, "targets"),
    (27, "targets"),
    (28, "targets"),
    (29, "targets"),
    (30, "targets"),
    (31, "targets"),
    (32, "names"),
    (33, "names"),
    (34, "targets"),
    (35, "names"),
    (36, "upstream"),
    (37, "requests"),
    (43, "requests"),
    (44, "targets"),
    (45, "framing"),
    (46, "targets"),
    (54, "requests"),
    (55, "requests"),
    (57, "upstream"),
    (58, "accounts"),
    (59, "accounts"),
];

const HERE_TOO: [(u8, &str); 5] =
    [(20, "framing"), (60, "requests"), (61, "requests"), (62, "requests"), (63, "targets")];

/// What the kernel, another door or a running whole holds, and the test that shows it.
const ELSEWHERE: [(u8, &str, &str); 16] = [
    (3, "e2e/tests/jails/probes.rs", "every_probe_is_refused_inside_and_the_host_stays_as_it_was"),
    (4, "crates/jail/src/net/tests.rs", "udp_goes_nowhere_but_to_our_resolver"),
    (5, "crates/doors/tests/dns.rs", "the_names_below_a_wildcard_are_counted"),
    (5, "crates/doors/tests/egress.rs", "names_below_a_wildcard_count_at_this_door_too"),
    (23, "crates/doors/tests/transports.rs", "floods_of_frames_end_the_connection"),
    (38, "e2e/tests/jails/probes.rs", "every_probe_is_refused_inside_and_the_host_stays_as_it_was"),
    (39, "e2e/tests/jails/probes.rs", "every_probe_is_refused_inside_and_the_host_stays_as_it_was"),
    (40, "e2e/tests/jails/probes.rs", "every_probe_is_refused_inside_and_the_host_stays_as_it_was"),
    (41, "e2e/tests/jails/probes.rs", "every_probe_is_refused_inside_and_the_host_stays_as_it_was"),
    (42, "crates/jail/src/seccomp/tests.rs", "what_must_never_be_allowed_is_not"),
    (24, "crates/doors/tests/websocket.rs", "malformed_frames_end_it_with_1002_and_never_pass"),
    (24, "crates/doors/tests/websocket.rs", "a_real_client_talks_over_tls_and_plain_through_every_way_in"),
    (43, "crates/doors/tests/dns.rs", "an_approved_name_gets_its_two_addresses_and_nothing_else"),
    (46, "crates/doors/tests/streams.rs", "smtp_and_imap_turn_to_tls_and_nothing_but_greetings_leaves_before"),
    (43, "crates/jail/src/net/tests.rs", "udp_goes_nowhere_but_to_our_resolver"),
    (56, "e2e/tests/jails/faults.rs", "a_guard_that_stands_still_lets_nothing_through"),
];

#[test]
fn every_row_is_sent_by_some_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let here = || HERE.iter().chain(&HERE_TOO);
    for number in (1..=46).chain(54..=63) {
        let known = here().any(|(row, _)| *row == number) || ELSEWHERE.iter().any(|(row, _, _)| *row == number);
        assert!(known, "nothing sends row {number}");
    }
    for (number, module) in here() {
        let text = std::fs::read_to_string(root.join(format!("crates/creel/tests/egress/{module}.rs"))).unwrap();
        let named = [format!("({number}, "), format!("!({number}, "), format!("number: {number}, ")];
        let told = text.lines().any(|line| {
            named.iter().any(|form| line.contains(form.as_str()))
                || (line.starts_with("//")
                    && line.split(|c: char| !c.is_ascii_digit()).any(|word| word == number.to_string()))
                || line.trim() == format!("{number},")
        });
        assert!(told, "`{module}` does not send row {number}");
    }
    for (number, file, test) in ELSEWHERE {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "row {number}: no `{test}` in {file}");
    }
}
