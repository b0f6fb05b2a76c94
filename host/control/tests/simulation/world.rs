//! What outlives the host: the database, the engine, what providers have made elsewhere, what apps' platforms hold; and what the
//! simulation knows of all that beside, with the trace of everything that happened.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use larder_containers::fake::FakeEngine;
use larder_domain::AddonId;
use larder_domain::ports::runtime::CallContext;
use larder_store::MemoryDatabase;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::engine::EngineWork;
use crate::faults::{Fault, Rates};
use crate::plan::Plan;
use crate::plants::Plant;
use crate::seat::{Place, Seat};
use crate::seen::Seen;
use crate::tally::Tally;
use crate::trace::Trace;

/// Calls of ports in one run; whoever makes more goes round in circles.
const STEPS_MAX: u64 = 200_000;

/// What a provider has made for an addon, somewhere that the host knows nothing of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outside {
    /// The generations of credentials that work.
    pub(crate) valid: BTreeSet<u32>,
    /// Its provider has said that it removed this, and has not.
    pub(crate) is_abandoned: bool,
}

/// A call of a provider that is under way.
pub(crate) struct UnderWay {
    pub(crate) number: u64,
    pub(crate) node: usize,
    pub(crate) life: u64,
    pub(crate) context: Arc<dyn CallContext>,
}

/// Everything that outlives the host.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) plant: Option<Plant>,
    pub(crate) database: Mutex<MemoryDatabase>,
    pub(crate) engine: Arc<FakeEngine>,
    /// The life that goes on is to end.
    pub(crate) ends: Notify,
    /// A node has died, and others go on.
    pub(crate) node_ends: Notify,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) chance: Chance,
    rates: Rates,
    /// Whether nothing goes wrong any more.
    is_calm: bool,
    /// Whether the host that lives now is dead already, and only has not noticed.
    is_dead: bool,
    /// What passed in earlier lives, and when this one began.
    before: Duration,
    born: Option<Instant>,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
    pub(crate) violations: Vec<String>,
    ordinals: BTreeMap<AddonId, usize>,
    pub(crate) outside: BTreeMap<AddonId, Outside>,
    /// By addon, the calls that are under way.
    pub(crate) under_way: BTreeMap<AddonId, Vec<UnderWay>>,
    /// Calls so far.
    calls: u64,
    pub(crate) places: Vec<Place>,
    /// By addon, which node has leased its step last, and in which of its lives.
    pub(crate) holders: BTreeMap<AddonId, (usize, u64)>,
    /// What has been written about providers, counted.
    pub(crate) providers_revision: u64,
    /// The addons whose variables an app's platform has.
    pub(crate) platform: BTreeSet<AddonId>,
    pub(crate) seen: BTreeMap<AddonId, Seen>,
    pub(crate) late: Vec<(u64, EngineWork)>,
    /// Until when the store is out of reach, in milliseconds of this world.
    pub(crate) outage_until: u64,
    pub(crate) wishes_left: u64,
    /// The last line of history that was committed.
    pub(crate) last_entry: u64,
}

impl World {
    pub(crate) fn new(seed: u64, plant: Option<Plant>, database: MemoryDatabase, is_told: bool) -> Arc<Self> {
        let mut chance = Chance::new(seed);
        let (rates, plan) = (Rates::of(&mut chance), Plan::of(&mut chance));
        let state = State {
            chance,
            rates,
            is_calm: false,
            is_dead: false,
            before: Duration::ZERO,
            born: None,
            trace: Trace::new(is_told),
            tally: Tally { rounds: 1, rounds_of_several: u64::from(plan.nodes > 1), ..Tally::default() },
            violations: vec![],
            ordinals: BTreeMap::new(),
            outside: BTreeMap::new(),
            under_way: BTreeMap::new(),
            calls: 0,
            places: vec![Place::default(); plan.nodes],
            holders: BTreeMap::new(),
            providers_revision: 0,
            platform: BTreeSet::new(),
            seen: BTreeMap::new(),
            late: vec![],
            outage_until: 0,
            wishes_left: plan.wishes,
            last_entry: 0,
        };
        let (engine, state) = (Arc::default(), Mutex::new(state));
        let (database, ends, node_ends) = (Mutex::new(database), Notify::new(), Notify::new());
        Arc::new(Self { plan, plant, database, engine, ends, node_ends, state })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All nodes start.
    pub(crate) fn is_born(&self) {
        // Whoever was told to end has ended.
        let _told = self.ends.notified().now_or_never();
        let mut state = self.state();
        (state.born, state.is_dead) = (Some(Instant::now()), false);
        state.outage_until = 0;
    }

    /// It has ended, and so has everything that it did.
    pub(crate) fn is_over(&self) {
        // What was under way may say so itself when it is dropped.
        let _calls = std::mem::take(&mut self.state().under_way);
        let mut state = self.state();
        let lived = state.born.take().map_or(Duration::ZERO, |born| born.elapsed());
        state.before += lived;
        let down_ms = state.chance.within(10..=20_000);
        state.before += Duration::from_millis(down_ms);
        state.tally.simulated_ms = u64::try_from(state.before.as_millis()).unwrap();
    }

    /// The host dies here: nothing after this happens, wherever it is just now.
    pub(crate) async fn dies(&self) -> Infallible {
        self.state().is_dead = true;
        self.ends.notify_one();
        std::future::pending().await
    }

    /// Goes on only if the host still lives; and counts a step.
    pub(crate) async fn step(&self) {
        let is_dead = {
            let mut state = self.state();
            state.tally.steps += 1;
            state.is_dead
        };
        if is_dead {
            std::future::pending::<()>().await;
        }
        if self.state().tally.steps > STEPS_MAX {
            self.violated("it_ends", format_args!("more than {STEPS_MAX} calls were made"));
            self.dies().await;
        }
    }

    /// Whether this goes wrong now.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        let mut state = self.state();
        let rate = state.rates.of_kind(fault);
        if state.is_calm || state.is_dead || rate == 0 || !state.chance.hits(rate) {
            return false;
        }
        *state.tally.faults.entry(fault.as_str()).or_default() += 1;
        drop(state);
        self.say(None, format_args!("! {}", fault.as_str()));
        true
    }

