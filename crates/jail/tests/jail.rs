//! Real jails, built and torn down by the code under test. Needs root, and fails without.
//!
//! The same program is the stage and PID 1: `main` looks at its first argument, as the product's binary does. So there is
//! no test harness, and the tests run one after the other.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tests, which clippy does not recognise without the harness"
)]

#[path = "jail/box_under_test.rs"]
mod box_under_test;
#[path = "jail/engines.rs"]
mod engines;
#[path = "jail/inner_wall.rs"]
mod inner_wall;
#[path = "jail/life.rs"]
mod life;
#[path = "jail/walls.rs"]
mod walls;

use std::panic::catch_unwind;

use creel_jail_sys::process::{LINK_FD, inherited};

fn main() {
    if creel_jail::is_launcher() {
        std::process::exit(creel_jail::launch_main());
    }
    match std::env::args().nth(1).as_deref() {
        Some("stage") => std::process::exit(creel_jail::stage_main(inherited(LINK_FD).unwrap())),
        Some("init") => std::process::exit(creel_jail::init_main(inherited(LINK_FD).unwrap())),
        Some("wall") => {
            let (link, listener) = (inherited(LINK_FD).unwrap(), inherited(creel_jail::LISTENER_FD).unwrap());
            std::process::exit(creel_jail::wall_main(link, listener))
        }
        Some("guard") => std::process::exit(walls::confined_guard()),
        Some("confined-porter") => std::process::exit(walls::confined_porter()),
        Some("confined-warden") => std::process::exit(walls::confined_warden()),
        Some("greedy-guard") => std::process::exit(walls::greedy(false)),
        Some("greedy-warden") => std::process::exit(walls::greedy(true)),
        Some("plain") => std::process::exit(engines::as_a_plain_user()),
        Some("warden") => life::warden_to_be_killed(),
        filter => run(filter.filter(|text| !text.starts_with('-'))),
    }
}

fn run(filter: Option<&str>) {
    let all: Vec<(&str, fn())> = [walls::TESTS, life::TESTS, engines::TESTS, inner_wall::TESTS].concat();
    let chosen: Vec<_> = all.iter().filter(|(name, _)| filter.is_none_or(|text| name.contains(text))).collect();
    println!("\nrunning {} tests", chosen.len());
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    std::fs::remove_dir_all(box_under_test::state_dir()).unwrap();
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out",
        chosen.len() - failed.len(),
        failed.len(),
        all.len() - chosen.len()
    );
    if !failed.is_empty() {
        println!("failed: {failed:?}");
        std::process::exit(101);
    }
}
