//! One addon under one lease: perform a step, write what came of it, go on while the state machine says so.

mod cleanup;
mod reach;
mod variables;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder_domain::config::{self, AddonConfig};
use larder_domain::docker::Objects;
use larder_domain::failure::{GuestFailure, StepFailure};
use larder_domain::grants::Denied;
use larder_domain::history::Entry;
use larder_domain::limits::CallLimits;
use larder_domain::operation::PlanAndParameters;
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::{Call, Export, GuestState, Interface, Reply};
use larder_domain::ports::store::{Applied, Change, Fence};
use larder_domain::retry::Backoff;
use larder_domain::secret::{SecretString, Seed};
use larder_domain::work::Lease;
use larder_domain::{AddonRecord, AddonSpec, Event, Next, ProviderName, ProvisionType, Step, Transition, transition};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};

use super::called::{Called, Outcome};
use super::parent::Parent;
use super::secrets::{AtHand, Known};
use super::{GIVEN_BACK_WAIT_MS, Stop, call, give_back, loaded};
use crate::{Control, Offer};

/// How often a result is written before the lease is left to run out.
const WRITE_ATTEMPTS_MAX: u32 = 6;
/// How often a call takes its turn anew because the provider's limit was changed while it waited.
const TURN_ATTEMPTS_MAX: u32 = 5;
/// Between these attempts. Together they stay within a lease.
const WRITE_BACKOFF: Backoff = Backoff { first_ms: 100, longest_ms: 2_000 };

/// How long the answer of `begin-provision` may wait for that of `provision-complete`, to be stored with it: a commit is what costs most of
/// an addon that is made at once. Who waits for one that takes longer sees that it has begun.
const HELD_BACK_MAX: Duration = Duration::from_millis(200);

/// What an earlier call of the same step has written, and what is not stored yet.
#[derive(Default)]
pub(super) struct Earlier {
    state: Option<GuestState>,
    objects: Option<Objects>,
}

/// What calls need of an addon that nobody else may see.
pub(super) struct Secrets {
    /// The root of its passwords.
    pub(super) seed: Seed,
    /// The passwords that its provider was given so far, as stored.
    pub(super) issued: Vec<SecretString>,
    /// The provider's state as it was when the lease began, for the first call, if it is known.
    pub(super) state: Mutex<Option<GuestState>>,
}

/// An addon being driven.
pub(super) struct Drive {
    pub(super) control: Control,
    lease: Lease,
    /// Before that began.
    leased_at: Instant,
    pub(super) record: AddonRecord,
    secrets: Secrets,
    limits: CallLimits,
    stop: Stop,
    /// What was configured under this lease, so that it need not be read back.
    configured: Option<AddonConfig>,
    /// Whether it may have been pinned to an engine since the lease began, of which the record knows nothing.
    may_be_pinned: AtomicBool,
}

impl Drive {
    pub(super) fn new(
        control: Control,
        (lease, leased_at): (Lease, Instant),
        record: AddonRecord,
        secrets: Secrets,
        limits: CallLimits,
        stop: Stop,
    ) -> Self {
        Self {
            control,
            lease,
            leased_at,
            record,
            secrets,
            limits,
            stop,
            configured: None,
            may_be_pinned: AtomicBool::new(false),
        }
    }

    /// Goes on from `next` until the addon rests or waits, or the lease is lost.
    pub(super) async fn run(mut self, mut next: Next) {
        let stop = Arc::clone(&self.stop);
        let mut held_back = None;
        while let Next::Do(step) = next {
            // Dropping the step's future destroys the guest's store: nothing of a dropped call goes on.
            // Whoever was told to stop begins nothing more.
            let outcome = tokio::select! {
                biased;
                () = stop.notified() => None,
                outcome = self.perform_after(&mut held_back, step) => outcome,
            };
            let Some(outcome) = outcome else { break };
            if let Some(Transition { addon, next: then, .. }) = self.can_wait(&outcome) {
                held_back = Some(outcome.event);
                (self.record.addon, next) = (addon, then);
                continue;
            }
            if let Event::Configured(config) = &outcome.event {
                self.configured = Some(AddonConfig::clone(config));
            }
            let issued = outcome.issued.clone();
            match self.write(held_back.take(), outcome).await {
                Some(applied) => {
                    self.secrets.issued = issued.unwrap_or(self.secrets.issued);
                    next = applied.next;
                    (self.record.addon, self.record.updated_at) = (applied.addon, applied.updated_at);
                }
                None => break,
            }
            if self.record.addon.is_settled() {
                let record = || (!self.may_be_pinned.load(Ordering::Relaxed)).then(|| self.record.clone());
                self.control.waiters.settled(self.record.spec.id, record);
            }
        }
        self.control.running.end(&self.lease);
        if matches!(next, Next::Do(_)) {
            give_back(&self.control, &self.lease, GIVEN_BACK_WAIT_MS).await;
        }
    }

