//! A map of the file, read strictly: a key that is not known is a mistake, and the message lists those that are.

use std::rc::Rc;

use super::mistake::{Mistakes, names};
use super::yaml::{Key, Kind, Node};

/// The entries of a map.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    entries: &'a [(Key, Rc<Node>)],
}

impl<'a> Fields<'a> {
    /// The entries of a map, whatever its keys.
    pub(crate) fn any(node: &'a Node, what: &str, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.kind {
            Kind::Map(entries) => Some(Self { entries }),
            _ => {
                mistakes.add(node.line, format!("{what} has to be a map, not {}", node.noun()));
                None
            }
        }
    }

    /// The entries of a map that has these keys and no others.
    pub(crate) fn of(node: &'a Node, what: &str, known: &[&str], mistakes: &mut Mistakes) -> Option<Self> {
        let fields = Self::any(node, what, mistakes)?;
        for (key, _) in fields.rest(known) {
            let known = names(known.iter().copied());
            mistakes.add(key.line, format!("unknown key `{}` in {what}; there are {known}", key.text));
        }
        Some(fields)
    }

    /// The entries.
    pub(crate) fn entries(&self) -> &'a [(Key, Rc<Node>)] {
        self.entries
    }

    /// The entries with other keys than these.
    pub(crate) fn rest(&self, known: &[&str]) -> impl Iterator<Item = &'a (Key, Rc<Node>)> {
        self.entries.iter().filter(move |(key, _)| !known.contains(&key.text.as_str()))
    }

    /// The entry with this key, unless nothing stands there.
    pub(crate) fn get(&self, name: &str) -> Option<&'a (Key, Rc<Node>)> {
        self.entries.iter().find(|(key, node)| key.text == name && !node.is_null())
    }

    /// The text under this key, if there is one.
    pub(crate) fn text(&self, name: &str, mistakes: &mut Mistakes) -> Option<String> {
        let (key, node) = self.get(name)?;
        if node.text().is_none() {
            mistakes.add(key.line, format!("`{name}` has to be a text, not {}", node.noun()));
        }
        node.text().map(str::to_owned)
    }

    /// The text under this key, which has to be there; `line` is where it would be missed.
    pub(crate) fn required(&self, name: &str, what: &str, line: usize, mistakes: &mut Mistakes) -> Option<String> {
        if self.get(name).is_none() {
            mistakes.add(line, format!("{what} has no `{name}`"));
        }
        self.text(name, mistakes)
    }

    /// Whether it says `true` under this key.
    pub(crate) fn flag(&self, name: &str, mistakes: &mut Mistakes) -> bool {
        self.flag_if_any(name, mistakes).unwrap_or_default()
    }

    /// Whether it says `true` or `false` under this key, if it says anything.
    pub(crate) fn flag_if_any(&self, name: &str, mistakes: &mut Mistakes) -> Option<bool> {
        let (key, node) = self.get(name)?;
        let flag = mistakes.keep(node.to_json())?.as_bool();
        if flag.is_none() {
            mistakes.add(key.line, format!("`{name}` has to be true or false"));
        }
        flag
    }
}
