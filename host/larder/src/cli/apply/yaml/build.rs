//! From a parser's events to a tree, within bounds.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{Key, Kind, Node};
use crate::cli::apply::json::as_yaml;
use crate::cli::apply::mistake::Mistake;

/// The deepest nesting, aliases included.
const DEPTH_MAX: usize = 48;
/// The weight of a whole tree, aliases written out.
const WEIGHT_MAX: usize = 4 * 1024 * 1024;
/// What a value weighs beside its text.
const NODE_WEIGHT: usize = 16;

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
