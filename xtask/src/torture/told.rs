//! What parts say: one line of JSON each, or several that belong together, among all that tests print.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

/// Lines of a part that are kept, for the case that it ends without a word.
const LINES_MAX: usize = 30;

/// What was heard of a part.
#[derive(Debug, Default)]
pub(crate) struct Told {
    line: Option<Value>,
    last: VecDeque<String>,
    seed: Option<u64>,
}

impl Told {
    /// Takes a line of a part's output.
    pub(crate) fn hear(&mut self, name: &str, line: &str) {
        if let Some(told) = line_of(name, line) {
            match &mut self.line {
                Some(before) => merge(before, &told),
                None => self.line = Some(told),
            }
            return;
        }
        if let Some(seed) = seed_in(line) {
            self.seed = Some(seed);
        }
        if self.last.len() == LINES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }

    /// Its line, if it came to its end.
    pub(crate) fn line(&self) -> Option<&Value> {
        self.line.as_ref()
    }

    /// What it said last.
    pub(crate) fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    /// The seeds that failed; of a part that ended without a word, the one that it began with.
    pub(crate) fn failed_seeds(&self) -> Vec<u64> {
        match &self.line {
            Some(line) => list(line, "failed_seeds").filter_map(Value::as_u64).collect(),
            None => self.seed.into_iter().collect(),
        }
    }

    /// What it calls violated.
    pub(crate) fn violations(&self) -> Vec<String> {
        let told = self.line.iter().flat_map(|line| list(line, "violations"));
        told.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// `NAME: {…}`, also behind what the test runner says on the same line.
fn line_of(name: &str, line: &str) -> Option<Value> {
    let (_, told) = line.split_once(&format!("{name}: {{"))?;
    serde_json::from_str(&format!("{{{told}")).ok()
}

fn seed_in(line: &str) -> Option<u64> {
    let (_, told) = line.split_once("LARDER_SEED=")?;
    told.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The members of a list.
fn list<'a>(line: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    line.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// Counts are added up, lists put after one another.
fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => merge_members(into, more),
        (Value::Array(into), Value::Array(more)) => into.extend(more.iter().cloned()),
        (into, more) => {
            if let (Some(one), Some(other)) = (into.as_u64(), more.as_u64()) {
                *into = json!(one + other);
            } else if let (Some(one), Some(other)) = (into.as_f64(), more.as_f64()) {
                *into = json!(one + other);
            }
        }
    }
}

fn merge_members(into: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        match into.get_mut(name) {
            Some(known) => merge(known, value),
            None => drop(into.insert(name.clone(), value.clone())),
        }
    }
}