    /// What a new addon is to be by an answer that can be stored with the next one, since nothing else came with it.
    fn can_wait(&self, outcome: &Outcome) -> Option<Transition> {
        let is_begun = self.record.addon.running().is_none() && matches!(outcome.event, Event::Begun { .. });
        if !is_begun || !outcome.is_bare() {
            return None;
        }
        let begun = transition(&self.record.addon, outcome.event.clone(), self.control.store.now()).ok()?;
        (begun.next == Next::Do(Step::Complete)).then_some(begun)
    }

    /// Performs a step. What was held back for its result is stored by itself if that takes long. None if there is no room for the step now,
    /// or nothing could be stored.
    async fn perform_after(&self, held_back: &mut Option<Event>, step: Step) -> Option<Outcome> {
        let mut performed = pin!(self.perform(step));
        if held_back.is_some()
            && let Ok(outcome) = timeout(HELD_BACK_MAX, performed.as_mut()).await
        {
            return outcome;
        }
        let Some(earlier) = held_back.take() else { return performed.await };
        let stored = async { self.write(None, earlier.into()).await.ok_or(()) };
        let (_, outcome) = tokio::try_join!(stored, async { performed.await.ok_or(()) }).ok()?;
        Some(outcome)
    }

    /// Writes a result under the lease, with what was held back for it. None if it was not written: the lease was lost, or the store failed
    /// for too long.
    async fn write(&self, preceded_by: Option<Event>, outcome: Outcome) -> Option<Applied> {
        let Outcome { event, state, objects, denied, issued, log } = outcome;
        let fence = Fence::Lease(self.lease.clone());
        let notes = denied.iter().map(|denied| denial(&self.record.spec.provider, denied)).collect();
        let bare = Change::new(self.record.spec.id, event, fence);
        let sets_variables = self.tells_nobody();
        let change = Change { preceded_by, sets_variables, state, objects, issued, notes, log, ..bare };
        for attempt in 1..=WRITE_ATTEMPTS_MAX {
            match self.control.store.apply(change.clone()).await {
                Ok(applied) => return Some(applied),
                Err(StoreError::Fenced) => return None,
                Err(error) if error.may_pass() && attempt < WRITE_ATTEMPTS_MAX => {
                    if !error.is_told_already() {
                        tracing::warn!(%error, addon = %self.record.spec.id, "a result could not be written; trying again");
                    }
                    sleep(Duration::from_millis(WRITE_BACKOFF.wait_ms(attempt))).await;
                }
                Err(error) => {
                    tracing::error!(%error, addon = %self.record.spec.id, "a result could not be written; the step is repeated");
                    return None;
                }
            }
        }
        None
    }

    /// What came of a step. None if there is no room for it now.
    async fn perform(&self, step: Step) -> Option<Outcome> {
        Some(match step {
            Step::Begin => self.begin().await,
            Step::Complete => self.complete().await,
            Step::SetVariables => self.set_variables().await.into(),
            Step::UnsetVariables => self.take_variables().await.into(),
            Step::Deprovision => return self.deprovision().await,
            Step::CheckHealth => self.check_health().await,
            Step::BeginUpdate | Step::BeginRotation | Step::EndRotation | Step::BeginExport | Step::BeginImport => {
                self.operate(step).await
            }
        })
    }

