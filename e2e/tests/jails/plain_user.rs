//! What a plain user gets: the names of what is missing, the one command line that accepts it, and then every other wall.

use creel_e2e::plain_user::{MISSING, PlainUser};

use crate::probes;

#[test]
fn what_is_missing_is_named_with_the_one_line_that_accepts_it() {
    let user = PlainUser::new("plain-line").unwrap();
    let ran = user.run(&["jail", "--", "sh", "-c", "id -u; exit 9"], "").unwrap();
    assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{}", ran.err);
    let offered = format!("creel jail --allow-degraded={MISSING} -- sh -c 'id -u; exit 9'");
    assert_eq!(ran.err.lines().last(), Some(offered.as_str()));
    let ran = user.run(&["up"], "").unwrap();
    assert_eq!((ran.code, ran.err.lines().last()), (3, Some(format!("creel up --allow-degraded={MISSING}").as_str())));

    // all but one is not enough, and the line still names all
    let four = MISSING.strip_suffix(",guard-uid").unwrap();
    let ran = user.run(&["jail", "--allow-degraded", four, "--", "sh", "-c", "id -u; exit 9"], "").unwrap();
    assert_eq!((ran.code, ran.err.lines().last()), (3, Some(offered.as_str())));

    let option = format!("--allow-degraded={MISSING}");
    let ran = user.run(&["jail", &option, "--", "sh", "-c", "id -u; exit 9"], "").unwrap();
    assert_eq!((ran.code, ran.out.as_str()), (9, "1000\n"), "{}", ran.err);
    assert!(ran.err.contains("DEGRADED") && ran.err.contains("separate-uid"), "{}", ran.err);
    let ran = user.run(&["log", "--json"], "").unwrap();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("accepting the absence of limit.memory, limit.cpu"), "{}", ran.out);
}

#[test]
fn a_layer_that_does_not_exist_is_not_accepted() {
    let user = PlainUser::new("plain-odd").unwrap();
    let ran = user.run(&["jail", "--allow-degraded=limit.everything", "--", "true"], "").unwrap();
    assert_eq!(ran.code, 125);
    assert!(ran.err.contains("names no layer"), "{}", ran.err);
}

/// No id but his own exists in there, which is another refusal than the filter's; and Node, which he may not read, is shown
/// where root keeps it.
const OTHERWISE: [&str; 3] = [
    "call: root by setresuid: open, EINVAL",
    "call: root by setuid: open, EINVAL",
    "info: mounts name the host's paths: open, went through",
];

#[test]
fn every_probe_is_refused_to_a_plain_users_jail_too() {
    let user = PlainUser::new("plain-probes").unwrap();
    let option = format!("--allow-degraded={MISSING}");
    let (marker, program) = probes::program(user.home());
    let ran = user.run(&["jail", &option, "--", "python3", "-"], &program).unwrap();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let all = probes::verdicts(ran.out.as_bytes());
    assert!(all.len() > 300);
    let open = probes::but(&all, "shut");
    assert_eq!(
        open.iter().filter(|probe| !OTHERWISE.contains(&probe.as_str())).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    assert!(marker.lives());
}
