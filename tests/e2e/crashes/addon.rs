//! What a user knows of an addon: what was acknowledged, what was asked for without an answer, and so what it may be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::Tally;

/// What an addon is to its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    /// The request never arrived.
    Absent,
    /// It is to be there.
    Live,
    /// It was deleted, and can be had back.
    Kept,
    /// It was deleted.
    Gone,
}

/// Who makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The host derives it, and nothing is elsewhere.
    Secret,
    /// A broker has it.
    Store,
}

impl Kind {
    /// The parameter that a user changes.
    pub(super) const fn parameter(self) -> &'static str {
        match self {
            Self::Secret => "length",
            Self::Store => "size",
        }
    }

    pub(super) const fn service(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Store => "store",
        }
    }
}

/// One of a user's addons.
#[derive(Debug)]
pub(super) struct Addon {
    pub(super) id: Option<String>,
    pub(super) kind: Kind,
    pub(super) name: String,
    /// With which it was asked for.
    pub(super) key: String,
    pub(super) body: Value,
    pub(super) may: BTreeSet<Life>,
    /// What its parameter may be.
    pub(super) sizes: BTreeSet<u64>,
    /// How often it may have been rotated: at least, and at most.
    pub(super) generations: (u64, u64),
    /// What its parameter may have been since it was at rest, and its generation then; a deletion undoes what is under way.
    sizes_since: BTreeSet<u64>,
    generation_then: u64,
    /// Whether a deletion may have ended an operation: a broker may then have something of which nobody knows.
    pub(super) was_deleted: bool,
    /// Whether it is gone and cleaned up.
    pub(super) is_over: bool,
    /// Each password that was seen, by what may change it.
    passwords: BTreeMap<(u64, u64), String>,
}

impl Addon {
    pub(super) fn new(kind: Kind, name: String, size: u64, key: String) -> Self {
        let body = json!({ "service": kind.service(), "name": name, "attach_as": name.replace('-', "_"),
            "parameters": { (kind.parameter()): size } });
        let (may, sizes, passwords) = (BTreeSet::from([Life::Absent]), BTreeSet::from([size]), BTreeMap::new());
        let (sizes_since, generations) = (sizes.clone(), (0, 0));
        let (generation_then, was_deleted, is_over) = (0, false, false);
        Self {
            id: None,
            kind,
            name,
            key,
            body,
            may,
            sizes,
            generations,
            sizes_since,
            generation_then,
            was_deleted,
            is_over,
            passwords,
        }
    }

    /// What it is, if that is known.
    pub(super) fn life(&self) -> Option<Life> {
        self.may.first().copied().filter(|_| self.may.len() == 1)
    }

    /// It was acknowledged to be this.
    pub(super) fn is(&mut self, life: Life) {
        self.may = BTreeSet::from([life]);
    }

    /// Something was asked for, and the answer got lost.
    pub(super) fn may_be(&mut self, lives: &[Life]) {
        self.may.extend(lives);
    }

    pub(super) fn resized(&mut self, size: u64, is_sure: bool) {
        if is_sure {
            self.sizes.clear();
        }
        self.sizes.insert(size);
        self.sizes_since.insert(size);
    }

    pub(super) fn rotated(&mut self, is_sure: bool) {
        self.generations.0 += u64::from(is_sure);
        self.generations.1 += 1;
    }

    /// It was deleted, or may have been: what was under way about it may be undone.
    pub(super) fn ended(&mut self) {
        self.was_deleted = true;
        self.sizes.extend(&self.sizes_since);
        self.generations.0 = self.generation_then;
    }

    /// Looks at what the host says that it is, right after a crash.
    pub(super) fn is_as_acknowledged(&mut self, seen: Option<&Value>, tally: &mut Tally) {
        let life = life_of(seen);
        let may = self.may.clone();
        tally.holds("an_acknowledged_addon_is_as_it_was_left", may.contains(&life), || {
            format!("{} may be {may:?} and is {life:?}: {seen:?}", self.name)
        });
        self.is(life);
    }

    /// It is ready, and nothing is under way.
    pub(super) fn is_at_rest(&mut self, seen: &Value, tally: &mut Tally) {
        let size = seen["parameters"][self.kind.parameter()].as_u64().unwrap_or_default();
        tally.holds("an_acknowledged_change_is_made", self.sizes.contains(&size), || {
            format!("{} may have {:?} and has {size}: {seen}", self.name, self.sizes)
        });
        let generation = seen["generation"].as_u64().unwrap_or_default();
        let (least, most) = self.generations;
        tally.holds("an_acknowledged_rotation_is_made_once", (least..=most).contains(&generation), || {
            format!("{} was to be rotated {least} to {most} times: {seen}", self.name)
        });
        (self.sizes, self.sizes_since) = (BTreeSet::from([size]), BTreeSet::from([size]));
        (self.generations, self.generation_then) = ((generation, generation), generation);
    }

    /// This is its password, in this form of it.
    pub(super) fn has_password(&mut self, seen: &Value, password: &str, tally: &mut Tally) {
        let size = seen["parameters"][self.kind.parameter()].as_u64().unwrap_or_default();
        // What a broker gives does not depend on the parameter.
        let size = if self.kind == Kind::Secret { size } else { 0 };
        let form = (seen["generation"].as_u64().unwrap_or_default(), size);
        tally.holds("a_ready_addon_gives_a_password", !password.is_empty(), || format!("{}: {seen}", self.name));
        let first = self.passwords.entry(form).or_insert_with(|| password.to_owned());
        tally.holds("a_password_stays_within_its_generation", first == password, || {
            format!("{} has another password in generation {form:?}", self.name)
        });
    }

    pub(super) fn passwords(&self) -> impl Iterator<Item = &String> {
        self.passwords.values()
    }
}

/// What a host says that it is.
pub(super) fn life_of(seen: Option<&Value>) -> Life {
    let Some(seen) = seen else { return Life::Absent };
    match seen["state"].as_str() {
        Some("deprovisioned" | "error") if seen["kept_until"].is_string() => Life::Kept,
        Some("deprovisioned" | "error") => Life::Gone,
        _ => Life::Live,
    }
}
