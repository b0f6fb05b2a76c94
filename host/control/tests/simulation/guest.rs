//! Providers, in the place of the sandbox: honest ones, that break down, fail, forget, lie and hang as often as the seed says. At the
//! moment of each call the store is asked whether it may be made.

mod honest;
mod intent;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use larder_domain::failure::{Fault as Breakdown, FaultCode, GuestFailure, Pending};
use larder_domain::limits::CallLimits;
use larder_domain::ports::runtime::{Call, CallReport, Export, GuestState, Interface, ProviderRuntime, Reply, Usage};
use larder_domain::provider::Refusal;
use larder_domain::{AddonId, Digest, SecretString};
use larder_store::SqlStore;

use crate::faults::Fault;
use crate::plants::Plant;
use crate::seat::Seat;
pub(crate) use honest::{IMAGE, Kind, value_of};

/// The sandbox of one node.
pub(crate) struct Guests {
    pub(crate) world: Seat,
    pub(crate) raw: Arc<SqlStore>,
    loaded: Mutex<BTreeMap<Digest, Kind>>,
}

impl Guests {
    pub(crate) fn new(world: Seat, raw: Arc<SqlStore>) -> Self {
        Self { world, raw, loaded: Mutex::default() }
    }

    fn kind(&self, digest: Digest) -> Option<Kind> {
        self.loaded.lock().unwrap().get(&digest).copied()
    }
}

#[async_trait]
impl ProviderRuntime for Guests {
    fn inspect(&self, _wasm: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    async fn load(&self, digest: Digest, wasm: Vec<u8>) -> Result<(), Refusal> {
        self.world.step().await;
        let kind = Kind::of(&String::from_utf8(wasm).unwrap());
        self.loaded.lock().unwrap().insert(digest, kind);
        Ok(())
    }

    async fn load_kept(&self, digest: Digest) -> bool {
        self.is_loaded(digest)
    }

    fn is_loaded(&self, digest: Digest) -> bool {
        self.kind(digest).is_some()
    }

    fn exports(&self, digest: Digest) -> Vec<Interface> {
        self.kind(digest).map(Kind::exports).unwrap_or_default()
    }

    fn unload(&self, digest: Digest) {
        self.loaded.lock().unwrap().remove(&digest);
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn describe(
        &self,
        digest: Digest,
        _: &SecretString,
        _: CallLimits,
    ) -> Result<Result<String, String>, Breakdown> {
        self.world.step().await;
        match self.kind(digest) {
            Some(kind) => Ok(Ok(kind.manifest().to_string())),
            None => Err(broken(FaultCode::Host, "it is not loaded")),
        }
    }

    async fn call(&self, call: Call) -> CallReport {
        let Some(kind) = self.kind(call.digest) else {
            return report(Err(broken(FaultCode::Host, "it is not loaded")));
        };
        let guest = Guest { world: self.world.clone(), raw: Arc::clone(&self.raw), kind, call };
        if self.world.plant == Some(Plant::CallsGoOn) {
            // Whoever drops this drops nothing but the answer.
            return tokio::spawn(async move { guest.run().await }).await.unwrap();
        }
        guest.run().await
    }
}

/// One call.
pub(crate) struct Guest {
    world: Seat,
    raw: Arc<SqlStore>,
    kind: Kind,
    call: Call,
}

/// A call under way.
struct UnderWay(Seat, AddonId, u64);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(calls) = self.0.state().under_way.get_mut(&self.1) {
            calls.retain(|call| call.number != self.2);
        }
    }
}

impl Guest {
    async fn run(&self) -> CallReport {
        let (world, id, export) = (&self.world, self.call.addon.id, self.call.export);
        world.step().await;
        if !self.may_act() {
            return self.refused();
        }
        let begun = world.state().call_begins(id, world, &self.call.context);
        let _under_way = begun.map(|number| UnderWay(world.clone(), id, number));
        world.say(Some(id), format_args!("call {export}"));
        world.holds("calls_never_overlap", begun.is_some(), || format!("`{export}` of addon {}", world.number(id)));
        self.check_intent().await;
        world.may_die(Fault::CrashBeforeCall).await;
        let report = self.answer().await;
        world.step().await;
        let how = match &report.outcome {
            Ok(Ok(reply)) => name_of(reply),
            Ok(Err(failure)) => format!("{failure:?}"),
            Err(fault) => fault.code.to_string(),
        };
        world.say(Some(id), format_args!("call {export}: {how}"));
        world.may_die(Fault::CrashAfterCall).await;
        report
    }

