//! `larder experiment list`.

use serde_json::{Value, json};

use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, App};
use crate::cli::table::Table;

pub(crate) async fn run(context: &Context, of: Option<&str>) -> Result<()> {
    // All of an app's experiments come behind it.
    let answer = context.api.list_after("apps", of.unwrap_or_default(), || Call::get(&["v1", "apps"])).await?;
    let apps: Vec<App> = model::read_list(&answer, "apps")?;
    let found = experiments(&apps, of);
    if found.is_empty() {
        context.out.note("there are no experiments; create one with `larder experiment create APP EXPERIMENT -f FILE`");
    }
    let told = found.iter().map(|(base, experiment, app)| {
        json!({"name": app.name, "app": base, "experiment": experiment, "addons": app.addons})
    });
    let told = json!({"experiments": told.collect::<Vec<Value>>()});
    context.out.result(&told, || Ok(table(&found)))
}

/// Those of the apps that are experiments, of one app or all.
fn experiments<'a>(apps: &'a [App], of: Option<&str>) -> Vec<(&'a str, &'a str, &'a App)> {
    let split = apps.iter().filter_map(|app| app.name.split_once('.').map(|(base, name)| (base, name, app)));
    split.filter(|(base, ..)| of.is_none_or(|of| of == *base)).collect()
}

fn table(found: &[(&str, &str, &App)]) -> String {
    let mut table = Table::new(["APP", "EXPERIMENT", "ADDONS"]);
    for (base, name, app) in found {
        table.row([base, name, &app.addons.to_string()]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_experiments_are_listed() {
        let app = |name: &str| App { name: name.into(), addons: 2, ..App::default() };
        let apps = [app("web"), app("web-x.red"), app("web.blue")];
        assert_eq!(table(&experiments(&apps, Some("web"))), "APP  EXPERIMENT  ADDONS\nweb  blue        2\n");
        assert_eq!(experiments(&apps, None).len(), 2);
        assert_eq!(table(&[]), "");
    }
}
