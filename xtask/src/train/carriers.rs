//! Harmless texts in the wrappings that attacks come in.
//!
//! Owns the wrappings and the cuts. The attacks of the development set are buried in JSON, HTML and comments that its
//! harmless texts lack, and a model would learn the wrapping; so each harmless text teaches once more, cut and wrapped.
//! Called when the set is read.

use super::learn::Random;
use super::rows::Row;

/// Harmless rows, cut and wrapped, by the sources of those that they were made of.
pub(crate) fn wrapped(rows: &[Row]) -> Vec<Row> {
    let mut random = Random::new();
    let harmless = rows.iter().filter(|row| !row.is_attack && row.may_train && row.hard != "encoded_benign");
    harmless.map(|row| Row { text: wrap(&cut(&row.text, &mut random), &mut random), ..row.clone() }).collect()
}

/// Some words in a row; one time in three the first ones.
fn cut(text: &str, random: &mut Random) -> String {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    let start = if random.below(3) == 0 { 0 } else { random.below(words.len()) };
    let count = [4, 8, 16, 40, 120].get(random.below(5)).copied().unwrap_or(16);
    words.into_iter().skip(start).take(count).collect()
}

fn wrap(text: &str, random: &mut Random) -> String {
    let json = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let html = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#x27;")
    };
    match random.below(14) {
        0 => format!("{{\"status\": \"ok\", \"content\": {}}}", json(text)),
        1 => format!("{{\"result\": {}, \"error\": null}}", json(text)),
        2 => format!("[{{\"id\": {}, \"title\": {}, \"done\": false}}]", random.below(9000), json(text)),
        3 => format!("<html><body><p>{}</p></body></html>", html(text)),
        4 => format!("<p>Welcome</p><div style=\"display:none\">{}</div>", html(text)),
        5 => format!("# {text}"),
        6 => format!("// {text}"),
        7 => format!("/* {text} */"),
        8 => format!("<!-- {text} -->"),
        9 => format!("{{\"query\": {}, \"doc1\": {}}}", json(text), json(text)),
        10 => format!("SYSTEM: {text}"),
        11 => format!("Subject: {text}"),
        _ => text.to_owned(),
    }
}
