//! What goes wrong, and how often: each seed has some kinds of faults, each as often as it decides, and others not at all. A storm of
//! everything would hide what a single kind of fault brings to light.

use crate::chance::Chance;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident $text:literal $rate:literal),+ $(,)?) => {
        /// The kinds of faults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Fault { $($(#[doc = $doc])+ $name),+ }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// How often at most, in ten thousand chances.
            const fn rate_max(self) -> u64 {
                match self { $(Self::$name => $rate),+ }
            }
        }
    };
}

faults! {
    /// The host dies before a transaction begins.
    CrashBeforeStore "crash_before_store" 120,
    /// The host dies when a transaction is committed and nobody knows.
    CrashAfterStore "crash_after_store" 250,
    /// The host dies before a call of a provider begins.
    CrashBeforeCall "crash_before_call" 500,
    /// The host dies when a provider has answered.
    CrashAfterCall "crash_after_call" 500,
    /// The host dies before an engine is asked.
    CrashBeforeEngine "crash_before_engine" 400,
    /// The host dies when an engine has done what it was asked to.
    CrashAfterEngine "crash_after_engine" 500,
    /// The host dies at any moment.
    CrashAnytime "crash_anytime" 150,
    /// The store has no room for a transaction.
    StoreBusy "store_busy" 200,
    /// A transaction is committed, and fails for whoever asked.
    StoreAnswerLost "store_answer_lost" 100,
    /// A transaction takes seconds.
    StoreSlow "store_slow" 150,
    /// The store is out of reach for longer than a lease lasts.
    StoreOutage "store_outage" 60,
    /// Nobody hears that work became due.
    PokeLost "poke_lost" 4000,
    /// It is heard late.
    PokeLate "poke_late" 2000,
    /// The process stands still for longer than a lease lasts.
    Pause "pause" 40,
    /// One of several nodes stands still, for longer than a lease lasts or not so long; the others go on.
    NodeStops "node_stops" 300,
    /// One of several nodes does not reach the store.
    NodeCutOff "node_cut_off" 200,
    /// A provider takes its time.
    CallSlow "call_slow" 1500,
    /// A provider does not answer within its time.
    CallHangs "call_hangs" 200,
    /// A provider breaks down before it has done anything.
    CallTraps "call_traps" 600,
    /// A provider breaks down when it has done its work.
    CallTrapsAfter "call_traps_after" 600,
    /// The sandbox could not make the call, or could not tell how it ended.
    CallHostFails "call_host_fails" 600,
    /// A provider says that it will not work.
    CallFails "call_fails" 300,
    /// A provider says: not now.
    CallRetries "call_retries" 1200,
    /// A provider is not done yet.
    CallPends "call_pends" 2500,
    /// A provider gives an answer of another function.
    CallLies "call_lies" 400,
    /// A provider gives an app what it may not have: another addon's variable, an undeclared one, one twice.
    ConfigLies "config_lies" 500,
    /// A provider says that it has removed what it has not.
    CleanupLies "cleanup_lies" 400,
    /// A provider loses what it has remembered.
    CallForgets "call_forgets" 800,
    /// An engine fails.
    EngineFails "engine_fails" 300,
    /// An engine does not answer.
    EngineSilent "engine_silent" 200,
    /// An engine does what it was asked to, and fails.
    EngineAnswerLost "engine_answer_lost" 300,
    /// An engine fails, and does what it was asked to later.
    EngineLate "engine_late" 300,
    /// An engine takes its time.
    EngineSlow "engine_slow" 600,
    /// An engine is told twice.
    EngineTwice "engine_twice" 500,
    /// An event is not told.
    EventLost "event_lost" 3000,
    /// An event is told twice.
    EventTwice "event_twice" 2000,
    /// An event is told after the next one.
    EventReordered "event_reordered" 2000,
    /// The stream of events breaks off.
    EventsBreak "events_break" 500,
    /// A container ends.
    ContainerEnds "container_ends" 150,
    /// A person removes a container.
    ContainerVanishes "container_vanishes" 100,
    /// Somebody else listens where a container does.
    AddressTaken "address_taken" 100,
    /// The app's platform does not take its variables.
    SinkFails "sink_fails" 800,
    /// The app's platform takes them, and fails.
    SinkAnswerLost "sink_answer_lost" 800,
    /// The app's platform takes its time.
    SinkSlow "sink_slow" 500,
}

/// How often each kind strikes, in ten thousand chances.
#[derive(Debug, Clone)]
pub(crate) struct Rates(Vec<u64>);

impl Rates {
    /// Those of a seed: of each kind none, or up to its most.
    pub(crate) fn of(chance: &mut Chance) -> Self {
        let rate = |fault: &Fault| match chance.below(3) {
            0 => 0,
            _ => (fault.rate_max() * chance.within(1..=8)).div_ceil(8),
        };
        Self(Fault::ALL.iter().map(rate).collect())
    }

    pub(crate) fn of_kind(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }
}
