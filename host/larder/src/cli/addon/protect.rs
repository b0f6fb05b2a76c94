//! `larder addon protect` and `larder addon unprotect`.

use reqwest::Method;
use serde_json::json;

use super::{WhichArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon};

pub(crate) async fn run(context: &Context, args: &WhichArgs, protected: bool) -> Result<()> {
    let id = reference::find(&context.api, &args.addon, args.app.as_deref()).await?;
    let call = Call::new(Method::PATCH, &["v1", "addons", &id]).json(&json!({ "protected": protected }));
    let answer = context.api.call(call).await?.body;
    if context.out.json {
        return context.out.json(&answer);
    }
    let addon: Addon = model::read(&answer)?;
    let told = if addon.protected { "is protected: deleting it is refused" } else { "can be deleted" };
    context.out.done(&format!("`{}` {told}", addon.label()))
}
