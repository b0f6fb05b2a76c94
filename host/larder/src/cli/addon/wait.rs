//! `larder addon wait`, and the waiting of `larder addon create --wait` and `larder addon delete --wait`.
//!
//! The server does the waiting, in calls that end when there is news. Somebody who looks at the spinner gets
//! news every second; a script just waits. A server that restarts meanwhile is waited for, some seconds long.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{WaitArgs, reference};
use crate::cli::api::call::{Call, WAIT_S_MAX};
use crate::cli::context::Context;
use crate::cli::duration;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};
use crate::cli::progress::Spinner;

/// Between two calls at least, should the server not do the waiting.
const PAUSE: Duration = Duration::from_millis(250);
/// The same where the server has nothing to wait for: it looks at states only, and removal is none.
const PAUSE_UNTIL_REMOVED: Duration = Duration::from_millis(500);
/// For how many calls in a row the server may be away.
const AWAY_MAX: u32 = 40;

pub(crate) async fn run(context: &Context, args: &WaitArgs) -> Result<()> {
    let id = reference::find(&context.api, &args.which.addon, args.which.app.as_deref()).await?;
    // A wrong id, or a server that is away from the start, is told at once.
    let answer = context.api.call(Call::get(&["v1", "addons", &id])).await?.body;
    let addon: Addon = model::read(&answer)?;
    if addon.is_settled() || args.timeout.is_zero() {
        return report(context, &answer, &addon, args.timeout);
    }
    let (answer, addon) = until_settled(context, &id, args.timeout).await?;
    report(context, &answer, &addon, args.timeout)
}

/// Prints how the waiting ended, and fails unless the addon is ready.
pub(crate) fn report(context: &Context, answer: &Value, addon: &Addon, timeout: Duration) -> Result<()> {
    if context.out.json {
        context.out.json(answer)?;
    }
    outcome(addon, timeout)?;
    context.out.done(&format!("`{}` is ready", addon.label()))
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// That waiting for an addon to be ready makes no sense any more.
    Settled,
    /// That what a deleted one held is removed, or kept.
    Removed,
}

impl Until {
    fn is_over(self, addon: &Addon) -> bool {
        match self {
            Self::Settled => addon.is_settled(),
            Self::Removed => addon.is_removed() || addon.kept_until.is_some(),
        }
    }

    fn says(self, addon: &Addon) -> String {
        match self {
            Self::Settled => format!("{}  {}  {}", addon.label(), addon.state, addon.remark()),
            Self::Removed => format!("{}  cleanup {}", addon.label(), addon.cleanup.remark()),
        }
    }

    const fn pause(self) -> Duration {
        match self {
            Self::Settled => PAUSE,
            Self::Removed => PAUSE_UNTIL_REMOVED,
        }
    }
}

/// The addon when waiting makes no sense any more, or when the time is over.
pub(crate) async fn until_settled(context: &Context, id: &str, timeout: Duration) -> Result<(Value, Addon)> {
    until(context, id, timeout, Until::Settled).await
}

/// The deleted addon when what it held is removed or kept, or when the time is over.
pub(crate) async fn until_removed(context: &Context, id: &str, timeout: Duration) -> Result<(Value, Addon)> {
    until(context, id, timeout, Until::Removed).await
}

async fn until(context: &Context, id: &str, timeout: Duration, until: Until) -> Result<(Value, Addon)> {
    let deadline = Instant::now() + timeout;
    let spinner = Spinner::start(context.out, "waiting");
    let mut away = 0;
    loop {
        let began = Instant::now();
        let wait_s = wait_s(deadline - began, spinner.is_seen());
        let call = Call::get(&["v1", "addons", id]);
        let call = if wait_s == 0 { call } else { call.wait(wait_s) };
        match context.api.call(call).await {
            Ok(answer) => {
                away = 0;
                let addon: Addon = model::read(&answer.body)?;
                if until.is_over(&addon) || Instant::now() >= deadline {
                    return Ok((answer.body, addon));
                }
                spinner.say(&until.says(&addon));
            }
            Err(failure) if failure.kind == Kind::Unreachable && away < AWAY_MAX && Instant::now() < deadline => {
                away += 1;
                spinner.say(&format!("waiting for the server: {}", failure.detail));
            }
            Err(failure) => return Err(failure),
        }
        sleep(until.pause().saturating_sub(began.elapsed())).await;
    }
}

