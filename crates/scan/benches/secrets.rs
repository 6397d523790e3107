//! What a look for secrets costs: `cargo bench -p creel-scan --bench secrets`.
//!
//! Owns the texts and the clock; it asserts nothing, since machines differ. The targets, a core, on clean text: 1 GB/s for 1,000
//! known values in all their forms, 300 MB/s with all kinds of credentials on top, 150 µs for a response of 10 KB through
//! everything. With a path as argument it writes values and text there, for other programs to search.

use std::hint::black_box;
use std::time::Duration;

use creel_scan::injection::{Channel, scan};
use creel_scan::secrets::{Known, Scanner};

/// A text is so long.
const SIZE: usize = 32 << 20;
/// A response is so long.
const RESPONSE: usize = 10_000;

const WORDS: [&str; 48] = [
    "the",
    "of",
    "budget",
    "meeting",
    "and",
    "report",
    "was",
    "returned",
    "error",
    "request",
    "on",
    "Tuesday",
    "library",
    "open",
    "until",
    "path",
    "server",
    "item",
    "price",
    "with",
    "blue",
    "user",
    "session",
    "expired",
    "at",
    "value",
    "for",
    "commit",
    "merge",
    "branch",
    "test",
    "passed",
    "warning",
    "deprecated",
    "function",
    "call",
    "in",
    "line",
    "module",
    "please",
    "send",
    "invoice",
    "number",
    "to",
    "office",
    "before",
    "noon",
    "thanks",
];

/// Always the same numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }

    fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..count).filter_map(|_| LETTERS.get(self.roll(LETTERS.len())).copied().map(char::from)).collect()
    }
}

/// Prose, rows of JSON and lines of a log.
fn clean(size: usize) -> String {
    let mut dice = Dice(7);
    let mut text = String::with_capacity(size + 200);
    while text.len() < size {
        match dice.roll(4) {
            0 => text.push_str(&format!("{{\"id\": {}, \"name\": \"", dice.roll(100_000))),
            1 => text.push_str(&format!(
                "2026-12-0{} 10:{:02}:07 INFO [worker-{}] ",
                1 + dice.roll(9),
                dice.roll(60),
                dice.roll(8)
            )),
            _ => {}
        }
        for _ in 0..4 + dice.roll(12) {
            text.push_str(WORDS.get(dice.roll(WORDS.len())).unwrap_or(&"x"));
            text.push(' ');
        }
        text.push_str(if dice.roll(3) == 0 { "\"},\n" } else { ".\n" });
    }
    text.truncate(size);
    text
}

fn known(values: &[String]) -> Known {
    let ids: Vec<String> = (0..values.len()).map(|at| format!("value-{at}")).collect();
    Known::new(ids.iter().map(String::as_str).zip(values.iter().map(String::as_bytes)))
}

fn main() {
    let mut dice = Dice(11);
    let values: Vec<String> = (0..1000).map(|at| dice.letters(24 + at % 25)).collect();
    let text = clean(SIZE);
    if let Some(folder) = std::env::args().nth(1).filter(|word| word.starts_with('/')) {
        write_down(&folder, &values, &text);
    }
    let (thousand, few) = (known(&values), known(values.get(..20).unwrap_or_default()));
    let bytes = text.as_bytes();
    speed("1,000 known values", bytes.len(), 5, || thousand.find(bytes).len());
    speed("20 known values", bytes.len(), 5, || few.find(bytes).len());
    let all = Scanner::new(known(&values));
    let part = bytes.get(..SIZE / 8).unwrap_or_default();
    speed("1,000 known values, all kinds, decoded", part.len(), 3, || all.scan(part).len());
    let alone = Scanner::known_only(known(values.get(..20).unwrap_or_default()));
    speed("20 known values, decoded", part.len(), 3, || alone.scan(part).len());
    let response = clean(RESPONSE);
    let twenty = Scanner::new(known(values.get(..20).unwrap_or_default()));
    let bytes = response.as_bytes();
    took("10 KB: secrets, canaries, decoded", || twenty.scan(bytes).len());
    took("10 KB: known values alone, decoded", || alone.scan(bytes).len());
    took("10 KB: injection", || scan(&response, Channel::ToolResult).spans.len());
    took("10 KB: all of it", || twenty.scan(bytes).len() + scan(&response, Channel::ToolResult).spans.len());
}

fn speed(what: &str, length: usize, times: usize, run: impl Fn() -> usize) {
    let took = fastest(times, run);
    report(&format!("{what:<42} {:>8.0} MB/s\n", length as f64 / took.as_secs_f64() / 1e6));
}

fn took(what: &str, run: impl Fn() -> usize) {
    let took = fastest(200, run);
    report(&format!("{what:<42} {:>8.0} µs\n", took.as_secs_f64() * 1e6));
}

/// The fastest of many runs: what the code costs when nothing disturbs it.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn fastest(times: usize, run: impl Fn() -> usize) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..times {
        let start = std::time::Instant::now();
        black_box(run());
        best = best.min(start.elapsed());
    }
    best
}

fn write_down(folder: &str, values: &[String], text: &str) {
    let done = std::fs::write(format!("{folder}/values.txt"), values.join("\n"))
        .and_then(|()| std::fs::write(format!("{folder}/text.txt"), text));
    report(&format!("{folder}: {done:?}\n"));
}

fn report(line: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(line.as_bytes());
}
