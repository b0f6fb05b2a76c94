//! What a call left behind, on its way to the store: with every secret that the host knows blotted out of what the guest said.

use larder_domain::config::RawConfig;
use larder_domain::docker::{Objects, Wanted};
use larder_domain::failure::{Fault, FaultCode, GuestFailure, Pending, StepFailure, bounded_text};
use larder_domain::grants::Denied;
use larder_domain::operation::Health;
use larder_domain::ports::runtime::{CallReport, GuestState, LogLine, Reply};
use larder_domain::ports::store::Desired;
use larder_domain::redact::{redact, redact_lines};
use larder_domain::{Digest, Event, SecretString, Step};

use super::secrets::{Known, united};

/// What performing a step brought.
pub(super) struct Outcome {
    pub(super) event: Event,
    pub(super) state: Option<GuestState>,
    pub(super) objects: Option<Desired>,
    pub(super) denied: Vec<Denied>,
    /// All passwords that the provider was given so far, if some are new.
    pub(super) issued: Option<Vec<SecretString>>,
    pub(super) log: Vec<LogLine>,
}

impl From<Event> for Outcome {
    fn from(event: Event) -> Self {
        Self { event, state: None, objects: None, denied: vec![], issued: None, log: vec![] }
    }
}

impl Outcome {
    /// Whether there is nothing to store but what happened.
    pub(super) fn is_bare(&self) -> bool {
        let Self { event: _, state, objects, denied, issued, log } = self;
        state.is_none() && objects.is_none() && denied.is_empty() && issued.is_none() && log.is_empty()
    }
}

/// A call's report, as it came. It is redacted on the way out.
pub(super) struct Called {
    pub(super) answer: Result<Reply, StepFailure>,
    pub(super) state: Option<GuestState>,
    pub(super) objects: Option<Desired>,
    pub(super) denied: Vec<Denied>,
    log: Vec<LogLine>,
    /// The passwords that this call has got.
    issued: Vec<SecretString>,
    known: Known,
}

impl Called {
    /// No call was made.
    pub(super) fn not(failure: StepFailure) -> Self {
        let known = Known::default();
        Self { answer: Err(failure), state: None, objects: None, denied: vec![], log: vec![], issued: vec![], known }
    }

    /// A version's report, and the secrets that were known before.
    pub(super) fn new(by: Digest, report: CallReport, mut known: Known) -> Self {
        let CallReport { outcome, state, objects, denied, log, issued, .. } = report;
        known.all.extend(issued.iter().cloned());
        known.all.extend(objects.iter().flat_map(Objects::values).flat_map(Wanted::secrets).cloned());
        let objects = objects.map(|all| Desired { by, all });
        let answer = match outcome {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(failure)) => Err(StepFailure::Guest(failure)),
            Err(Fault { code: FaultCode::Host, detail }) => Err(StepFailure::Host(detail)),
            Err(fault) => Err(StepFailure::Fault(fault)),
        };
        if let Ok(Reply::Config(config)) = &answer {
            known.all.extend(secrets_of(config));
        }
        Self { answer, state, objects, denied, log, issued, known }
    }

    /// This call and the next one of the same step, as if they had been one.
    pub(super) fn then(mut self, next: Self) -> Self {
        self.denied
            .extend(next.denied.into_iter().filter(|missing| !self.denied.contains(missing)).collect::<Vec<_>>());
        self.log.extend(next.log);
        self.issued.extend(next.issued);
        self.known.all.extend(next.known.all);
        // What the first call wrote stays, even if the second broke down.
        Self { answer: next.answer, state: next.state.or(self.state), objects: next.objects.or(self.objects), ..self }
    }

    /// The event that the answer means. `expected` gives none for an answer that this function can't give.
    pub(super) fn into_outcome(mut self, step: Step, expected: impl FnOnce(Reply) -> Option<Event>) -> Outcome {
        let secrets = self.known.all;
        redact_lines(&mut self.log, &secrets);
        let say = |text: String| bounded_text(redact(text, &secrets));
        let event = match self.answer {
            Ok(reply) => match expected(reply_said(reply, say)) {
                Some(Event::ConfigRefused { code, reason }) => Event::ConfigRefused { code, reason: say(reason) },
                Some(event) => event,
                None => {
                    let reason = format!("the sandbox gave an answer that {step} can't give");
                    Event::Failed(step, StepFailure::Host(reason))
                }
            },
            Err(failure) => Event::Failed(step, failure_said(failure, say)),
        };
        // Names of hosts have lost their capitals on their way. Most calls were refused nothing.
        let lower = |secret: &SecretString| SecretString::new(secret.reveal().to_lowercase());
        let lowered: Vec<_> = secrets.iter().filter(|_| !self.denied.is_empty()).map(lower).collect();
        let say = |text: String| redact(say(text), &lowered);
        let denied = |denied: Denied| Denied { wanted: say(denied.wanted), missing: denied.missing.map(say), ..denied };
        let denied = self.denied.into_iter().map(denied).collect();
        let issued = united(self.known.issued, self.issued);
        Outcome { event, state: self.state, objects: self.objects, denied, issued, log: self.log }
    }
}

fn secrets_of(config: &RawConfig) -> Vec<SecretString> {
    let entries = config.variables.iter().chain(&config.credentials);
    entries.filter(|entry| entry.secret).map(|entry| entry.value.clone()).collect()
}

fn reply_said(reply: Reply, say: impl Fn(String) -> String) -> Reply {
    match reply {
        Reply::Begun(message) => Reply::Begun(say(message)),
        Reply::Pending(pending) => Reply::Pending(Pending { message: say(pending.message), ..pending }),
        Reply::Health(health) => Reply::Health(Health { reason: health.reason.map(say), ..health }),
        Reply::Done | Reply::Config(_) | Reply::Transfer(_) => reply,
    }
}

fn failure_said(failure: StepFailure, say: impl Fn(String) -> String) -> StepFailure {
    match failure {
        StepFailure::Guest(GuestFailure::Rejected(reason)) => StepFailure::Guest(GuestFailure::Rejected(say(reason))),
        StepFailure::Guest(GuestFailure::Failed(reason)) => StepFailure::Guest(GuestFailure::Failed(say(reason))),
        StepFailure::Guest(GuestFailure::Retry { after_ms, reason }) => {
            StepFailure::Guest(GuestFailure::Retry { after_ms, reason: say(reason) })
        }
        StepFailure::Fault(Fault { code, detail }) => StepFailure::Fault(Fault { code, detail: say(detail) }),
        StepFailure::Host(reason) => StepFailure::Host(say(reason)),
        StepFailure::ProviderGone(reason) => StepFailure::ProviderGone(say(reason)),
    }
}
