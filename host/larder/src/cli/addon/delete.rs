//! `larder addon delete`.

use super::{DeleteArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Kind, Result};
use crate::cli::model::{self, Addon};
use crate::cli::out;
use crate::cli::spelling::AddonRef;
use crate::cli::text;

/// Deletes as many as possible; the first failure decides the exit code, and all are told.
pub(crate) async fn run(context: &Context, args: &DeleteArgs) -> Result<()> {
    let mut first = None;
    for addon in &args.addons {
        match delete(context, addon, args).await {
            Ok(()) => {}
            Err(failure) if matches!(failure.kind, Kind::Unreachable | Kind::ReaderGone) => {
                return Err(failure);
            }
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => out::failure(&failure, context.out.json),
        }
    }
    first.map_or(Ok(()), Err)
}

async fn delete(context: &Context, addon: &AddonRef, args: &DeleteArgs) -> Result<()> {
    let id = reference::find(&context.api, addon, args.app.as_deref()).await?;
    let (force, now) = (args.force.then_some("true"), args.now.then_some("true"));
    let call = Call::delete(&["v1", "addons", &id]).query_if("force", force).query_if("now", now);
    let answer = context.api.call(call).await?.body;
    if context.out.json {
        return context.out.json(&answer);
    }
    let addon: Addon = model::read(&answer)?;
    let kept = addon.kept_until.as_ref().map_or_else(String::new, |until| {
        format!("; `larder addon undelete {}` has it back until {}", addon.id, text::seconds(until))
    });
    context.out.done(&format!("deleted `{}` ({}), state `{}`{kept}", addon.label(), addon.id, addon.state))
}