    /// Takes a while, if that strikes.
    pub(crate) async fn may_wait(&self, fault: Fault, ms: std::ops::RangeInclusive<u64>) {
        if self.strikes(fault) {
            let wait = self.within(ms);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    pub(crate) fn within(&self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.state().chance.within(range)
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.state().is_calm
    }

    /// From now on nothing goes wrong.
    pub(crate) fn calm_down(&self) {
        self.state().is_calm = true;
        self.say(None, "calm");
    }

    /// Milliseconds since the beginning of this world.
    pub(crate) fn now_ms(&self) -> u64 {
        self.state().now_ms()
    }

    /// Adds a line to the trace. Ids are random, so addons are numbered.
    pub(crate) fn say(&self, addon: Option<AddonId>, what: impl Display) {
        let mut state = self.state();
        let (now, number) = (state.now_ms(), addon.map(|id| state.number(id)));
        state.trace.say(now, number, what);
    }

    /// Something is not as it must be.
    pub(crate) fn violated(&self, invariant: &'static str, how: impl Display) {
        self.say(None, format_args!("VIOLATED {invariant}: {how}"));
        let mut state = self.state();
        let now = state.now_ms();
        state.violations.push(format!("{invariant} at {now} ms: {how}"));
        state.is_dead = true;
        drop(state);
        self.ends.notify_one();
    }

    /// Looks at an invariant.
    pub(crate) fn holds(&self, invariant: &'static str, is_so: bool, how: impl FnOnce() -> String) {
        *self.state().tally.checks.entry(invariant).or_default() += 1;
        if !is_so {
            self.violated(invariant, how());
        }
    }

    /// An addon's number, for messages.
    pub(crate) fn number(&self, addon: AddonId) -> usize {
        self.state().number(addon)
    }
}

impl State {
    /// A node starts.
    pub(crate) fn begin_life(&mut self, node: usize) -> u64 {
        let life = self.places[node].life + 1;
        self.places[node] = Place { life, ..Place::default() };
        self.tally.lives += 1;
        life
    }

    /// Whether a node's life goes on.
    pub(crate) fn lives(&self, node: usize, life: u64) -> bool {
        self.places[node].life == life && !self.places[node].is_dead
    }

    /// Notes that a call begins, unless one of the same addon is under way that may act: of the same node, or of another one that still
    /// holds its lease. The number of the call.
    pub(crate) fn call_begins(&mut self, addon: AddonId, by: &Seat, context: &Arc<dyn CallContext>) -> Option<u64> {
        let mut calls = self.under_way.remove(&addon).unwrap_or_default();
        calls.retain(|call| self.lives(call.node, call.life));
        let overlaps = calls.iter().any(|call| call.node == by.node || call.context.is_held());
        self.calls += 1;
        let number = self.calls;
        calls.push(UnderWay { number, node: by.node, life: by.life, context: Arc::clone(context) });
        self.under_way.insert(addon, calls);
        (!overlaps).then_some(number)
    }

    fn now_ms(&self) -> u64 {
        let lived = self.born.map_or(Duration::ZERO, |born| born.elapsed());
        u64::try_from((self.before + lived).as_millis()).unwrap()
    }

    fn number(&mut self, addon: AddonId) -> usize {
        let next = self.ordinals.len() + 1;
        *self.ordinals.entry(addon).or_insert(next)
    }
}
