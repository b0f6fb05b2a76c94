//! `larder addon delete`.

use std::time::Duration;

use tokio::time::Instant;

use super::{DeleteArgs, reference, wait};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};
use crate::cli::out;
use crate::cli::spelling::AddonRef;
use crate::cli::text;

/// Deletes as many as possible, then waits for all that are; the first failure decides the exit code, and all are told.
pub(crate) async fn run(context: &Context, args: &DeleteArgs) -> Result<()> {
    let (mut failures, mut deleted) = (Failures::default(), vec![]);
    for addon in &args.addons {
        deleted.extend(failures.keep(context, delete(context, addon, args).await)?);
    }
    if let Some(timeout) = args.wait {
        let deadline = Instant::now() + timeout;
        for id in &deleted {
            let left = deadline.saturating_duration_since(Instant::now());
            failures.keep(context, await_removal(context, id, left, timeout).await)?;
        }
    }
    failures.0.map_or(Ok(()), Err)
}

/// The first failure; the others are told as they come.
#[derive(Default)]
struct Failures(Option<Failure>);

impl Failures {
    /// The value of a success.
    ///
    /// # Errors
    /// Those after which there is no going on.
    fn keep<T>(&mut self, context: &Context, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => return Ok(Some(value)),
            Err(failure) if matches!(failure.kind, Kind::Unreachable | Kind::ReaderGone) => return Err(failure),
            Err(failure) if self.0.is_none() => self.0 = Some(failure),
            Err(failure) => out::failure(&failure, context.out.json),
        }
        Ok(None)
    }
}

/// Deletes one: its id.
async fn delete(context: &Context, addon: &AddonRef, args: &DeleteArgs) -> Result<String> {
    let id = reference::find(&context.api, addon, args.app.as_deref()).await?;
    let (force, now) = (args.force.then_some("true"), args.now.then_some("true"));
    let call = Call::delete(&["v1", "addons", &id]).query_if("force", force).query_if("now", now);
    let answer = context.api.call(call).await?.body;
    if context.out.json && args.wait.is_none() {
        context.out.json(&answer)?;
    }
    let addon: Addon = model::read(&answer)?;
    let kept = addon.kept_until.as_ref().map_or_else(String::new, |until| {
        format!("; `larder addon undelete {}` has it back until {}", addon.id, text::seconds(until))
    });
    context.out.done(&format!("deleted `{}` ({}), state `{}`{kept}", addon.label(), addon.id, addon.state))?;
    Ok(id)
}

/// Waits for the end of a cleanup. What is kept is not waited for: nothing of it goes before its time.
async fn await_removal(context: &Context, id: &str, left: Duration, timeout: Duration) -> Result<()> {
    let (answer, addon) = wait::until_removed(context, id, left).await?;
    if context.out.json {
        context.out.json(&answer)?;
    }
    wait::removal(&addon, timeout)?;
    match addon.kept_until {
        Some(_) => Ok(()),
        None => context.out.done(&format!("what `{}` held is removed", addon.label())),
    }
}
