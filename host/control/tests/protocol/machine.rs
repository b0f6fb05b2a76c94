//! The real state machine, made small: addons are numbered, and what only people read, or only counts, is left out of them.

use std::cell::RefCell;
use std::collections::HashMap;

use larder_domain::addon::Patience;
use larder_domain::operation::{Health, Operation, Outdated};
use larder_domain::{Addon, AddonId, AddonState, Cleanup, Next, StoreTime, Write, transition};

use crate::events::{Said, nobodys};

/// Traps in a row that end in `error`.
const ATTEMPTS_MAX: u32 = 2;
/// Any wait; whether it is over is said with [`Said::WokenLate`].
const LIMIT_MS: u64 = 1_000_000;

/// An addon's number in [`Machine`].
pub(crate) type Number = u32;

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) to: Number,
    pub(crate) next: Next,
    /// Whether its variables were shown or hidden.
    pub(crate) attached: Option<bool>,
    /// Whether its app is given something else than before.
    pub(crate) is_given_anew: bool,
    /// Whether a grace begins anew.
    pub(crate) is_kept_anew: bool,
}

/// What the rules ask of an addon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) state: AddonState,
    pub(crate) is_kept: bool,
    pub(crate) has_grace: bool,
    pub(crate) begin_intended: bool,
    pub(crate) is_cleaned_up: bool,
    pub(crate) is_operated: bool,
    /// Whether nothing is under way.
    pub(crate) is_settled: bool,
}

impl Facts {
    fn of(addon: &Addon) -> Self {
        let is_operated = addon.running().is_some();
        Self {
            state: addon.state,
            is_kept: addon.kept().is_some(),
            has_grace: addon.grace.is_some(),
            begin_intended: addon.begin_intended,
            is_cleaned_up: addon.cleanup != Cleanup::None,
            is_operated,
            is_settled: match addon.state {
                AddonState::Ready => !is_operated && addon.outdated.is_none(),
                AddonState::Deprovisioned | AddonState::Error => !addon.cleanup.is_due(),
                AddonState::WaitingForProvision | AddonState::Provisioned => false,
            },
        }
    }
}

#[derive(Default)]
struct Known {
    addons: Vec<Addon>,
    facts: Vec<Facts>,
    numbers: HashMap<String, Number>,
    moves: HashMap<(Number, Said, bool), Option<Moved>>,
}

/// All addons that were met, and what can become of them.
#[derive(Default)]
pub(crate) struct Machine(RefCell<Known>);

impl Machine {
    /// One that was just asked for.
    pub(crate) fn new_addon(&self) -> Number {
        let addon = Addon::new(AddonId(uuid::Uuid::nil()), LIMIT_MS, ATTEMPTS_MAX, StoreTime(0));
        self.number(addon)
    }

    pub(crate) fn addon(&self, number: Number) -> Addon {
        self.0.borrow().addons[number as usize].clone()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().addons.len()
    }

    pub(crate) fn facts(&self, number: Number) -> Facts {
        self.0.borrow().facts[number as usize]
    }

    /// What an event means; none if it is illegal. `is_late` says that the addon's grace is over.
    pub(crate) fn apply(&self, number: Number, said: Said, is_late: bool) -> Option<Moved> {
        if let Some(known) = self.0.borrow().moves.get(&(number, said, is_late)) {
            return *known;
        }
        let moved = self.find(number, said, is_late);
        self.0.borrow_mut().moves.insert((number, said, is_late), moved);
        moved
    }

    fn find(&self, number: Number, said: Said, is_late: bool) -> Option<Moved> {
        let (mut addon, now) = (self.addon(number), StoreTime(u64::from(is_late)));
        if said == Said::WokenLate {
            addon.patience.limit_ms = 0;
        }
        let done = transition(&addon, said.event(&addon), now).ok()?;
        let attached = done.writes.iter().rev().find_map(|write| match write {
            Write::AttachVariables => Some(true),
            Write::ReleaseVariables => Some(false),
            _ => None,
        });
        let is_given_anew = done.writes.iter().any(|write| matches!(write, Write::ReplaceConfig(_)));
        let is_kept_anew = done.addon.grace.is_some_and(|grace| grace.until > now);
        Some(Moved { to: self.number(small(done.addon)), next: done.next, attached, is_given_anew, is_kept_anew })
    }

    fn number(&self, addon: Addon) -> Number {
        let key = format!("{addon:?}");
        let mut known = self.0.borrow_mut();
        if let Some(number) = known.numbers.get(&key) {
            return *number;
        }
        let number = Number::try_from(known.addons.len()).unwrap();
        known.facts.push(Facts::of(&addon));
        known.addons.push(addon);
        known.numbers.insert(key, number);
        number
    }
}

/// The addon without what only people read, and with waits that have just begun.
fn small(mut addon: Addon) -> Addon {
    let limit_ms = if addon.patience.limit_ms == 0 { 0 } else { LIMIT_MS };
    addon.patience = Patience::new(limit_ms, StoreTime(0));
    (addon.message, addon.percent, addon.host_faults, addon.generation) = (String::new(), None, 0, 0);
    addon.health = Health::UNKNOWN;
    addon.error = addon.error.map(|error| larder_domain::addon::AddonError { reason: String::new(), ..error });
    if matches!(addon.cleanup, Cleanup::Failing { .. }) {
        addon.cleanup = Cleanup::Failing { attempts: 1, last_error: String::new() };
    }
    let quiet = |mut operation: Operation| {
        (operation.message, operation.percent) = (String::new(), None);
        operation.error = operation.error.map(|it| larder_domain::addon::AddonError { reason: String::new(), ..it });
        operation
    };
    // What has ended well, or was undone, is only told.
    addon.operation = addon.operation.filter(|it| it.is_running() || it.has_left_old_credentials()).map(quiet);
    addon.outdated = addon.outdated.map(|_| Outdated { operation: nobodys(), at: StoreTime(0), failures: 0 });
    if let Some(grace) = &mut addon.grace {
        (grace.until, grace.shown) = (StoreTime(1), larder_domain::WallTime(0));
    }
    addon
}
