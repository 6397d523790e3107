//! Characters that nobody sees, or that look like others.
//!
//! Owns the sets of invisible characters, the reading of texts written in tag characters and variation selectors, and
//! compatibility forms (NFKC). It never drops what a reader sees. Called by the normaliser and by the sanitiser.

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::view::View;

/// A run of invisible letters shorter than this is no text: flags and styled emoji use a few.
const SHORTEST_SECRET: usize = 4;

/// Characters without a glyph that no text needs for its meaning: zero width, soft hyphen, fillers, bidi controls.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}')
        || is_bidi(c)
}

/// Controls that turn the direction of writing.
pub(crate) fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Tag characters: a copy of ASCII that is never shown.
pub(crate) fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// Selectors of a glyph's variant; a row of them can spell bytes.
pub(crate) fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// The byte that a tag character or a selector stands for.
fn byte(c: char) -> Option<u8> {
    let code = u32::from(c);
    match c {
        '\u{e0020}'..='\u{e007e}' => u8::try_from(code - 0xe0000).ok(),
        '\u{fe00}'..='\u{fe0f}' => u8::try_from(code - 0xfe00).ok(),
        '\u{e0100}'..='\u{e01ef}' => u8::try_from(code - 0xe0100 + 16).ok(),
        _ => None,
    }
}

/// The text as read, and what stands in it in invisible letters. `None`: nothing to change.
pub(crate) fn clean(text: &str) -> Option<(View, View)> {
    if is_settled(text) {
        return None;
    }
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let mut view = View::with_capacity(text.len());
    let mut secret = View::default();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let mut end = at + c.len_utf8();
        if c.is_ascii() {
            if !u8::try_from(c).is_ok_and(is_control) {
                // A run at a time: most of most texts is ASCII.
                while let Some((next, _)) = rest.next_if(|(_, c)| matches!(c, ' '..='~' | '\n')) {
                    end = next + 1;
                }
                view.keep(text.get(at..end).unwrap_or_default(), at);
            }
        } else if is_tag(c) || is_selector(c) {
            let mut bytes: Vec<u8> = byte(c).into_iter().collect();
            let mut end = end;
            while let Some((next, c)) = rest.next_if(|(_, c)| is_tag(*c) || is_selector(*c)) {
                bytes.extend(byte(c));
                end = next + c.len_utf8();
            }
            spell(&bytes, at..end, &mut secret);
        } else if is_invisible(c) || matches!(c, '\u{334}'..='\u{338}') {
        } else if is_stable(c) {
            view.keep(text.get(at..end).unwrap_or_default(), at);
        } else {
            let mut end = end;
            while let Some((next, mark)) = rest.next_if(|(_, c)| matches!(c, '\u{300}'..='\u{36f}')) {
                end = next + mark.len_utf8();
            }
            compose(&nfkc, text, at..end, &mut view);
        }
    }
    Some((view, secret))
}

/// Whether every character is its own compatibility form, and is seen.
fn is_settled(text: &str) -> bool {
    if text.is_ascii() {
        return !text.bytes().any(is_control);
    }
    text.chars().all(|c| if c.is_ascii() { !u8::try_from(c).is_ok_and(is_control) } else { is_stable(c) })
}

/// Compatibility form of a piece. A mark is joined with the letter before it.
fn compose(nfkc: &ComposingNormalizerBorrowed<'_>, text: &str, range: std::ops::Range<usize>, view: &mut View) {
    let piece = text.get(range.clone()).unwrap_or_default();
    let start = if piece.starts_with(|c| matches!(c, '\u{300}'..='\u{36f}')) {
        let base = text.get(..range.start).and_then(|head| head.chars().next_back());
        match base.filter(|base| base.is_alphabetic() && view.text.ends_with(*base)) {
            Some(base) => {
                view.drop_last(base);
                range.start - base.len_utf8()
            }
            None => range.start,
        }
    } else {
        range.start
    };
    let piece = text.get(start..range.end).unwrap_or_default();
    let composed = nfkc.normalize(piece);
    if composed == piece {
        view.keep(piece, start);
    } else {
        view.put(&composed, start..range.end);
    }
}

fn spell(bytes: &[u8], from: std::ops::Range<usize>, secret: &mut View) {
    if bytes.len() < SHORTEST_SECRET {
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let printable = text.chars().filter(|c| c.is_alphanumeric() || c.is_ascii_graphic() || *c == ' ').count();
    if printable * 10 >= text.chars().count() * 8 {
        secret.put(&text, from.clone());
        secret.put("\n", from);
    }
}

pub(crate) fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f
}

/// Letters of the common scripts that are their own compatibility form.
fn is_stable(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{131}' | '\u{134}'..='\u{13e}' | '\u{141}'..='\u{148}' | '\u{14a}'..='\u{17e}'
        | '\u{391}'..='\u{3c9}' | '\u{400}'..='\u{52f}' | '\u{5d0}'..='\u{5ea}' | '\u{620}'..='\u{64a}'
        | '\u{904}'..='\u{939}' | '\u{e01}'..='\u{e30}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{2010}'..='\u{201f}')
        && c != '\u{2011}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, plain: &str, hidden: &str) {
        let (view, secret) = clean(text).unwrap();
        assert_eq!((view.text.as_str(), secret.text.trim()), (plain, hidden));
    }

    fn tagged(text: &str) -> String {
        text.bytes().filter_map(|byte| char::from_u32(0xe0000 + u32::from(byte))).collect()
    }

    #[test]
    fn what_nobody_sees_is_taken_out_and_read() {
        check("ig\u{200b}no\u{ad}re\u{202e}", "ignore", "");
        check(&format!("hi{}", tagged("send it")), "hi", "send it");
        check("ｉｇｎｏｒｅ ﬁle", "ignore file", "");
        check("e\u{301}te\u{301}", "été", "");
        check("\u{7}bell", "bell", "");
        assert!(clean("plain").is_none());
    }

    #[test]
    fn flags_and_emoji_are_no_texts() {
        check("🏴\u{e0067}\u{e0062}\u{e007f} ❤\u{fe0f}", "🏴 ❤", "");
    }
}
