//! YAML (and JSON, which is a part of it) as a tree that knows its lines.
//!
//! What a file may cost is bounded where it is [`build`]: its depth, and what it weighs once every alias is written out.
//! An alias is a pointer here, so a bomb is refused by its weight before anything was copied.

mod build;

use std::rc::Rc;

use serde_json::{Map, Number, Value};

use super::mistake::Mistake;

pub(crate) use build::parse;

/// A value and where it begins.
#[derive(Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    height: usize,
    weight: usize,
}

/// What a value is.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    /// `is_plain`: without quotes, so that it may stand for a number and the like.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<(Key, Rc<Node>)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// Whether nothing stands here.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, is_plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a single value, as it is written.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The same as JSON. Messages don't repeat the value, which may be secret.
    pub(crate) fn to_json(&self) -> Result<Value, Mistake> {
        match &self.kind {
            Kind::Scalar { text, is_plain: false } => Ok(Value::from(text.as_str())),
            Kind::Scalar { text, .. } => {
                plain(text).ok_or_else(|| Mistake::new(self.line, "this number is not one that JSON has"))
            }
            Kind::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Kind::Map(entries) => {
                let pair = |(key, node): &(Key, Rc<Node>)| Ok((key.text.clone(), node.to_json()?));
                entries.iter().map(pair).collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
        }
    }
}

/// A text without quotes, by YAML's core schema; none for infinity and what is no number.
fn plain(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        _ => {}
    }
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(Value::from);
    if let Some(number) = text.strip_prefix("0x").and_then(|digits| radix(digits, 16)) {
        return Some(number);
    }
    if let Some(number) = text.strip_prefix("0o").and_then(|digits| radix(digits, 8)) {
        return Some(number);
    }
    let unsigned = text.trim_start_matches(['-', '+']);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return None;
    }
    // Only what begins as a number is read as one: Rust's reader takes `inf` and the like too.
    let is_number = text.len() - unsigned.len() < 2
        && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
        && unsigned.bytes().any(|b| b.is_ascii_digit());
    if !is_number {
        return Some(Value::from(text));
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    match text.parse::<f64>() {
        Ok(number) => Number::from_f64(number).map(Value::Number),
        Err(_) => Some(Value::from(text)),
    }
}

#[cfg(test)]
mod tests;
