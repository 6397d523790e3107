//! What a decision costs, without door and ledger: 10,000 hosts, and 1,000 entries with conditions among them; and the same
//! with 100 rules in Cedar.
//!
//! `make bench` prints the mean, the median and the 99th percentile in microseconds. It takes no argument.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use creel_guard::{Action, Facts, HostName, Judge, Target};
use creel_policy::{
    Conditions, Config, Credentials, EgressAllow, Glob, HeaderRule, HostPattern, Operator, PathGlob, Policy, QueryRule,
    examples,
};

type Failure = Box<dyn std::error::Error>;

/// Decisions of each kind.
const ROUNDS: usize = 100_000;

fn main() -> Result<(), Failure> {
    let policy = policy()?;
    let targets = [
        ("host known by name", "host7777.example.com"),
        ("host below a wildcard", "a.b.wild500.example.net"),
        ("host unknown", "nobody.evil.example.org"),
    ];
    for (name, host) in targets {
        let target = Target::Host(HostName::parse(host)?);
        let start = now();
        for _ in 0..10 * ROUNDS {
            black_box(policy.speaks_of(black_box(&target)));
        }
        let each = start.elapsed().as_secs_f64() * 1e6 / (10 * ROUNDS) as f64;
        writeln!(std::io::stdout(), "{name:<44} {each:>7.3} us")?;
    }
    for (name, act) in [
        ("allowed, no conditions", "send GET https://host7777.example.com/v1/things?page=2"),
        ("allowed, every condition", "send GET https://api777.example.com/v1/items/7?page=2 with x-version=2026-01"),
        ("allowed, below a wildcard", "send GET https://a.b.wild500.example.net/v1/things"),
        ("refused, unknown host", "send GET https://nobody.evil.example.org/"),
        ("refused, another path", "send GET https://api777.example.com/v2/items with x-version=2026-01"),
    ] {
        let (action, facts) = examples::parse(act)?;
        measure(name, &policy, &action, &facts)?;
    }
    writeln!(std::io::stdout(), "with 100 rules of the operator's in Cedar besides")?;
    let mut config = policy.config().clone();
    config.operator = Operator::read(vec![("house.cedar".to_owned(), rules())]).map_err(|error| error.to_string())?;
    let policy = Policy::new(config);
    for (name, act) in [
        ("allowed, every condition", "send GET https://api777.example.com/v1/items/7?page=2 with x-version=2026-01"),
        ("refused by a rule of theirs", "send POST https://host77.example.com/v1/things body 2000000"),
        ("a program, allowed", "run git status"),
    ] {
        let (action, facts) = examples::made(&policy, act)?;
        measure(name, &policy, &action, &facts)?;
    }
    Ok(())
}

/// Rules of the kinds that people write: by host and size, by program and words, by tool.
fn rules() -> String {
    (0..100)
        .map(|n| match n % 4 {
            0 => format!(
                r#"@id("size-{n}") forbid(principal, action == Creel::Action::"send", resource in Creel::Host::"example.com")
                   when {{ context has body && context.body > {} }};"#,
                1_000_000 + n
            ),
            1 => format!(
                r#"@id("host-{n}") @verdict("ask") forbid(principal is Creel::Agent, action == Creel::Action::"send",
                   resource == Creel::Host::"other{n}.example.com");"#
            ),
            2 => format!(
                r#"@id("program-{n}") forbid(principal, action == Creel::Action::"run", resource)
                   when {{ resource.path like "*/tool{n}" || context.words.contains("tool{n}") }};"#
            ),
            _ => format!(
                r#"@id("tool-{n}") @verdict("ask") forbid(principal, action == Creel::Action::"call",
                   resource == Creel::Tool::"tool{n}");"#
            ),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn measure(name: &str, policy: &Policy, action: &Action, facts: &Facts) -> Result<(), Failure> {
    let mut each: Vec<f64> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = now();
        black_box(policy.judge(black_box(action), black_box(facts)));
        each.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let mean = each.iter().sum::<f64>() / ROUNDS as f64;
    each.sort_by(f64::total_cmp);
    let (p50, p99) = (each.get(ROUNDS / 2).ok_or("no rounds")?, each.get(ROUNDS * 99 / 100).ok_or("no rounds")?);
    writeln!(std::io::stdout(), "{name:<44} {mean:>7.3} us  p50 {p50:>7.3}  p99 {p99:>7.3}")?;
    Ok(())
}

/// 10,000 names, 1,000 of them with every condition that reads no body, and 1,000 wildcards.
fn policy() -> Result<Policy, Failure> {
    let mut entries = Vec::new();
    for n in 0..9_000 {
        entries.push(EgressAllow::new(HostPattern::parse(&format!("host{n}.example.com"))?, vec![443]));
    }
    for n in 0..1_000 {
        entries.push(EgressAllow {
            methods: Some(vec!["GET".to_owned(), "POST".to_owned()]),
            paths: Some(vec![PathGlob::parse("/v1/users/**")?, PathGlob::parse("/v1/items/*")?]),
            when: Conditions {
                query: Some(vec![QueryRule { name: "page".to_owned(), value: Glob::new("*") }]),
                headers: vec![HeaderRule { name: "x-version".to_owned(), value: Some(Glob::new("2026-*")) }],
                max_body: Some(1024),
                credentials: Credentials::None,
                ..Conditions::default()
            },
            ..EgressAllow::new(HostPattern::parse(&format!("api{n}.example.com"))?, vec![443])
        });
        entries.push(EgressAllow::new(HostPattern::parse(&format!("*.wild{n}.example.net"))?, vec![443]));
    }
    Ok(Policy::new(Config { generation: 1, egress_allow: entries, ..Config::default() }))
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}
