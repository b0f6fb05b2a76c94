//! Does at once what a plan says, one call after the other; what takes time is left to [`follow_up`](super::follow_up).
//!
//! Another client may do the same at the same time. The server decides who was first: a name that is taken meanwhile is
//! looked at again, and is fine if the addon that has it is as wanted. What was done is told, also when something failed.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::actual::read_addons;
use super::mistake::{Code, Mistakes};
use super::plan::{AppPlan, Owner, Plan, differences};
use super::report::{Change, Data, Report};
use super::update::Update;
use super::wanted::{SHARED, WantedAddon};
use crate::cli::addon::create::post;
use crate::cli::api::Api;
use crate::cli::api::call::Call;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};

const SOMEBODY_ELSE: &str = "agree with whoever else changes this app, then apply again; what was done before stays";

/// What must be true of the apps beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Any,
    /// None of them may be there.
    New,
    /// All of them must be there.
    There,
}

/// Carries a plan out; `file` is the file's name in messages.
pub(crate) async fn carry_out(
    api: &Api,
    plan: &Plan,
    file: &str,
    presence: Presence,
    report: &mut Report,
) -> Result<()> {
    for app in &plan.apps {
        create_app(api, app, presence, report).await?;
    }
    delete(api, plan, report).await?;
    for app in &plan.apps {
        set(api, app, report).await?;
    }
    // An owner may be in the same file: what shares comes last.
    for is_shared in [false, true] {
        for app in &plan.apps {
            for addon in app.create.iter().filter(|addon| (addon.provision_type == SHARED) == is_shared) {
                create(api, &app.app, addon, file, report).await?;
            }
        }
    }
    Ok(())
}

/// Who creates an app is told by the server; so of two clients only one creates an experiment.
async fn create_app(api: &Api, app: &AppPlan, presence: Presence, report: &mut Report) -> Result<()> {
    if !app.is_new {
        report.app(&app.app, false);
        return Ok(());
    }
    let answer = api.call(Call::new(Method::PUT, &["v1", "apps", &app.app]).json(&json!({}))).await?;
    let is_new = answer.status == StatusCode::CREATED;
    if !is_new && presence == Presence::New {
        return Err(exists(&app.app));
    }
    report.app(&app.app, is_new);
    Ok(())
}

/// The experiment is there already.
pub(crate) fn exists(app: &str) -> Failure {
    let help = "change it with `larder experiment update`, or choose another name";
    Failure::new(Kind::Failed, "experiment_exists", format!("there is an experiment {app} already")).or_help(help)
}

/// Sharers go before owners.
async fn delete(api: &Api, plan: &Plan, report: &mut Report) -> Result<()> {
    for is_shared in [true, false] {
        for app in &plan.apps {
            for addon in app.delete.iter().filter(|addon| (addon.provision_type == SHARED) == is_shared) {
                let answer = api.call(Call::delete(&["v1", "addons", &addon.id])).await?;
                report.addon(Change::Deleted, &app.app, &model::read(&answer.body)?);
            }
        }
    }
    Ok(())
}

/// All variables of an app, or none.
async fn set(api: &Api, app: &AppPlan, report: &mut Report) -> Result<()> {
    if app.set.is_empty() {
        return Ok(());
    }
    let values: BTreeMap<&str, &str> = app.set.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
    api.call(Call::new(Method::PATCH, &["v1", "apps", &app.app, "config"]).json(&json!(values))).await?;
    for variable in &app.set {
        report.variable(Change::Set, &app.app, &variable.name);
    }
    Ok(())
}

async fn create(api: &Api, app: &str, addon: &WantedAddon, file: &str, report: &mut Report) -> Result<()> {
    let key = Uuid::new_v4().to_string();
    match post(api, app, &addon.body(), &key).await {
        Ok(answer) => report.created(app, &read(&answer.body)?, Data::of(addon, false)),
        Err(failure) if failure.code == "name_taken" => {
            let Some(there) = somebody_elses(api, app, addon, file).await? else { return Err(failure) };
            report.addon(Change::Unchanged, app, &there);
        }
        Err(failure) => return Err(located(failure, file, addon.line)),
    }
    Ok(())
}

fn read(answer: &Value) -> Result<Addon> {
    model::read(answer)
}

/// The addon that somebody else has created meanwhile, if it is as wanted. None if it is gone again.
async fn somebody_elses(api: &Api, app: &str, wanted: &WantedAddon, file: &str) -> Result<Option<Addon>> {
    let addons = read_addons(api, app).await?.unwrap_or_default();
    let Some(there) = addons.into_iter().find(|addon| addon.name == wanted.name) else { return Ok(None) };
    let mut mistakes = Mistakes::default();
    let mut found = differences(wanted, &there, Owner::None);
    found.extend(Update::of(wanted, &there).map(|update| format!("differs in {}", update.fields())));
    for difference in found {
        let what = format!("the addon {app}/{}, which somebody else has just created, {difference}", wanted.name);
        mistakes.add_as(Code::AddonDiffers, wanted.line, what);
    }
    mistakes.or(file, Some(there)).map_err(|failure| failure.help_for("addon_differs", SOMEBODY_ELSE))
}

/// The server's refusal, with the place in the file that asked for it.
pub(crate) fn located(mut failure: Failure, file: &str, line: usize) -> Failure {
    if failure.kind == Kind::Failed {
        failure.detail = format!("{file}:{line}: {}", failure.detail);
    }
    failure
}
