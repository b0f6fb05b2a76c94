//! The only place that prints.

use std::io::{self, ErrorKind, IsTerminal, Write};

use serde_json::Value;

use super::failure::{Failure, Kind, Result};
use super::text;

/// How a command prints.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Out {
    /// Results as the API's JSON.
    pub(crate) json: bool,
    /// No confirmations, no progress.
    pub(crate) quiet: bool,
}

impl Out {
    /// Prints a result: the API's JSON, or what `for_people` makes.
    pub(crate) fn result(self, value: &Value, for_people: impl FnOnce() -> Result<String>) -> Result<()> {
        if self.json { self.json(value) } else { self.text(&for_people()?) }
    }

    /// Prints JSON over several lines.
    pub(crate) fn json(self, value: &Value) -> Result<()> {
        let pretty = serde_json::to_string_pretty(value).map_err(io::Error::from);
        pretty.and_then(|json| write(&format!("{}\n", text::json(&json)))).map_err(lost)
    }

    /// Prints JSON on one line, for streams.
    pub(crate) fn json_line(self, value: &Value) -> Result<()> {
        write(&format!("{}\n", text::json(&value.to_string()))).map_err(lost)
    }

    /// Prints text that is harmless already.
    pub(crate) fn text(self, text: &str) -> Result<()> {
        write(text).map_err(lost)
    }

    /// Prints text for other programs: exact, save on a terminal.
    pub(crate) fn exact(self, text: &str) -> Result<()> {
        if io::stdout().is_terminal() { self.text(&text::block(text)) } else { self.text(text) }
    }

    /// Confirms what was done; programs get that from the exit code and the JSON.
    pub(crate) fn done(self, message: &str) -> Result<()> {
        if self.json || self.quiet { Ok(()) } else { self.text(&format!("{}\n", text::line(message))) }
    }

    /// Says something beside the result.
    pub(crate) fn note(self, message: &str) {
        if !self.quiet {
            complain(&format!("{}\n", text::line(message)));
        }
    }

    /// Says what went wrong without ending the command.
    pub(crate) fn trouble(self, message: &str) {
        complain(&format!("error: {}\n", text::line(message)));
    }
}

/// Whether a person looks at the progress.
pub(crate) fn has_audience() -> bool {
    io::stderr().is_terminal()
}

/// Tells why a command failed.
pub(crate) fn failure(failure: &Failure, json: bool) {
    if failure.kind == Kind::ReaderGone {
        return;
    }
    if json {
        complain(&format!("{}\n", text::json(&format!("{:#}", failure.for_programs()))));
    } else {
        complain(&failure.for_people());
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn complain(text: &str) {
    // Without standard error nobody is left to be told.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A closed pipe is how a reader says that it has seen enough.
fn lost(error: io::Error) -> Failure {
    let kind = if error.kind() == ErrorKind::BrokenPipe { Kind::ReaderGone } else { Kind::Failed };
    Failure::new(kind, "output_lost", format!("the output could not be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error() {
        assert_eq!(lost(ErrorKind::BrokenPipe.into()).kind.exit_code(), 0);
        assert_eq!(lost(ErrorKind::StorageFull.into()).kind.exit_code(), 1);
    }
}
