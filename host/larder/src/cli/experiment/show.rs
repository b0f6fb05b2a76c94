//! `larder experiment show`: its addons and their states, and its variables by name. Their values are for `larder config show`.

use serde_json::{Value, json};

use super::WhichArgs;
use crate::cli::addon::list as addon_list;
use crate::cli::api::call::Call;
use crate::cli::apply::unknown_experiment;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Result};
use crate::cli::model::{self, Addon, AppConfig};
use crate::cli::table::{Fields, Table};

pub(crate) async fn run(context: &Context, which: &WhichArgs) -> Result<()> {
    let app = which.whole();
    let unknown = |failure: Failure| if failure.code == "unknown_app" { unknown_experiment(&app) } else { failure };
    let list = context.api.list("addons", || Call::get(&["v1", "apps", &app, "addons"])).await.map_err(unknown)?;
    let config = context.api.call(Call::get(&["v1", "apps", &app, "config"])).await.map_err(unknown)?;
    let config: AppConfig = model::read(&config.body)?;
    if context.out.json {
        return context.out.json(&as_json(which, &list, &config));
    }
    let addons: Vec<Addon> = model::read_list(&list, "addons")?;
    context.out.text(&show(which, &addons, &config))
}

fn as_json(which: &WhichArgs, list: &Value, config: &AppConfig) -> Value {
    let variables = config.details.iter();
    let variables = variables.map(|v| json!({"name": v.name, "secret": v.secret, "addon": v.addon}));
    json!({
        "name": which.whole(), "app": which.app, "experiment": which.experiment,
        "addons": list["addons"], "variables": variables.collect::<Vec<_>>(),
    })
}

fn show(which: &WhichArgs, addons: &[Addon], config: &AppConfig) -> String {
    let mut fields = Fields::default();
    fields.field("app", &which.app).field("experiment", &which.experiment);
    let mut variables = Table::new(["VARIABLE", "FROM"]);
    for variable in &config.details {
        let addon = variable.addon.as_ref();
        let name = addon.map(|id| addons.iter().find(|addon| addon.id == *id).map_or(id.as_str(), |addon| &addon.name));
        variables.row([variable.name.as_str(), name.unwrap_or_default()]);
    }
    let variables = if variables.is_empty() { String::new() } else { variables.render() };
    let parts = [fields.render(), addon_list::table(addons), variables];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_shown_without_their_values() {
        let which = WhichArgs { app: "web".into(), experiment: "blue".into() };
        let config = json!({"details": [{"name": "A", "value": "hunter2", "secret": true, "addon": "7"},
            {"name": "MODE", "value": "hunter2"}]});
        let config: AppConfig = model::read(&config).unwrap();
        let addon = Addon { id: "7".into(), name: "db".into(), state: "ready".into(), ..Addon::default() };
        let text = show(&which, &[addon], &config);
        assert!(text.starts_with("app:         web\nexperiment:  blue\n\nADDON"), "{text}");
        assert!(text.ends_with("\n\nVARIABLE  FROM\nA         db\nMODE      -\n"), "{text}");
        let json = as_json(&which, &json!({"addons": []}), &config).to_string();
        assert!(!text.contains("hunter2") && !json.contains("hunter2") && json.contains("\"MODE\""), "{json}");
    }
}
