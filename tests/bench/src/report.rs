//! The table.

use std::io::{IsTerminal, stderr};

use serde_json::json;

/// Which side of the bound is the good one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// The value is to be no more than this.
    AtMost(f64),
    /// The value is to be no less than this.
    AtLeast(f64),
}

/// One measured value.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) row: &'static str,
    /// What was measured.
    pub(crate) value: f64,
    /// What it is to be.
    pub(crate) bound: Bound,
    /// What it counts.
    pub(crate) unit: &'static str,
    /// How it was taken.
    pub(crate) note: String,
}

impl Row {
    fn is_ok(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.value <= most,
            Bound::AtLeast(least) => self.value >= least,
        }
    }
}

/// Says on a terminal what is being measured.
pub(crate) fn progress(name: &str) {
    if stderr().is_terminal() {
        eprintln!("measuring {name} …");
    }
}

/// Prints all rows, for people or one JSON object a line.
pub(crate) fn print(rows: &[Row], as_json: bool) {
    if !as_json {
        println!("{:<16} {:>14} {:>14}  {:<22} {:<4} note", "row", "value", "bound", "unit", "ok");
    }
    for row in rows {
        let (sign, bound) = match row.bound {
            Bound::AtMost(bound) => ("≤", bound),
            Bound::AtLeast(bound) => ("≥", bound),
        };
        if as_json {
            let line =
                json!({ "row": row.row, "value": row.value, "bound": bound, "unit": row.unit, "ok": row.is_ok() });
            println!("{line}");
        } else {
            let ok = if row.is_ok() { "yes" } else { "NO" };
            let bound = format!("{sign} {bound}");
            println!("{:<16} {:>14.3} {bound:>14}  {:<22} {ok:<4} {}", row.row, row.value, row.unit, row.note);
        }
    }
}

/// The middle of an odd number of values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
