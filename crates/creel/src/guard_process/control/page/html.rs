//! What people see in a browser.
//!
//! Owns the three pages and the one escaping for them (HARDENING.md 19): what the agent wrote is text, in full, with control and
//! invisible characters spelled out. No script, no link, nothing that is loaded from elsewhere.

use creel_guard::Persons;

use crate::clock::utc;
use crate::escape::for_terminal;
use crate::guard_process::Open;

/// A question with its two answers.
pub(super) fn question(open: &Open, who: &str, tenant: &str) -> String {
    let Open { id, what, until_ms, persons, yes, more, .. } = open;
    let mut body = format!(
        "<p>The agent of <b>{}</b> waits: {}. You answer as <b>{}</b>, until {}.</p>",
        escaped(tenant),
        escaped(what),
        escaped(who),
        utc(*until_ms)
    );
    if !more.is_empty() {
        body.push_str(&format!("<p>One answer is for all {} acts, each once.</p>", more.len() + 1));
    }
    body.push_str("<p>What is framed was written by the agent or by what it read. Trust nothing in it.</p>");
    for text in open.texts() {
        body.push_str(&format!("<pre>{}</pre>", escaped(text)));
    }
    if *persons == Persons::Two {
        let has =
            if yes.is_empty() { "nobody has yet".to_owned() } else { format!("{} has", escaped(&yes.join(", "))) };
        body.push_str(&format!("<p>Two people must say Yes; {has}.</p>"));
    }
    body.push_str(
        "<form method=post><button name=answer value=no>No</button> <button name=answer value=yes>Yes</button></form>",
    );
    whole(&format!("Question {id}"), &body)
}

/// One sentence.
pub(super) fn said(text: &str) -> String {
    whole("Creel", &format!("<p>{}</p>", escaped(text)))
}

/// The same for whatever is worth nothing: unknown, used, lapsed, answered.
pub(super) fn nothing() -> String {
    said("There is nothing to answer here: the link was used, has lapsed, or never was one.")
}

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta name=robots content=noindex><title>{title}</title><style>body{{font:1rem/1.5 sans-serif;max-width:60rem;\
         margin:2rem auto;padding:0 1rem}}pre{{border:1px solid;padding:1rem;white-space:pre-wrap;overflow-wrap:anywhere}}\
         button{{font:inherit;padding:.5rem 2rem}}</style><h1>{title}</h1>{body}</html>\n"
    )
}

fn escaped(text: &str) -> String {
    let text = for_terminal(text);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_agent_wrote_is_text() {
        let evil = "</pre><form action=//evil.test><script>alert(1)</script>\u{202e}\u{1b}[2J'\"&";
        let page = question(&Open::about(&[evil, "b"], Persons::Two, &["<b>root"]), "uid <i>1", "main");
        for bad in ["<script", "</pre><form", "<b>root", "<i>", "\u{202e}", "\u{1b}"] {
            assert!(!page.contains(bad), "{bad}: {page}");
        }
        for part in ["&lt;script&gt;", "\\u{202e}", "all 2 acts", "&lt;b&gt;root has", "value=yes", "<pre>b</pre>"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag(text in any::<String>()) {
            let plain = question(&Open::about(&[""], Persons::One, &[]), "root", "main");
            let page = question(&Open::about(&[&text], Persons::One, &[]), "root", "main");
            prop_assert_eq!(page.matches('<').count(), plain.matches('<').count());
        }
    }
}
