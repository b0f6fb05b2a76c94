//! The report: what was done to Larder, for how long, and what came of it, as Markdown.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::torture::parts::Part;
use crate::torture::told::Told;

/// What it was done on, and to what.
#[derive(Debug, Default)]
pub(crate) struct About {
    pub(crate) commit: String,
    pub(crate) began: String,
    pub(crate) machine: String,
    pub(crate) minutes_asked: f64,
    pub(crate) minutes: f64,
    /// Whether somebody ended it before its time.
    pub(crate) is_broken_off: bool,
}

/// What became of a part.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) part: &'static Part,
    pub(crate) minutes: f64,
    pub(crate) end: End,
    pub(crate) told: Told,
}

/// How a part ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, and all was well.
    Well,
    /// It failed, or ended without a word.
    Failed,
    /// It did not end in its time.
    Overdue,
    /// Somebody broke it off.
    BrokenOff,
    /// It was not begun, for this reason.
    Left(String),
}

impl Done {
    /// How many failures there are.
    pub(crate) fn failures(&self) -> u64 {
        let counted = self.told.line().map_or(0, |line| count(line, "failures"));
        match self.end {
            End::Failed | End::Overdue => counted.max(1),
            End::Well | End::BrokenOff | End::Left(_) => counted,
        }
    }

    fn ended(&self) -> String {
        match &self.end {
            End::Well => "well".to_owned(),
            End::Failed => "**failed**".to_owned(),
            End::Overdue => "**did not end in its time**".to_owned(),
            End::BrokenOff => "broken off".to_owned(),
            End::Left(why) => format!("left out: {why}"),
        }
    }

    fn field(&self, name: &str) -> Option<&Map<String, Value>> {
        self.told.line()?.get(name)?.as_object()
    }
}

/// All of it.
pub(crate) fn markdown(about: &About, parts: &[Done]) -> String {
    let failures: u64 = parts.iter().map(Done::failures).sum();
    let ended = if about.is_broken_off { ", broken off" } else { "" };
    let mut text = format!(
        "# Torture\n\n`cargo xtask torture --minutes {}`, as [testing.md](testing.md) tells.\n\n| | |\n|---|---|\n| commit | {} |\n\
         | began | {} |\n| machine | {} |\n| took | {:.1} minutes after it was built{ended} |\n| **failures** | **{failures}** |\n",
        about.minutes_asked, about.commit, about.began, about.machine, about.minutes
    );
    table(
        &mut text,
        "Parts",
        &["part", "what", "rounds", "minutes", "ended"],
        parts.iter().map(|done| {
            let rounds = done.told.line().map_or_else(String::new, |line| count(line, "rounds").to_string());
            vec![
                done.part.name.to_owned(),
                done.part.about.to_owned(),
                rounds,
                format!("{:.1}", done.minutes),
                done.ended(),
            ]
        }),
    );
    counts(&mut text, "Faults by kind", "fault", "times", "faults", parts);
    counts(&mut text, "Invariants by name", "invariant", "looked at", "invariants", parts);
    table(
        &mut text,
        "How long it took, in milliseconds",
        &["part", "what", "median", "p99", "max", "times"],
        parts.iter().flat_map(|done| {
            let waits = done.field("took_ms").into_iter().flatten();
            waits.map(|(what, spread)| {
                let of = |field: &str| spread.get(field).and_then(Value::as_f64).unwrap_or_default().to_string();
                vec![done.part.name.to_owned(), words(what), of("median"), of("p99"), of("max"), of("count")]
            })
        }),
    );
    table(&mut text, "What else was counted", &["part", "what", ""], parts.iter().flat_map(rest));
    text.push_str("\n## Failures\n\n");
    if failures == 0 {
        text.push_str("None.\n");
    }
    parts.iter().filter(|done| done.failures() > 0).for_each(|done| failed(&mut text, done));
    text
}

fn counts(text: &mut String, title: &str, name: &str, times: &str, field: &str, parts: &[Done]) {
    table(
        text,
        title,
        &["part", name, times],
        parts.iter().flat_map(|done| {
            let counted = done.field(field).into_iter().flatten();
            counted.map(|(name, times)| vec![done.part.name.to_owned(), words(name), times.to_string()])
        }),
    );
}

/// What a part counted of its own.
fn rest(done: &Done) -> Vec<Vec<String>> {
    const KNOWN: [&str; 8] =
        ["rounds", "seconds", "faults", "invariants", "failures", "failed_seeds", "violations", "took_ms"];
    let members = done.told.line().and_then(Value::as_object).into_iter().flatten();
    let others = members.filter(|(name, _)| !KNOWN.contains(&name.as_str()));
    others.map(|(name, value)| vec![done.part.name.to_owned(), words(name), plain(value)]).collect()
}

/// A value without the marks of JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{} {}", words(name), plain(value)));
            members.collect::<Vec<_>>().join(", ")
        }
        Value::Array(members) => members.iter().map(plain).collect::<Vec<_>>().join(" of which "),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 => format!("{whole:.0}"),
            Some(number) => format!("{number:.1}"),
            None => number.to_string(),
        },
        other => other.as_str().map_or_else(|| other.to_string(), str::to_owned),
    }
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn count(line: &Value, field: &str) -> u64 {
    line.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// A heading and a table; nothing without rows.
fn table(text: &mut String, title: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<String> = rows.map(|row| format!("| {} |\n", row.join(" | "))).collect();
    if !rows.is_empty() {
        let line = "|---".repeat(heads.len());
        let _written = write!(text, "\n## {title}\n\n| {} |\n{line}|\n{}", heads.join(" | "), rows.concat());
    }
}

/// What is known of a failure, and how it is had again.
fn failed(text: &mut String, done: &Done) {
    let _written = writeln!(text, "### {}\n", done.part.name);
    for violation in done.told.violations() {
        let _written = writeln!(text, "* {violation}");
    }
    let seeds = done.told.failed_seeds();
    let again = seeds.iter().take(10).map(|seed| done.part.replay(Some(*seed)));
    let again: Vec<String> = if seeds.is_empty() { vec![done.part.replay(None)] } else { again.collect() };
    let _written = writeln!(text, "\n```sh\n{}\n```\n", again.join("\n"));
    if done.told.violations().is_empty() {
        let last: Vec<&str> = done.told.last().collect();
        let _written = writeln!(text, "It said last:\n\n```\n{}\n```\n", last.join("\n"));
    }
}
