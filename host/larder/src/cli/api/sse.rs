//! Reads a stream of server-sent events (WHATWG HTML, section 9.2), piece by piece as it arrives.

/// The longest line, and the longest event, in bytes.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// One event that is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The last identifier that the stream told; empty if none yet.
    pub(crate) id: String,
    /// The lines of its data.
    pub(crate) data: String,
}

/// A line or an event is longer than any of Larder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// What has been read of a stream so far.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    has_begun: bool,
    id: String,
    data: Option<String>,
}

impl Parser {
    /// Takes the next piece; returns the events that it completes. What follows the last empty line
    /// stays for the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in piece {
            let second_half = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                _ if second_half => {}
                b'\r' | b'\n' => events.extend(self.end_line()?),
                byte if self.line.len() < EVENT_BYTES_MAX => self.line.push(byte),
                _ => return Err(TooLong),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<Event>, TooLong> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = if self.has_begun { &*line } else { line.trim_start_matches('\u{feff}') };
        self.has_begun = true;
        if line.is_empty() {
            return Ok(self.data.take().map(|data| Event { id: self.id.clone(), data }));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "data" => self.add_data(value)?,
            // `event` repeats what the data says, `retry` is ours to decide, and comments keep the stream alive.
            _ => {}
        }
        Ok(None)
    }

    fn add_data(&mut self, value: &str) -> Result<(), TooLong> {
        match &mut self.data {
            None => self.data = Some(value.to_owned()),
            Some(data) if data.len() + value.len() < EVENT_BYTES_MAX => {
                data.push('\n');
                data.push_str(value);
            }
            Some(_) => return Err(TooLong),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        parser.push(text.as_bytes()).unwrap().into_iter().map(|event| (event.id, event.data)).collect()
    }

    fn event(id: &str, data: &str) -> (String, String) {
        (id.to_owned(), data.to_owned())
    }

    #[test]
    fn events_end_with_an_empty_line_whatever_the_line_ends() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = "id: 7\nevent: call\ndata: {}\n\ndata:x\n\n".replace('\n', end);
            assert_eq!(parse(&stream), [event("7", "{}"), event("7", "x")], "{end:?}");
        }
    }

    #[test]
    fn comments_and_unknown_fields_are_skipped() {
        assert_eq!(parse(": keep-alive\n\nretry: 10\nfoo: bar\ndata: x\n\n"), [event("", "x")]);
        assert_eq!(parse("id: 1\n\n"), []);
    }

    #[test]
    fn data_may_have_several_lines() {
        assert_eq!(parse("data: one\ndata\ndata:  two\n\n"), [event("", "one\n\n two")]);
    }

    #[test]
    fn an_event_that_was_cut_off_is_not_told() {
        assert_eq!(parse("data: whole\n\ndata: half"), [event("", "whole")]);
    }

    #[test]
    fn pieces_may_end_anywhere() {
        let stream = "\u{feff}id: 1\r\ndata: ä漢\r\n\r\nid: 2\r\ndata: y\r\n\r\n".as_bytes();
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> = stream.chunks(size).flat_map(|piece| parser.push(piece).unwrap()).collect();
            let found: Vec<_> = events.into_iter().map(|event| (event.id, event.data)).collect();
            assert_eq!(found, [event("1", "ä漢"), event("2", "y")], "in pieces of {size}");
        }
    }

    #[test]
    fn neither_a_line_nor_an_event_grows_without_end() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(&vec![b'x'; EVENT_BYTES_MAX + 1]), Err(TooLong));
        let mut parser = Parser::default();
        let line = format!("data:{}\n", "x".repeat(EVENT_BYTES_MAX / 2));
        assert_eq!(parser.push(line.repeat(3).as_bytes()), Err(TooLong));
    }
}
