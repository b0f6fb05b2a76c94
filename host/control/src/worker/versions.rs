//! The slow part of an upload: compile, link, describe, and let the manifest be checked.

use larder_domain::failure::{Fault, FaultCode, bounded_text};
use larder_domain::limits::CallLimits;
use larder_domain::manifest::Manifest;
use larder_domain::ports::runtime::Export;
use larder_domain::ports::store::CheckOutcome;
use larder_domain::provider::CheckStage;
use larder_domain::work::{Lease, Subject};
use larder_domain::{Digest, ProviderName, SecretString};

use super::loaded::{self, LoadError};
use super::{GIVEN_BACK_WAIT_MS, give_back, trial};
use crate::{Control, offers};

/// Checks the version that the lease is about and stores what was found.
pub(super) async fn check(control: Control, lease: Lease, limits: CallLimits) {
    if let Subject::Version(provider, digest) = &lease.subject {
        match examine(&control, provider, *digest, limits).await {
            Some(outcome) => finish(&control, &lease, provider, *digest, outcome).await,
            None => give_back(&control, &lease, GIVEN_BACK_WAIT_MS).await,
        }
    }
    control.running.end(&lease);
}

async fn finish(control: &Control, lease: &Lease, provider: &ProviderName, digest: Digest, outcome: CheckOutcome) {
    if let CheckOutcome::Refused { code, message } = &outcome {
        tracing::info!(%provider, %digest, code, message, "a version was refused");
    }
    let _changing = control.offers.changing();
    if let Err(error) = control.store.finish_check(lease, provider, digest, outcome).await {
        tracing::warn!(%error, %provider, %digest, "the outcome of a check could not be stored; it is repeated");
    }
    // What serves from now on is loaded; what it replaced, or what waits or was refused, need not be.
    match control.store.provider(provider).await {
        Ok(Some(provider)) => control.unload_idle(&provider),
        _ => control.runtime.unload(digest),
    }
}

/// None if the host itself failed: the check is repeated.
async fn examine(
    control: &Control,
    provider: &ProviderName,
    digest: Digest,
    limits: CallLimits,
) -> Option<CheckOutcome> {
    let check = control.checks.begin(digest);
    match loaded::load(control, digest).await {
        Ok(()) => {}
        Err(LoadError::Refused(refusal)) => return Some(refused(refusal.code, refusal.message)),
        Err(LoadError::Host(reason)) => {
            tracing::warn!(%provider, %digest, reason, "a version could not be checked");
            return None;
        }
    }
    let options = control.store.provider_options(provider).await.ok()?;
    check.is(CheckStage::Describing);
    let manifest = match describe(control, digest, &options, limits).await {
        Ok(manifest) => manifest,
        Err(Undescribed::Refused { code, message }) => return Some(refused(code, message)),
        Err(Undescribed::Host(reason)) => {
            tracing::warn!(%provider, %digest, reason, "a version could not be described");
            return None;
        }
    };
    check.is(CheckStage::Trying);
    let exports = control.runtime.exports(digest);
    match trial::hold(control, provider, digest, &manifest, &exports, &options, limits).await {
        Ok(()) => Some(CheckOutcome::Accepted { manifest, exports }),
        Err(trial::Failed::Broke(export, fault)) => Some(broke(export, &fault)),
        Err(trial::Failed::Host(reason)) => {
            tracing::warn!(%provider, %digest, reason, "a version could not be tried");
            None
        }
    }
}

fn broke(export: Export, fault: &Fault) -> CheckOutcome {
    refused(
        "trial_failed",
        format!(
            "`{export}` broke down when it was called for a try, about an addon without parameters and with nothing granted: {}; \
             let it answer with a failure when it can't do its work",
            fault.detail
        ),
    )
}

/// Why a version has not said what it offers.
pub(crate) enum Undescribed {
    /// It is at fault: code and message.
    Refused { code: &'static str, message: String },
    /// The host is.
    Host(String),
}

/// Loads a version and asks it for its manifest under these options.
pub(crate) async fn describe(
    control: &Control,
    digest: Digest,
    options: &SecretString,
    limits: CallLimits,
) -> Result<Manifest, Undescribed> {
    let refused = |code, message: String| Undescribed::Refused { code, message: bounded_text(message) };
    match loaded::load(control, digest).await {
        Ok(()) => {}
        Err(LoadError::Refused(refusal)) => return Err(refused(refusal.code, refusal.message)),
        Err(LoadError::Host(reason)) => return Err(Undescribed::Host(reason)),
    }
    match control.runtime.describe(digest, options, limits).await {
        Ok(Ok(text)) => accept(&text).await.map_err(|(code, message)| refused(code, message)),
        Ok(Err(reason)) => Err(refused("describe_failed", format!("`describe` answered with an error: {reason}"))),
        Err(Fault { code: FaultCode::Host, detail }) => Err(Undescribed::Host(detail)),
        Err(fault) => Err(refused("describe_failed", format!("`describe` broke down: {}", fault.detail))),
    }
}

async fn accept(text: &str) -> Result<Manifest, (&'static str, String)> {
    let invalid = |reason: String| {
        ("invalid_manifest", format!("the manifest that `describe` returned is not accepted: {reason}"))
    };
    let manifest = Manifest::parse(text).map_err(|error| invalid(error.to_string()))?;
    offers::compile_all(manifest.clone()).await.map_err(invalid)?;
    if let Some(request) = manifest.requests.iter().find(|r| r.required && r.permission().is_err()) {
        let message = format!(
            "the provider requires the capability {:?} ({}), which this host does not have; build it without, or make the request optional",
            request.capability, request.value
        );
        return Err(("unknown_capability", message));
    }
    Ok(manifest)
}

fn refused(code: &str, message: String) -> CheckOutcome {
    CheckOutcome::Refused { code: code.to_owned(), message: bounded_text(message) }
}