    async fn begin(&self) -> Outcome {
        match Parent::of(&self.control, &self.record).await {
            Err(error) => return failed(Step::Begin, loaded::store_failed(&error)),
            Ok(Some(parent)) => {
                if let Some(event) = parent.in_the_way() {
                    return event.into();
                }
            }
            Ok(None) => {}
        }
        if self.is_shared() {
            return Event::Begun { message: "it shares the resource of another addon".to_owned() }.into();
        }
        let called = self.call(Export::BeginProvision, Earlier::default()).await;
        called.into_outcome(Step::Begin, |reply| match reply {
            Reply::Begun(message) => Some(Event::Begun { message }),
            _ => None,
        })
    }

    fn is_shared(&self) -> bool {
        matches!(self.record.spec.provision_type, ProvisionType::Shared)
    }

    /// What an addon gives that shares another one's resource: the same, under its own names.
    async fn share(&self) -> Event {
        match Parent::of(&self.control, &self.record).await {
            Err(error) => Event::Failed(Step::Complete, StepFailure::Host(loaded::store_failed(&error))),
            Ok(Some(Parent::Ready(owner, config))) => {
                let spec = &self.record.spec;
                Event::Configured(Box::new(config.shared(owner.spec.attach_as.as_ref(), spec.attach_as.as_ref())))
            }
            Ok(other) => {
                let why = other.and_then(|parent| parent.in_the_way());
                why.filter(|event| matches!(event, Event::ParentLost { .. })).unwrap_or_else(|| {
                    Event::Failed(Step::Complete, StepFailure::Host("the owner is not ready any more".to_owned()))
                })
            }
        }
    }

    /// `provision-complete` and, when it is done, `get-config`: one step, whose state is written once.
    async fn complete(&self) -> Outcome {
        if self.is_shared() {
            return self.share().await.into();
        }
        match self.sleeping().await {
            Ok(None) => {}
            Ok(Some(message)) => return Event::AwaitingContainers { message }.into(),
            Err(error) => return failed(Step::Complete, loaded::store_failed(&error)),
        }
        let called = self.call(Export::ProvisionComplete, Earlier::default()).await;
        if !matches!(called.answer, Ok(Reply::Done)) {
            return called.into_outcome(Step::Complete, |reply| match reply {
                Reply::Pending(pending) => Some(Event::StillPending(pending)),
                _ => None,
            });
        }
        let earlier =
            Earlier { state: called.state.clone(), objects: called.objects.as_ref().map(|it| it.all.clone()) };
        let config = self.call(Export::GetConfig, earlier).await;
        called.then(config).into_outcome(Step::Complete, |reply| match reply {
            Reply::Config(raw) => Some(match config::check(raw, &self.record.spec) {
                Ok(config) => Event::Configured(Box::new(config)),
                Err(error) => Event::ConfigRefused { code: "invalid_config", reason: error.to_string() },
            }),
            _ => None,
        })
    }

    /// The addon as a call is to see it: during an update as it is to be, and beside that what it has been so far.
    fn as_wanted(&self) -> (Arc<AddonSpec>, Option<PlanAndParameters>) {
        let (spec, is_operated) = (&self.record.spec, self.record.addon.running().is_some());
        let Some(PlanAndParameters { plan, parameters }) = self.record.change.clone().filter(|_| is_operated) else {
            return (Arc::clone(spec), None);
        };
        let previous = PlanAndParameters { plan: spec.plan.clone(), parameters: spec.parameters.clone() };
        (Arc::new(AddonSpec { plan, parameters, ..AddonSpec::clone(spec) }), Some(previous))
    }

    /// What serves now, and the right to call it once.
    async fn turn(&self) -> Result<(Arc<Offer>, OwnedSemaphorePermit), StepFailure> {
        let provider = &self.record.spec.provider;
        let known = self.control.offers.known().and_then(|offers| offers.0.get(provider).cloned());
        let free = known.and_then(|offer| Some((Arc::clone(&offer.calls).try_acquire_owned().ok()?, offer)));
        let (mut offer, mut turn) = match free {
            Some((turn, offer)) => (offer, Some(turn)),
            // Whoever has to wait is to wait for what serves now.
            None => (loaded::active(&self.control, provider, self.leased_at.elapsed()).await?, None),
        };
        for _ in 0..TURN_ATTEMPTS_MAX {
            let taken = match turn.take() {
                Some(turn) => turn,
                None => {
                    let waited = Arc::clone(&offer.calls).acquire_owned().await;
                    waited.map_err(|_| StepFailure::Host("the host is stopping".into()))?
                }
            };
            // Before or while this waited, a grant may have been taken back, or another version begun to serve.
            let now = loaded::active(&self.control, provider, self.leased_at.elapsed()).await?;
            if Arc::ptr_eq(&offer.calls, &now.calls) {
                return Ok((now, taken));
            }
            offer = now;
        }
        Err(StepFailure::Host("the provider's limits are being changed".into()))
    }

