//! Turns what a guest answered into the domain's words. Texts and delays are cut to their bounds here, so that nothing
//! behind this line has to think of them; configurations go on as they came, for `larder_domain::config::check`.

use larder_domain::config::{RawConfig, RawEntry};
use larder_domain::failure::{GuestFailure, Pending, bounded_text};
use larder_domain::limits::{AFTER_MS_MAX, AFTER_MS_MIN};
use larder_domain::operation::Health;
use larder_domain::ports::Reply;
use larder_domain::secret::SecretString;
use larder_domain::transfer::TRANSFER_BYTES_MAX;

use crate::bindings::{HealthStatus, provider};

/// What a function of `lifecycle` answers in the end.
pub(crate) type Answer = Result<Reply, GuestFailure>;

/// `begin-provision`.
pub(crate) fn begun(answer: Result<String, provider::Failure>) -> Answer {
    answer.map(|message| Reply::Begun(bounded_text(message))).map_err(failure)
}

/// `provision-complete` and `deprovision`.
pub(crate) fn progressed(answer: Result<provider::Progress, provider::Failure>) -> Answer {
    let reply = |progress| match progress {
        provider::Progress::Done => Reply::Done,
        provider::Progress::Pending(pending) => {
            Reply::Pending(Pending::bounded(pending.after_ms.into(), pending.message, pending.percent))
        }
    };
    answer.map(reply).map_err(failure)
}

/// `get-config`.
pub(crate) fn configured(answer: Result<provider::Config, provider::Failure>) -> Answer {
    answer.map(|config| Reply::Config(raw(config))).map_err(failure)
}

/// `begin-export` and `begin-import`. A document that is too long is no answer that a provider may give; cut, it would be another.
pub(crate) fn described(answer: Result<String, provider::Failure>) -> Answer {
    match answer {
        Ok(document) if document.len() > TRANSFER_BYTES_MAX => Err(GuestFailure::Failed(format!(
            "its description of the transfer has {} bytes; {TRANSFER_BYTES_MAX} are allowed",
            document.len()
        ))),
        Ok(document) => Ok(Reply::Transfer(SecretString::new(document))),
        Err(refused) => Err(failure(refused)),
    }
}

/// `check` of `health`.
pub(crate) fn checked(answer: Result<HealthStatus, provider::Failure>) -> Answer {
    let health = |status| match status {
        HealthStatus::Healthy => Health::HEALTHY,
        HealthStatus::Unhealthy(reason) => Health::unhealthy(bounded_text(reason)),
    };
    answer.map(|status| Reply::Health(health(status))).map_err(failure)
}

fn raw(config: provider::Config) -> RawConfig {
    let entry = |name, value, secret| RawEntry { name, value: SecretString::new(value), secret };
    RawConfig {
        variables: config.variables.into_iter().map(|v| entry(v.name, v.value, v.secret)).collect(),
        credentials: config.credentials.into_iter().map(|c| entry(c.key, c.value, c.secret)).collect(),
    }
}

fn failure(failure: provider::Failure) -> GuestFailure {
    match failure {
        provider::Failure::Rejected(reason) => GuestFailure::Rejected(bounded_text(reason)),
        provider::Failure::Failed(reason) => GuestFailure::Failed(bounded_text(reason)),
        provider::Failure::Retry(later) => GuestFailure::Retry {
            after_ms: u64::from(later.after_ms).clamp(AFTER_MS_MIN, AFTER_MS_MAX),
            reason: bounded_text(later.reason),
        },
    }
}