/// How long the server is to wait in one call, in whole seconds.
fn wait_s(remaining: Duration, is_seen: bool) -> u64 {
    let longest = if is_seen { 1 } else { WAIT_S_MAX / 2 };
    let rounded_up = remaining.as_secs() + u64::from(remaining.subsec_nanos() > 0);
    rounded_up.min(longest)
}

/// Whether an addon is ready, after it was waited for.
pub(crate) fn outcome(addon: &Addon, timeout: Duration) -> Result<()> {
    let label = addon.label();
    match (addon.state.as_str(), &addon.error) {
        ("ready", _) => Ok(()),
        ("error", Some(error)) => {
            let detail = format!("`{label}` could not be provisioned: {}", error.reason);
            Err(Failure::new(Kind::AddonFailed, &error.code, detail).or_help(look(&addon.id)))
        }
        (state @ ("error" | "deprovisioned"), _) => {
            let code = if state == "error" { "addon_error" } else { "deprovisioned" };
            let detail = format!("`{label}` will not become ready: its state is `{state}`");
            Err(Failure::new(Kind::AddonFailed, code, detail).or_help(look(&addon.id)))
        }
        (state, _) => {
            let detail = format!("`{label}` is not ready after {}: its state is `{state}`", duration::show(timeout));
            let help = format!("it goes on; wait longer with `larder addon wait {label} --timeout 5m`");
            Err(Failure::new(Kind::TimedOut, "timeout", detail).or_help(help))
        }
    }
}

/// Whether what a deleted addon held is removed or kept, after that was waited for.
pub(crate) fn removal(addon: &Addon, timeout: Duration) -> Result<()> {
    if Until::Removed.is_over(addon) {
        return Ok(());
    }
    let (label, remark) = (addon.label(), addon.cleanup.remark());
    let detail =
        format!("what `{label}` held is not removed after {}: its cleanup is {remark}", duration::show(timeout));
    Err(Failure::new(Kind::TimedOut, "timeout", detail).or_help(format!("it goes on; {}", look(&addon.id))))
}

fn look(id: &str) -> String {
    format!("see `larder addon events {id}` and `larder addon logs {id}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::AddonError;

    fn addon(state: &str, error: Option<&str>) -> Addon {
        let error = error.map(|code| AddonError { code: code.into(), reason: "disk full".into() });
        Addon {
            id: "7".into(),
            app: Some("web".into()),
            name: "db".into(),
            state: state.into(),
            error,
            ..Addon::default()
        }
    }

    fn end(addon: &Addon) -> (u8, String) {
        match outcome(addon, Duration::from_secs(60)) {
            Ok(()) => (0, String::new()),
            Err(failure) => (failure.kind.exit_code(), failure.code),
        }
    }

    #[test]
    fn every_end_has_its_exit_code() {
        assert_eq!(end(&addon("ready", None)), (0, String::new()));
        assert_eq!(end(&addon("error", Some("provider_failed"))), (4, "provider_failed".into()));
        assert_eq!(end(&addon("error", None)), (4, "addon_error".into()));
        assert_eq!(end(&addon("deprovisioned", None)), (4, "deprovisioned".into()));
        assert_eq!(end(&addon("waiting_for_provision", None)), (5, "timeout".into()));
        assert_eq!(end(&addon("provisioned", None)), (5, "timeout".into()));
    }

    #[test]
    fn one_call_waits_no_longer_than_needed_or_agreed() {
        assert_eq!(wait_s(Duration::ZERO, false), 0);
        assert_eq!(wait_s(Duration::from_millis(1), false), 1);
        assert_eq!(wait_s(Duration::from_secs(10), false), 10);
        assert_eq!(wait_s(Duration::from_secs(600), false), 30);
        assert_eq!(wait_s(Duration::from_secs(600), true), 1);
    }
}
