//! Server-sent events, split and read strictly.
//!
//! Owns [`Splitter`]: bytes in any pieces become whole events that keep their bytes as they came. What two readers could
//! split differently (a bare CR, an unknown field) is refused, and nothing is ever shortened. Used on the way back from
//! the provider (WHATWG HTML, section 9.2.6).

use bytes::{Bytes, BytesMut};

/// The longest event; a model's longest call is far below.
pub(super) const MAX_EVENT_BYTES: usize = 8 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// The very bytes, with the line that ends it.
    pub(super) raw: Bytes,
    /// The last `event` field.
    pub(super) name: Option<String>,
    /// The `data` fields, joined by line feeds.
    pub(super) data: Option<String>,
}

/// Cuts a stream into events.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    buffer: BytesMut,
    /// Where the line begins that is looked at.
    line: usize,
    /// How far the search for its end has come.
    seen: usize,
    begun: bool,
}

impl Splitter {
    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, when there is one.
    ///
    /// # Errors
    /// What is wrong with the stream.
    pub(super) fn next_event(&mut self) -> Result<Option<Event>, String> {
        while let Some(at) = self.buffer.get(self.seen..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
            let end = self.seen + at + 1;
            let line = self.buffer.get(self.line..end).unwrap_or_default();
            let blank = matches!(line, b"\n" | b"\r\n");
            (self.line, self.seen) = (end, end);
            if blank {
                return self.take(end).map(Some);
            }
        }
        self.seen = self.buffer.len();
        if self.seen > MAX_EVENT_BYTES {
            return Err("an event is longer than 8 MiB".to_owned());
        }
        Ok(None)
    }

    /// What is left when the stream has ended, as if an empty line followed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn rest(&mut self) -> Result<Option<Event>, String> {
        let left = self.buffer.len();
        if left == 0 { Ok(None) } else { self.take(left).map(Some) }
    }

    fn take(&mut self, end: usize) -> Result<Event, String> {
        let raw = self.buffer.split_to(end).freeze();
        (self.line, self.seen) = (0, 0);
        if raw.len() > MAX_EVENT_BYTES {
            return Err("an event is longer than 8 MiB".to_owned());
        }
        let text = std::str::from_utf8(&raw).map_err(|_| "an event is no UTF-8".to_owned())?;
        let text = if self.begun { text } else { text.strip_prefix('\u{feff}').unwrap_or(text) };
        self.begun = true;
        let (name, data) = fields(text)?;
        Ok(Event { raw, name, data })
    }
}

fn fields(text: &str) -> Result<(Option<String>, Option<String>), String> {
    let mut name = None;
    let mut data: Option<String> = None;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.contains('\r') {
            return Err("a line of an event holds a bare CR".to_owned());
        }
        if line.is_empty() || line.starts_with(':') {
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            },
            "event" => name = Some(value.to_owned()),
            "id" | "retry" => {}
            _ => return Err("an event holds an unknown field".to_owned()),
        }
    }
    Ok((name, data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(pieces: &[&[u8]]) -> Result<Vec<Event>, String> {
        let mut splitter = Splitter::default();
        let mut events = Vec::new();
        for piece in pieces {
            splitter.push(piece);
            while let Some(event) = splitter.next_event()? {
                events.push(event);
            }
        }
        events.extend(splitter.rest()?);
        Ok(events)
    }

    #[test]
    fn reads_fields() {
        let events =
            split(&[b"\xef\xbb\xbfevent: a\r\ndata: 1\r\ndata:2\r\nid: x\r\n\r\n: hi\n\ndata: \xc3\xa9"]).unwrap();
        let shapes: Vec<_> = events.iter().map(|event| (event.name.as_deref(), event.data.as_deref())).collect();
        assert_eq!(shapes, [(Some("a"), Some("1\n2")), (None, None), (None, Some("é"))]);
    }

    #[test]
    fn refuses_what_is_ambiguous() {
        for bad in [&b"data: a\rdata: b\n\n"[..], b"Data: a\n\n", b" data: a\n\n", b"data: \xff\n\n", b"{\"a\":1}"] {
            assert!(split(&[bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut splitter = Splitter::default();
        splitter.push(b"data: ");
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..8 {
            splitter.push(&piece);
        }
        assert!(splitter.next_event().is_err());
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            text in "((data: |event: |: |id: |data:)[a-zé{}\"]{0,6}(\n|\r\n|\n\n|\r\n\r\n)){0,12}",
            cuts in proptest::collection::vec(0usize..200, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            let whole = split(&[bytes]).unwrap();
            prop_assert_eq!(&split(&pieces).unwrap(), &whole);
            prop_assert_eq!(&split(&single).unwrap(), &whole);
            let back: Vec<u8> = whole.iter().flat_map(|event| event.raw.to_vec()).collect();
            prop_assert_eq!(back, bytes);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _events = split(&[&bytes]);
        }
    }
}