    /// What the communal server said of itself.
    async fn server(&self) -> Result<Option<AddonConfig>, StoreError> {
        match self.record.spec.parent {
            Some(parent) => self.control.store.addon_config(parent).await,
            None => Ok(None),
        }
    }

    /// Calls the provider's active version, with every secret that the host knows of the addon blotted out of what it said.
    pub(super) async fn call(&self, export: Export, earlier: Earlier) -> Called {
        let (offer, _turn) = match self.turn().await {
            Ok(turn) => turn,
            Err(failure) => return Called::not(failure),
        };
        if let Some(interface) = export.interface().filter(|interface| !offer.exports.contains(interface)) {
            return Called::not(not_exported(interface));
        }
        let needed = async {
            let server = self.server().await?;
            let at_hand = AtHand {
                issued: &self.secrets.issued,
                options: &offer.secrets,
                server: server.as_ref(),
                may_have_objects: self.record.engine.is_some() || !offer.docker.is_empty(),
            };
            let known = Known::of(&self.control, &self.record, at_hand).await?;
            let engine = self.engine(&offer).await?;
            let (network, open) = self.network(&offer, &engine).await?;
            Ok((network, open, server, known, engine))
        };
        let (network, open, server, known, engine) = match needed.await {
            Ok(needed) => needed,
            Err(error) => return Called::not(StepFailure::Host(loaded::store_failed(&error))),
        };
        let context = call::Context {
            control: self.control.clone(),
            spec: Arc::clone(&self.record.spec),
            engine,
            held: self.control.running.held(&self.lease),
            lease: self.lease.clone(),
            secrets: known.all.clone(),
            state: Mutex::new(self.secrets.state.lock().unwrap_or_else(PoisonError::into_inner).take()),
            open,
        };
        let (addon, previous) = self.as_wanted();
        let call = Call {
            digest: offer.digest,
            export,
            addon,
            generation: self.record.addon.generation_in_calls(),
            previous,
            server_config: of_the_server(server.as_ref()),
            seed: self.secrets.seed.clone(),
            options: offer.options.clone(),
            state: earlier.state,
            objects: earlier.objects,
            limits: offer.limits.over(self.limits),
            log: Arc::clone(&offer.log),
            network,
            docker: Arc::clone(&offer.docker),
            context: Arc::new(context),
        };
        let report = self.control.runtime.call(call).await;
        self.control.metrics.called(&self.record.spec.provider, export, &report);
        Called::new(offer.digest, report, known)
    }
}

/// Another version serves than the one that was asked whether it can.
fn not_exported(interface: Interface) -> StepFailure {
    let reason = format!("the version of the provider that serves now does not export `{interface}`");
    StepFailure::Guest(GuestFailure::Failed(reason))
}

fn failed(step: Step, reason: String) -> Outcome {
    Event::Failed(step, StepFailure::Host(reason)).into()
}

fn of_the_server(config: Option<&AddonConfig>) -> Vec<(String, SecretString)> {
    let credentials = config.map(|config| config.credentials.as_slice()).unwrap_or_default();
    credentials.iter().map(|credential| (credential.key.clone(), credential.value.clone())).collect()
}

/// A way that the gate closed, with what would open it.
fn denial(provider: &ProviderName, denied: &Denied) -> Entry {
    let Denied { capability, wanted, missing } = denied;
    let remedy = match missing {
        Some(missing) => format!("; to let it, `larder provider grant {provider} '{missing}'`"),
        None => ", which its manifest does not ask for: its author can add it there, then you can grant it".to_owned(),
    };
    let data = json!({ "capability": capability.as_str(), "wanted": wanted, "missing": missing });
    Entry::with("denied", format!("the provider was kept from {wanted}{remedy}"), data)
}
