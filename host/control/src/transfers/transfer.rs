//! One transfer from its wish to its end.

use std::time::Duration;

use larder_domain::failure::bounded_text;
use larder_domain::operation::{NewOperation, Operation, OperationKind, Stage};
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::{EngineError, LAST_ERRORS_BYTES_MAX};
use larder_domain::ports::runtime::Interface;
use larder_domain::ports::store::{Change, Fence};
use larder_domain::redact::{redact, redact_end};
use larder_domain::retry::Backoff;
use larder_domain::transfer::Transfer;
use larder_domain::{AddonId, AddonRecord, Event, OperationId, SecretString};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval, sleep};

use super::Live;
use super::container::{NotRun, Running, Slot};
use super::flow::{Client, Head, Meter, Piece};
use super::inflate::{ImportBody, NoMore, Source};
use crate::worker::secrets_of;
use crate::{Code, Control, ControlError};

/// How long the provider has to describe the program. Shorter than the longest wait for it, so that its failure is what is told.
const BEGIN_DEADLINE_MS: u64 = 50_000;
/// How often it is said that data flow, and looked whether they may go on.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long a program may do nothing while its client waits for it: building an index takes its time.
const PROGRAM_SILENCE: Duration = Duration::from_secs(15 * 60);
/// How often the end is written before the operation is left to the state machine.
const WRITE_ATTEMPTS_MAX: u32 = 6;
/// Between these attempts.
const WRITE_BACKOFF: Backoff = Backoff { first_ms: 100, longest_ms: 2_000 };
/// Shorter values of a container's environment are words rather than passwords.
const ENV_SECRET_BYTES_MIN: usize = 8;

/// Why the data do not flow, or not to their end.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) reason: String,
}

impl Failure {
    fn new(reason: impl Into<String>) -> Self {
        Self { code: Code::TransferFailed, reason: reason.into() }
    }