    /// Whether the call has its lease, as the sandbox asks before each turn of a guest. Then nobody else has.
    fn may_act(&self) -> bool {
        let (world, id) = (&self.world, self.call.addon.id);
        if !self.call.context.is_held() {
            return false;
        }
        let holder = world.state().holders.get(&id).copied();
        let is_alone = holder.is_none_or(|holder| holder == (world.node, world.life));
        world.holds("acts_alone", is_alone, || {
            format!("`{}` of addon {}, which node {holder:?} has leased", self.call.export, world.number(id))
        });
        true
    }

    fn refused(&self) -> CallReport {
        self.world.say(Some(self.call.addon.id), format_args!("call {}: its lease is lost", self.call.export));
        report(Err(broken(FaultCode::Host, "the call has lost its lease")))
    }

    /// What comes of it, after all that can go wrong.
    async fn answer(&self) -> CallReport {
        let (world, export) = (&self.world, self.call.export);
        let can_pend = matches!(export, Export::ProvisionComplete | Export::Deprovision | Export::EndRotation);
        world.may_wait(Fault::CallSlow, 50..=25_000).await;
        if world.strikes(Fault::CallHangs) {
            tokio::time::sleep(self.call.limits.wall).await;
            return report(Err(broken(FaultCode::WallLimit, "it took too long")));
        }
        if world.strikes(Fault::CallTraps) {
            return report(Err(broken(FaultCode::Trap, "unreachable")));
        }
        if world.strikes(Fault::CallFails) {
            let why = "it will not work".to_owned();
            let is_rejected = world.within(0..=1) == 0;
            return report(Ok(Err(if is_rejected { GuestFailure::Rejected(why) } else { GuestFailure::Failed(why) })));
        }
        if world.strikes(Fault::CallRetries) {
            let after_ms = world.within(250..=20_000);
            return report(Ok(Err(GuestFailure::Retry { after_ms, reason: "not now".to_owned() })));
        }
        if can_pend && world.strikes(Fault::CallPends) {
            let after_ms = world.within(250..=30_000);
            return report(Ok(Ok(Reply::Pending(Pending::bounded(after_ms, "not yet".to_owned(), Some(50))))));
        }
        if world.strikes(Fault::CallLies) {
            let lie = if can_pend { Reply::Begun("done, trust me".to_owned()) } else { Reply::Done };
            return report(Ok(Ok(lie)));
        }
        world.step().await;
        if !self.may_act() {
            return self.refused();
        }
        let mut done = self.honest().await;
        world.may_wait(Fault::CallSlow, 50..=4_000).await;
        if world.strikes(Fault::CallForgets) {
            done.state = Some(GuestState::new());
        }
        if world.strikes(Fault::CallTrapsAfter) {
            return report(Err(broken(FaultCode::Trap, "unreachable")));
        }
        if world.strikes(Fault::CallHostFails) {
            return report(Err(broken(FaultCode::Host, "the sandbox failed")));
        }
        done
    }
}

fn broken(code: FaultCode, detail: &str) -> Breakdown {
    Breakdown { code, detail: detail.to_owned() }
}

/// An answer, and nothing beside it.
fn report(outcome: Result<Result<Reply, GuestFailure>, Breakdown>) -> CallReport {
    CallReport {
        outcome,
        state: None,
        objects: None,
        log: vec![],
        denied: vec![],
        denials: 0,
        issued: vec![],
        cpu: Duration::ZERO,
        wall: Duration::ZERO,
    }
}

fn name_of(reply: &Reply) -> String {
    match reply {
        Reply::Begun(_) => "begun".to_owned(),
        Reply::Config(_) => "config".to_owned(),
        other => format!("{other:?}"),
    }
}
