//! `larder addon undelete`.

use reqwest::Method;

use super::{UndeleteArgs, reference, wait};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon};

pub(crate) async fn run(context: &Context, args: &UndeleteArgs) -> Result<()> {
    let id = reference::find_kept(&context.api, &args.addon, args.app.as_deref()).await?;
    let answer = context.api.call(Call::new(Method::POST, &["v1", "addons", &id, "undelete"])).await?.body;
    let addon: Addon = model::read(&answer)?;
    let told = format!("had back `{}` ({}), state `{}`", addon.label(), addon.id, addon.state);
    let Some(timeout) = args.wait else {
        return if context.out.json { context.out.json(&answer) } else { context.out.done(&told) };
    };
    context.out.done(&told)?;
    let (answer, addon) = wait::until_settled(context, &id, timeout).await?;
    wait::report(context, &answer, &addon, timeout)
}
