//! `larder experiment delete`: the app with all its addons. What would be in the way is looked for before anything is deleted.

use super::WhichArgs;
use crate::cli::api::call::Call;
use crate::cli::apply::sharers::{everything, refuse_shared};
use crate::cli::apply::unknown_experiment;
use crate::cli::context::Context;
use crate::cli::failure::Result;

pub(crate) async fn run(context: &Context, which: &WhichArgs) -> Result<()> {
    let app = which.whole();
    let everything = everything(&context.api).await?;
    refuse_shared(everything.iter().filter(|addon| addon.app.as_ref() == Some(&app)), &everything)?;
    let deleted = context.api.call(Call::delete(&["v1", "apps", &app]).query("cascade", "true")).await;
    deleted.map_err(|failure| if failure.code == "unknown_app" { unknown_experiment(&app) } else { failure })?;
    context.out.done(&format!("deleted experiment `{app}`"))
}
