//! `larder engine`: the Docker engines of the server.

use clap::Subcommand;
use reqwest::Method;

use super::api::call::Call;
use super::context::Context;
use super::failure::Result;
use super::model::{self, Engine};
use super::table::Table;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum EngineCommand {
    /// List the engines: how each is doing, and how many addons are on it.
    List,
    /// Have no new addons come to an engine; what is on it stays.
    Drain {
        /// Its name, as `larder engine list` shows it
        #[arg(value_name = "ENGINE")]
        engine: String,
    },
    /// Have new addons come to an engine again.
    Resume {
        /// Its name, as `larder engine list` shows it
        #[arg(value_name = "ENGINE")]
        engine: String,
    },
    /// Give up an engine that will not come back, with what deleted addons had on it
    Forget {
        /// Its name, as `larder engine list` shows it
        #[arg(value_name = "ENGINE")]
        engine: String,
    },
}

pub(crate) async fn run(context: &Context, command: EngineCommand) -> Result<()> {
    match command {
        EngineCommand::List => list(context).await,
        EngineCommand::Drain { engine } => {
            context.api.call(Call::new(Method::POST, &["v1", "engines", &engine, "drain"])).await?;
            context.out.done(&format!("no new addons come to the engine `{engine}`; what is on it stays"))
        }
        EngineCommand::Resume { engine } => {
            context.api.call(Call::new(Method::POST, &["v1", "engines", &engine, "resume"])).await?;
            context.out.done(&format!("new addons come to the engine `{engine}` again"))
        }
        EngineCommand::Forget { engine } => forget(context, &engine).await,
    }
}

async fn list(context: &Context) -> Result<()> {
    let answer = context.api.call(Call::get(&["v1", "engines"])).await?.body;
    let engines: Vec<Engine> = model::read_list(&answer, "engines")?;
    if engines.iter().any(|engine| !matches!(engine.state.as_str(), "reachable" | "elsewhere")) {
        context.out.note("not all engines can be used; `larder doctor` says what to do");
    }
    context.out.result(&answer, || Ok(table(&engines)))
}

async fn forget(context: &Context, engine: &str) -> Result<()> {
    let answer = context.api.call(Call::delete(&["v1", "engines", engine])).await?.body;
    let count = answer["addons"].as_u64().unwrap_or_default();
    context.out.done(&format!("forgot the engine `{engine}`, with what {count} deleted addons had on it"))
}

fn table(engines: &[Engine]) -> String {
    let mut table = Table::new(["ENGINE", "STATE", "VERSION", "ADDONS", "WEIGHT", "LABELS", "URL"]);
    for engine in engines {
        let labels: Vec<String> = engine.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let version = engine.version.as_deref().unwrap_or_default();
        let weight = engine.weight.map(|weight| weight.to_string()).unwrap_or_default();
        let state = if engine.drained { format!("{}, drained", engine.state) } else { engine.state.clone() };
        let (addons, url) = (engine.addons.to_string(), engine.url.as_deref().unwrap_or_default());
        table.row([&engine.name, &state, version, &addons, &weight, &labels.join(","), url]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_engine_has_a_line() {
        let engines = json!({ "engines": [
            { "name": "rack-1", "state": "reachable", "version": "20.10.24", "addons": 3, "weight": 2,
                "labels": { "disk": "ssd", "zone": "a" }, "url": "unix:///run/docker.sock" },
            { "name": "rack-2", "state": "unconfigured", "drained": true, "version": null, "addons": 1, "weight": null, "labels": null, "url": null },
        ] });
        let expected = "\
ENGINE  STATE                  VERSION   ADDONS  WEIGHT  LABELS           URL
rack-1  reachable              20.10.24  3       2       disk=ssd,zone=a  unix:///run/docker.sock
rack-2  unconfigured, drained  -         1       -       -                -
";
        assert_eq!(table(&model::read_list(&engines, "engines").unwrap()), expected);
        assert_eq!(table(&[]), "");
    }
}