    pub(super) fn of_engine(error: EngineError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<NotRun> for Failure {
    fn from(error: NotRun) -> Self {
        if let NotRun::Store(error) = &error {
            tracing::warn!(%error, "a transfer could not be begun");
        }
        Self::new(error.to_string())
    }
}

impl From<NoMore> for Failure {
    fn from(error: NoMore) -> Self {
        Self::new(error.to_string())
    }
}

/// A transfer under way.
pub(super) struct Transferring {
    control: Control,
    addon: AddonId,
    live: Live,
    meter: Meter,
    container: Slot,
}

/// A transfer whose provider has described the program.
struct Begun {
    record: AddonRecord,
    transfer: Transfer,
    secrets: Vec<SecretString>,
}

impl Transferring {
    pub(super) fn new(control: Control, addon: AddonId, live: Live) -> Self {
        Self { control, addon, live, meter: Meter::default(), container: Slot::default() }
    }

    /// Sends the addon's data to a client.
    pub(super) async fn export(self, told: oneshot::Sender<Result<Head, ControlError>>, pieces: mpsc::Sender<Piece>) {
        let begun = match self.begin(OperationKind::Export).await {
            Ok(begun) => begun,
            Err(error) => return drop(told.send(Err(error))),
        };
        let Transfer { content_type, extension, .. } = begun.transfer.clone();
        let head = Head { content_type, extension, spec: begun.record.spec.clone() };
        let mut client = Client::new(told, head, pieces);
        let gone = client.gone();
        let flow = async {
            let mut program = self.run(&begun, false).await?;
            client.feed(&mut program, &self.meter, self.bytes_max()).await?;
            Self::conclude(program, &begun.secrets).await
        };
        let result = tokio::select! {
            result = flow => result,
            () = gone => Err(Failure::new("the client went away")),
            failure = self.watch() => Err(failure),
        };
        match self.end(&begun, result).await {
            Ok(()) => client.end(),
            Err(error) => client.fail(error),
        }
    }

    /// Takes data in from a client.
    pub(super) async fn import(self, body: ImportBody, done: oneshot::Sender<Result<(), ControlError>>) {
        let mut source = Source::new(body);
        let begun = match self.begin(OperationKind::Import).await {
            Ok(begun) => begun,
            Err(error) => {
                drop(done.send(Err(error)));
                return source.drain().await;
            }
        };
        let flow = async {
            let mut program = self.run(&begun, true).await?;
            self.feed(&mut program, &mut source, begun.transfer.end.as_bytes()).await?;
            Self::conclude(program, &begun.secrets).await
        };
        let result = tokio::select! {
            result = flow => result,
            failure = self.watch() => Err(failure),
        };
        drop(done.send(self.end(&begun, result).await));
        source.drain().await;
    }

    fn bytes_max(&self) -> u64 {
        self.live.transfers.limits.bytes_max
    }

    /// Stores the wish, and waits until the provider has described the program.
    async fn begin(&self, kind: OperationKind) -> Result<Begun, ControlError> {
        let id = self.live.operation;
        let record = self.control.addon(self.addon).await?;
        self.control.supports(&record, Interface::Transfer).await?;
        // Before it is there, so that no other node takes it for one that broke off.
        self.control.store.look_after(id).await?;
        let deadline_ms = BEGIN_DEADLINE_MS;
        let wish = NewOperation { id, kind, deadline_ms, overlap_ms: 0, change: None, after: None };
        if let Err(error) = self.control.operate(record, wish, None).await {
            self.let_go().await;
            return Err(error);
        }
        let begun = self.described().await;
        if let Err(error) = &begun {
            self.give_up(error).await;
            self.let_go().await;
        }
        begun
    }

    /// Nobody waits for it any more, so it is not to be in the way of another.
    async fn give_up(&self, why: &ControlError) {
        let event = Event::TransferEnded { bytes: 0, result: Err(bounded_text(why.to_string())) };
        match self.apply(event).await {
            Ok(()) => self.control.drop_superseded(self.addon).await,
            // It has ended already.
            Err(StoreError::Illegal(_) | StoreError::Missing(_)) => {}
            Err(error) => {
                tracing::warn!(%error, addon = %self.addon, "a transfer that nobody waits for could not be ended")
            }
        }
    }

    async fn described(&self) -> Result<Begun, ControlError> {
        let id = self.live.operation;
        let record = self.control.wait_for_addon(self.addon, self.live.transfers.limits.begin_wait).await?;
        let failed = |reason: String| Err(ControlError::refused(Code::TransferFailed, reason));
        match own(&record, id) {
            Some(operation) if operation.is_running() && operation.stage == Stage::Stream => {}
            Some(operation) if operation.is_running() => {
                return failed(format!("its provider has not begun: {}", operation.message));
            }
            operation => return Err(ControlError::refused(code_of_end(operation), why_ended(operation))),
        }
        // It may have been given up in this moment; then that is found out by the first heartbeat.
        let Some(described) = self.control.store.transfer(self.addon).await? else {
            return failed("the operation has ended".to_owned());
        };
        let parsed = Transfer::parse(described.reveal());
        let transfer = parsed.map_err(|error| ControlError::refused(Code::TransferFailed, error.to_string()))?;
        let secrets = self.secrets(&record, &transfer).await?;
        Ok(Begun { record, transfer, secrets })
    }

    /// What the program must not tell anybody when it complains.
    async fn secrets(&self, record: &AddonRecord, transfer: &Transfer) -> Result<Vec<SecretString>, StoreError> {
        let known = secrets_of(&self.control, record).await?;
        let env = transfer.container.env.values().filter(|value| value.reveal().len() >= ENV_SECRET_BYTES_MIN).cloned();
        Ok(known.into_iter().chain(env).collect())
    }

    async fn run(&self, begun: &Begun, has_input: bool) -> Result<Running, Failure> {
        let Begun { record, transfer, .. } = begun;
        Ok(Running::start(&self.control, record, self.live.operation, transfer, has_input, &self.container).await?)
    }

    /// Gives the program all that comes, and then the end: whatever breaks off before, nobody takes what it has for the whole.
    async fn feed(&self, program: &mut Running, source: &mut Source, end: &[u8]) -> Result<(), Failure> {
        let streams = &mut program.streams;
        while let Some(bytes) = self.meter.of_client(source.next()).await? {
            self.meter.count(bytes.len(), self.bytes_max())?;
            if !streams.write(&bytes).await.map_err(Failure::of_engine)? {
                // It has ended, and its code says whether it has read enough.
                return streams.finish().await.map_err(Failure::of_engine);
            }
        }
        if !end.is_empty() {
            streams.write(end).await.map_err(Failure::of_engine)?;
        }
        streams.finish().await.map_err(Failure::of_engine)
    }

    /// How a program has ended of which no more comes.
    async fn conclude(mut program: Running, secrets: &[SecretString]) -> Result<(), Failure> {
        program.exit().await.map_err(|how| {
            let said = redact_end(program.streams.last_errors(), secrets, LAST_ERRORS_BYTES_MAX);
            let said = said.trim();
            Failure::new(if said.is_empty() { how } else { format!("{how}: {said}") })
        })
    }

    /// Says again and again that data flow, or that the client waits for the program. Ends when they are to flow no more.
    async fn watch(&self) -> Failure {
        let (mut ticks, mut told, mut moved_at) = (interval(HEARTBEAT), 0, Instant::now());
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.live.stop.notified() => return self.found_ended().await,
            }
            let bytes = self.meter.bytes();
            if bytes != told {
                moved_at = Instant::now();
            }
            if moved_at.elapsed() > PROGRAM_SILENCE {
                return Failure::new(format!("the program has done nothing for {} s", PROGRAM_SILENCE.as_secs()));
            }
            let result = match bytes == told && self.meter.waits_for_client() {
                // A client that stands still for too long is the state machine's to give up.
                true => self.control.store.addon(self.addon).await.map(|record| {
                    record.is_some_and(|record| own(&record, self.live.operation).is_some_and(Operation::is_running))
                }),
                false => match self.apply(Event::Transferred { bytes }).await {
                    Ok(()) => Ok(true),
                    Err(StoreError::Illegal(_) | StoreError::Missing(_)) => Ok(false),
                    Err(error) => Err(error),
                },
            };
            match result {
                Ok(true) => told = bytes,
                Ok(false) => return self.found_ended().await,
                Err(error) => tracing::warn!(%error, addon = %self.addon, "it could not be noted that data flow"),
            }
        }
    }

