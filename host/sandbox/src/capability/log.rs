//! `larder:host/log`, and the one buffer in which all that a guest writes in a call ends: log lines, standard output
//! and standard error.
//!
//! The buffer is bounded in bytes, in lines and in the length of a line, so a flood costs the guest its CPU time and
//! the host nothing. What is kept is the beginning: the first line that does not fit closes the log, and everything
//! from there on is only counted. Lines go to terminals, so none keeps a control character.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_domain::limits::LogAllowance;
use larder_domain::ports::runtime::LogLine;

use crate::bindings::log::{Host, Level};

/// Longer lines are kept in pieces of so many bytes.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// So many lines are kept of one call, however short.
const LINES_MAX: usize = 2000;
/// A line takes so much of what a provider may log in a minute, beside its text: storing it costs more than its bytes.
const LINE_COST_BYTES: usize = 64;
/// So many lines of standard error are quoted as a guest's last words.
const LAST_WORDS_LINES: usize = 4;

/// The log of a call; its copies are one.
#[derive(Clone)]
pub(crate) struct CallLog(Arc<Mutex<Buffer>>);

/// Where a guest's output streams lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Output {
    const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl CallLog {
    /// An empty log that keeps so many bytes, and no more than the provider's calls have left together.
    pub(crate) fn new(bytes_max: usize, allowance: Arc<LogAllowance>) -> Self {
        let kept = Kept { lines: vec![], bytes_max, room: bytes_max, allowance, dropped_bytes: 0 };
        Self(Arc::new(Mutex::new(Buffer { kept, begun: Default::default() })))
    }

    /// Adds what a guest wrote to a stream.
    pub(crate) fn output(&self, output: Output, bytes: &[u8]) {
        self.buffer().output(output, bytes);
    }

    /// The lines so far. The log is empty afterwards.
    pub(crate) fn take(&self) -> Vec<LogLine> {
        self.buffer().take()
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        // A buffer whose writer panicked is as good as before: at worst a line is missing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for CallLog {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let stream = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.buffer().kept.line(stream, message.as_bytes());
        Ok(())
    }
}

/// What a guest wrote to standard error in the end; that is where panics go.
pub(crate) fn last_words(log: &[LogLine]) -> Option<String> {
    let said = |line: &&LogLine| {
        line.stream == Output::Stderr.name()
            && !line.text.trim().is_empty()
            && !line.text.starts_with("note: run with `RUST_BACKTRACE=")
    };
    let mut words: Vec<&str> =
        log.iter().rev().filter(said).take(LAST_WORDS_LINES).map(|line| line.text.as_str()).collect();
    words.reverse();
    (!words.is_empty()).then(|| words.join("\n"))
}

struct Buffer {
    kept: Kept,
    /// The lines that standard output and standard error have begun.
    begun: [Vec<u8>; 2],
}

impl Buffer {
    fn output(&mut self, output: Output, bytes: &[u8]) {
        if self.kept.is_closed() {
            return self.kept.count(bytes.len());
        }
        let begun = &mut self.begun[output as usize];
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(part);
            if begun.ends_with(b"\n") {
                self.kept.line(output.name(), &std::mem::take(begun));
            } else if begun.len() >= LINE_BYTES_MAX {
                let rest = begun.split_off(whole_characters(begun));
                self.kept.line(output.name(), &std::mem::replace(begun, rest));
            }
        }
    }

    fn take(&mut self) -> Vec<LogLine> {
        for output in [Output::Stdout, Output::Stderr] {
            let begun = std::mem::take(&mut self.begun[output as usize]);
            if !begun.is_empty() {
                self.kept.line(output.name(), &begun);
            }
        }
        self.kept.take()
    }
}

/// The lines that fit.
struct Kept {
    lines: Vec<LogLine>,
    bytes_max: usize,
    /// Bytes that still fit; none once a line did not.
    room: usize,
    /// What the provider's calls may write together.
    allowance: Arc<LogAllowance>,
    dropped_bytes: usize,
}

impl Kept {
    fn is_closed(&self) -> bool {
        self.room == 0
    }

    fn count(&mut self, dropped_bytes: usize) {
        self.dropped_bytes = self.dropped_bytes.saturating_add(dropped_bytes);
    }

    fn line(&mut self, stream: &'static str, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
        while rest.len() > LINE_BYTES_MAX {
            let (piece, next) = rest.split_at(whole_characters(&rest[..LINE_BYTES_MAX]));
            self.piece(stream, piece);
            rest = next;
        }
        self.piece(stream, rest);
    }

    fn piece(&mut self, stream: &'static str, piece: &[u8]) {
        // The line's end counts too, so that empty lines are not free.
        let ended_bytes = piece.len() + 1;
        if self.is_closed() {
            return self.count(ended_bytes);
        }
        let text = printable(&String::from_utf8_lossy(piece)).into_owned();
        let line_bytes = text.len() + 1;
        match self.room.checked_sub(line_bytes) {
            Some(room) if self.lines.len() < LINES_MAX && self.allowance.take(line_bytes + LINE_COST_BYTES) => {
                self.room = room;
                self.lines.push(LogLine { stream, text });
            }
            _ => {
                self.room = 0;
                self.count(ended_bytes);
            }
        }
    }

    fn take(&mut self) -> Vec<LogLine> {
        if self.dropped_bytes > 0 {
            let (dropped, of_a_call) = (self.dropped_bytes, self.bytes_max);
            let a_minute = self.allowance.bytes_per_minute();
            let text = format!(
                "{dropped} more bytes were written; {of_a_call} are kept of a call, and {a_minute} a minute of a provider"
            );
            // Once nothing more may be written, this is not either.
            if self.allowance.take(text.len() + LINE_COST_BYTES) {
                self.lines.push(LogLine { stream: "host", text });
            }
        }
        std::mem::take(&mut self.lines)
    }
}

/// How many of the bytes can be cut off without cutting through a character.
fn whole_characters(bytes: &[u8]) -> usize {
    let is_lead = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let Some(back) = bytes.iter().rev().take(4).position(is_lead) else { return bytes.len() };
    let lead = bytes.len() - 1 - back;
    let width = match bytes[lead] {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    };
    if lead + width > bytes.len() && lead > 0 { lead } else { bytes.len() }
}

/// The text with everything escaped that a terminal would obey.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests;
