//! What a look at a text costs: `cargo bench -p creel-scan`.
//!
//! Owns the texts and the clock; it asserts nothing, since machines differ. The targets are 80 MB/s a core, and 60 µs for
//! 4 KiB.

use std::hint::black_box;
use std::time::Duration;

use creel_scan::injection::{Channel, scan};

/// Prose as a web page or a mail has it.
const PROSE: &str = "The committee met on Tuesday to discuss the budget for the coming year. Members asked for more time to \
    read the report, which was sent out late; the chair agreed and moved the vote to next week. In other business, the \
    library will stay open until eight on Thursdays, and volunteers are wanted for the spring fair. \n";

/// Rows as a tool gives them.
const ROWS: &str = "{\"id\": 4711, \"name\": \"Backpack\", \"price\": 41.25, \"tags\": [\"outdoor\", \"blue\"], \"url\": \
    \"https://shop.test/items/4711?ref=list\"},\n";

/// Markup as a page has it.
const PAGE: &str = "<div class=\"item\"><h2>Caf\u{e9} news &amp; more</h2><p>We open at nine. <a href=\"/menu?x=1\">Menu</a></p>\
    <!-- rendered by template 12 of the shop --></div>\n";

fn main() {
    for (name, unit) in [("prose", PROSE), ("json", ROWS), ("html", PAGE)] {
        for size in [4 << 10, 1 << 20] {
            let text = unit.repeat(size / unit.len());
            let took = fastest(|| black_box(scan(black_box(&text), Channel::Web)).spans.len());
            let speed = text.len() as f64 / took.as_secs_f64() / 1e6;
            report(&format!("{name:<6} {:>8} bytes: {took:>10.1?}, {speed:>6.1} MB/s\n", text.len()));
        }
    }
}

/// The fastest of many runs: what the code costs when nothing disturbs it.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn fastest(run: impl Fn() -> usize) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..60 {
        let start = std::time::Instant::now();
        black_box(run());
        best = best.min(start.elapsed());
    }
    best
}

fn report(line: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(line.as_bytes());
}