    /// Somebody else ended the operation, or the host stops.
    async fn found_ended(&self) -> Failure {
        let record = self.control.store.addon(self.addon).await.ok().flatten();
        let operation = record.as_ref().and_then(|record| own(record, self.live.operation));
        if operation.is_some_and(Operation::is_running) {
            return Failure::new("the host is stopping");
        }
        Failure::new(why_ended(operation))
    }

    /// Removes the container, and stores how it ended. What is told to the client is how it ended in the store.
    async fn end(&self, begun: &Begun, result: Result<(), Failure>) -> Result<(), ControlError> {
        self.container.remove().await;
        let result = result
            .map_err(|Failure { code, reason }| (code, bounded_text(redact(bounded_text(reason), &begun.secrets))));
        let bytes = self.meter.bytes();
        let event = Event::TransferEnded { bytes, result: result.clone().map_err(|(_, reason)| reason) };
        let mut attempt = 1;
        let stored = loop {
            match self.apply(event.clone()).await {
                Err(error) if error.may_pass() && attempt < WRITE_ATTEMPTS_MAX => {
                    tracing::warn!(%error, addon = %self.addon, "a transfer's end could not be written; trying again");
                    sleep(Duration::from_millis(WRITE_BACKOFF.wait_ms(attempt))).await;
                    attempt += 1;
                }
                stored => break stored,
            }
        };
        self.let_go().await;
        match (result, stored) {
            (Err((code, reason)), _) => Err(ControlError::refused(code, reason)),
            (Ok(()), Ok(())) => Ok(()),
            (Ok(()), Err(StoreError::Illegal(_) | StoreError::Missing(_))) => {
                let Failure { code, reason } = self.found_ended().await;
                Err(ControlError::refused(code, reason))
            }
            (Ok(()), Err(error)) => Err(error.into()),
        }
    }

    /// Nobody looks after it any more.
    async fn let_go(&self) {
        if let Err(error) = self.control.store.let_go(self.live.operation).await {
            tracing::debug!(%error, "that a transfer is over is not noted; it goes with this process");
        }
    }

    async fn apply(&self, event: Event) -> Result<(), StoreError> {
        apply(&self.control, self.addon, self.live.operation, event).await
    }
}

/// Applies an event to an addon's operation, if it is still that one.
pub(crate) async fn apply(
    control: &Control,
    addon: AddonId,
    operation: OperationId,
    event: Event,
) -> Result<(), StoreError> {
    // Between this look and the event, at most another transfer could have begun and come as far, in no time.
    let record = control.store.addon(addon).await?.ok_or(StoreError::Missing("addon"))?;
    if own(&record, operation).is_none() {
        return Err(StoreError::Missing("operation"));
    }
    let change = Change::new(addon, event, Fence::User);
    control.store.apply(change).await.map(drop)
}

fn own(record: &AddonRecord, id: OperationId) -> Option<&Operation> {
    record.addon.operation.as_ref().filter(|operation| operation.id == id)
}

/// What its provider rejects will not do however often it is asked; all else has failed.
fn code_of_end(operation: Option<&Operation>) -> Code {
    let error = operation.and_then(|operation| operation.error.as_ref());
    if error.is_some_and(|error| error.code == "provider_rejected") { Code::NotSupported } else { Code::TransferFailed }
}

fn why_ended(operation: Option<&Operation>) -> String {
    let error = operation.and_then(|operation| operation.error.as_ref());
    error.map_or_else(|| "the operation has ended".to_owned(), |error| error.reason.clone())
}
