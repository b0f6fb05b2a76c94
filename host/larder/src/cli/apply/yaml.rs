//! YAML (and JSON, which is a part of it) as a tree that knows its lines.
//!
//! What a file may cost is bounded: its depth, and what it weighs once every alias is written out. An alias is
//! a pointer here, so a bomb is refused by its weight before anything was copied.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

use super::json::as_yaml;
use super::mistake::Mistake;

/// The deepest nesting, aliases included.
const DEPTH_MAX: usize = 48;
/// The weight of a whole tree, aliases written out.
const WEIGHT_MAX: usize = 4 * 1024 * 1024;
/// What a value weighs beside its text.
const NODE_WEIGHT: usize = 16;

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

/// Reads a text of exactly one document.
pub(crate) fn parse(text: &str) -> Result<Rc<Node>, Mistake> {
    let mut builder = Builder::default();
    let text = as_yaml(text.trim_start_matches('\u{feff}'));
    let mut parser = Parser::new_from_str(&text);
    while let Some(event) = parser.next_event() {
        let (event, span) =
            event.map_err(|error| Mistake::new(error.marker().line(), format!("this is no YAML: {}", error.info())))?;
        builder.take(event, span.start.line())?;
    }
    builder.root.ok_or_else(|| Mistake::new(1, "the file is empty"))
}

/// A list or a map that is not yet at its end.
#[derive(Debug)]
struct Open {
    line: usize,
    anchor: usize,
    is_map: bool,
    key: Option<Key>,
    /// The lines of the keys so far.
    seen: HashMap<String, usize>,
    items: Vec<Rc<Node>>,
    entries: Vec<(Key, Rc<Node>)>,
}

#[derive(Debug, Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    weight: usize,
    documents: usize,
    root: Option<Rc<Node>>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Mistake> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Mistake::new(line, "a second document begins here; use a file for each"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = check_tag(tag.as_deref(), line)?;
                let is_plain = style == ScalarStyle::Plain && !is_text;
                let weight = NODE_WEIGHT + text.len();
                let kind = Kind::Scalar { text: text.into_owned(), is_plain };
                self.place(Rc::new(Node { line, kind, height: 1, weight }), anchor, line)?;
            }
            Event::SequenceStart(anchor, tag) => self.begin(line, anchor, tag.as_deref(), false)?,
            Event::MappingStart(anchor, tag) => self.begin(line, anchor, tag.as_deref(), true)?,
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).map(Rc::clone);
                let node = node.ok_or_else(|| Mistake::new(line, "this alias stands within what it is an alias of"))?;
                self.place(node, 0, line)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, anchor: usize, tag: Option<&Tag>, is_map: bool) -> Result<(), Mistake> {
        if let Some(tag) = tag.filter(|tag| !is_core(tag, if is_map { "map" } else { "seq" })) {
            return Err(Mistake::new(line, format!("the tag `{tag}` is not supported")));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(line));
        }
        let (seen, items, entries) = Default::default();
        self.open.push(Open { line, anchor, is_map, key: None, seen, items, entries });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Mistake> {
        let Some(Open { line, anchor, is_map, items, entries, .. }) = self.open.pop() else { return Ok(()) };
        let nodes = || items.iter().chain(entries.iter().map(|(_, node)| node));
        let height = 1 + nodes().map(|node| node.height).max().unwrap_or_default();
        let keys: usize = entries.iter().map(|(key, _)| key.text.len()).sum();
        let weight = NODE_WEIGHT + keys + nodes().map(|node| node.weight).sum::<usize>();
        let kind = if is_map { Kind::Map(entries) } else { Kind::List(items) };
        // Its parts were weighed when they were placed.
        self.weight = self.weight.saturating_sub(weight - NODE_WEIGHT - keys);
        self.place(Rc::new(Node { line, kind, height, weight }), anchor, line)
    }

    /// Puts a whole value where it belongs: into what is open, or at the root.
    fn place(&mut self, node: Rc<Node>, anchor: usize, line: usize) -> Result<(), Mistake> {
        self.weight += node.weight;
        if self.weight > WEIGHT_MAX {
            return Err(Mistake::new(
                line,
                "the file is too large: with its aliases written out, it has more than 4 MiB",
            ));
        }
        if self.open.len() + node.height > DEPTH_MAX + 1 {
            return Err(too_deep(line));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(open) if !open.is_map => open.items.push(node),
            Some(open) => match open.key.take() {
                Some(key) => open.entries.push((key, node)),
                None => open.key = Some(key(open, &node, line)?),
            },
        }
        Ok(())
    }
}

/// The key that a value makes.
fn key(open: &mut Open, node: &Node, line: usize) -> Result<Key, Mistake> {
    let Kind::Scalar { text, is_plain } = &node.kind else {
        return Err(Mistake::new(line, format!("a key has to be a text, not {}", node.noun())));
    };
    if *is_plain && text == "<<" {
        return Err(Mistake::new(
            line,
            "`<<` is not supported; write the entries out, or use an alias for a whole value",
        ));
    }
    if let Some(earlier) = open.seen.insert(text.clone(), line) {
        let what = format!("`{text}` is here for the second time; the first is in line {earlier}");
        return Err(Mistake::new(line, what));
    }
    Ok(Key { text: text.clone(), line })
}

fn too_deep(line: usize) -> Mistake {
    Mistake::new(line, format!("this is nested more than {DEPTH_MAX} deep"))
}

fn is_core(tag: &Tag, name: &str) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == name
}

/// Whether a tag makes a text of a value; the only thing that a tag can do here.
fn check_tag(tag: Option<&Tag>, line: usize) -> Result<bool, Mistake> {
    match tag {
        None => Ok(false),
        Some(tag) if is_core(tag, "str") => Ok(true),
        Some(tag) => Err(Mistake::new(line, format!("the tag `{tag}` is not supported"))),
    }
}

#[cfg(test)]
mod tests;
