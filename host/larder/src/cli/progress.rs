//! A spinner on standard error, for people only: in a pipe, and with `--quiet`, there is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::out::{self, Out};
use super::text;

const TICK: Duration = Duration::from_millis(100);

/// Counts the bytes that a [`Spinner`] shows.
#[derive(Debug, Clone)]
pub(crate) struct Counter(Option<ProgressBar>);

impl Counter {
    /// So many bytes more.
    pub(crate) fn count(&self, bytes: usize) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes as u64);
        }
    }
}

/// What a command is waiting for, as it changes. It disappears when dropped.
#[derive(Debug)]
pub(crate) struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// Begins to spin, if somebody looks.
    pub(crate) fn start(out: Out, message: &str) -> Self {
        if out.quiet || !out::has_audience() {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(text::line(message));
        bar.enable_steady_tick(TICK);
        Self(Some(bar))
    }

    /// Begins to count bytes, if somebody looks.
    pub(crate) fn counting(out: Out, message: &str) -> Self {
        let spinner = Self::start(out, message);
        if let Some(bar) = &spinner.0
            && let Ok(style) =
                ProgressStyle::with_template("{spinner} {wide_msg} {binary_bytes} {binary_bytes_per_sec} {elapsed}")
        {
            bar.set_style(style);
        }
        spinner
    }

    /// What counts its bytes.
    pub(crate) fn counter(&self) -> Counter {
        Counter(self.0.clone())
    }

    /// Whether somebody looks: then it pays to ask for news more often.
    pub(crate) fn is_seen(&self) -> bool {
        self.0.is_some()
    }

    /// Shows something else.
    pub(crate) fn say(&self, message: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(text::line(message));
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
