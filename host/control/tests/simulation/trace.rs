//! Everything that happened, as one number; and as lines, if somebody wants to read them.

use std::fmt::{Display, Write as _};

/// The trace of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    line: String,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// `is_told` says whether lines are kept.
    pub(crate) fn new(is_told: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, line: String::new(), lines: is_told.then(Vec::new) }
    }

    pub(crate) fn say(&mut self, now_ms: u64, addon: Option<usize>, what: impl Display) {
        self.line.clear();
        let written = match addon {
            Some(number) => write!(self.line, "{now_ms:>9} #{number} {what}"),
            None => write!(self.line, "{now_ms:>9} {what}"),
        };
        written.unwrap();
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.clone());
        }
    }

    /// The same for runs that went the same way.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
