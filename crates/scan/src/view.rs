//! A text that stands for another, and the way back.
//!
//! Owns [`View`]: a normalised or decoded text whose every byte leads to a range of the text it was made from, through
//! as many steps as there were. It changes no text itself. Made by the normaliser, asked when a finding is reported.

use std::ops::Range;

/// A text and where its pieces come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    /// Where it starts in the view.
    at: usize,
    /// What it stands for in the original.
    from: Range<usize>,
    /// Byte for byte the same, so that a part of it leads to a part.
    same: bool,
}

impl View {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), pieces: Vec::new() }
    }

    /// The whole of `text`, unchanged.
    pub(crate) fn of(text: &str) -> Self {
        let mut view = Self::with_capacity(text.len());
        view.keep(text, 0);
        view
    }

    /// Appends text that stands in the original at `from`.
    pub(crate) fn keep(&mut self, text: &str, from: usize) {
        if text.is_empty() {
            return;
        }
        let goes_on = self.pieces.last().is_some_and(|last| last.same && last.from.end == from);
        match self.pieces.last_mut() {
            Some(last) if goes_on => last.from.end += text.len(),
            _ => self.pieces.push(Piece { at: self.text.len(), from: from..from + text.len(), same: true }),
        }
        self.text.push_str(text);
    }

    /// Appends text that stands for the range `from` of the original as a whole.
    pub(crate) fn put(&mut self, text: &str, from: Range<usize>) {
        if !text.is_empty() {
            self.pieces.push(Piece { at: self.text.len(), from, same: false });
            self.text.push_str(text);
        }
    }

    /// Appends one character that stands for `from`.
    pub(crate) fn put_char(&mut self, c: char, from: Range<usize>) {
        let mut buffer = [0; 4];
        self.put(c.encode_utf8(&mut buffer), from);
    }

    /// Takes the last character, which is `last`, away again.
    pub(crate) fn drop_last(&mut self, last: char) {
        self.text.pop();
        let end = self.text.len();
        if let Some(piece) = self.pieces.last_mut() {
            if piece.at >= end {
                self.pieces.pop();
            } else if piece.same {
                piece.from.end -= last.len_utf8();
            }
        }
    }

    /// Appends another view of the same original, on a line of its own.
    pub(crate) fn join(&mut self, other: Self) {
        if !other.text.is_empty() {
            self.text.push('\n');
            let offset = self.text.len();
            self.pieces.extend(other.pieces.into_iter().map(|piece| Piece { at: piece.at + offset, ..piece }));
            self.text.push_str(&other.text);
        }
    }

    /// The range of the original that `range` of the view stands for.
    pub(crate) fn original(&self, range: Range<usize>) -> Range<usize> {
        let start = self.point(range.start).start;
        let end = if range.end > range.start { self.point(range.end - 1).end } else { start };
        start.min(end)..end.max(start)
    }

    fn point(&self, at: usize) -> Range<usize> {
        let after = self.pieces.partition_point(|piece| piece.at <= at);
        let Some(piece) = after.checked_sub(1).and_then(|index| self.pieces.get(index)) else { return 0..0 };
        if !piece.same {
            return piece.from.clone();
        }
        let start = (piece.from.start + (at - piece.at)).min(piece.from.end);
        start..(start + 1).min(piece.from.end)
    }

    /// This view, made from the text of `parent`, as a view of what `parent` was made from.
    pub(crate) fn within(mut self, parent: &Self) -> Self {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        let total = self.text.len();
        let ends: Vec<usize> = self.pieces.iter().skip(1).map(|piece| piece.at).chain([total]).collect();
        for (piece, end) in self.pieces.into_iter().zip(ends) {
            if piece.same {
                parent.cut(piece.at, piece.from.clone(), &mut pieces);
            } else {
                pieces.push(Piece { from: parent.original(piece.from.clone()), ..piece });
            }
            debug_assert!(end >= piece.at);
        }
        self.pieces = pieces;
        self
    }

    /// The pieces that `range` of this view's text consists of, placed from `at` on.
    fn cut(&self, at: usize, range: Range<usize>, out: &mut Vec<Piece>) {
        let first = self.pieces.partition_point(|piece| piece.at <= range.start).saturating_sub(1);
        for (index, piece) in self.pieces.iter().enumerate().skip(first) {
            let end = self.pieces.get(index + 1).map_or(self.text.len(), |next| next.at);
            if piece.at >= range.end {
                break;
            }
            let (start, end) = (piece.at.max(range.start), end.min(range.end));
            if start >= end {
                continue;
            }
            let from = if piece.same {
                piece.from.start + (start - piece.at)..piece.from.start + (end - piece.at)
            } else {
                piece.from.clone()
            };
            out.push(Piece { at: at + (start - range.start), from, same: piece.same });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_leads_back_through_two_steps() {
        // "a&lt;b" → "a<b" → "<b!"
        let mut first = View::default();
        first.keep("a", 0);
        first.put("<", 1..5);
        first.keep("b", 5);
        let mut second = View::default();
        second.keep("<b", 1);
        second.put("!", 2..3);
        let both = second.within(&first);
        assert_eq!(both.text, "<b!");
        assert_eq!(both.original(0..1), 1..5);
        assert_eq!(both.original(1..2), 5..6);
        assert_eq!(both.original(0..3), 1..6);
    }
}
