//! `larder engine`: the Docker engines of the server.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::call::Call;
use super::context::Context;
use super::failure::{Failure, Kind, Result};
use super::model::{self, Engine};
use super::object::read_bounded;
use super::table::Table;
use super::text;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum EngineCommand {
    /// List the engines: how each is doing, and how many addons are on it.
    List,
    /// Add an engine to the running installation, or change what is said of one that was added.
    Add(Box<AddArgs>),
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
    /// Give up an engine that was added or will not come back, with what deleted addons had on it.
    Forget {
        /// Its name, as `larder engine list` shows it
        #[arg(value_name = "ENGINE")]
        engine: String,
    },
}

/// What is said of an engine. The server looks at what it means.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// What it is to be called: 1 to 63 of a-z, 0-9 and '-'
    #[arg(value_name = "NAME")]
    name: String,
    /// Where it listens: tcp://host:port, or unix:///path on the machine of the server that is asked
    #[arg(value_name = "URL")]
    endpoint: String,
    /// The name or address by which apps and servers reach what it publishes
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// Its own address at which ports are published; needed if it is on another machine
    #[arg(long, value_name = "ADDRESS")]
    publish_at: Option<String>,
    /// The ports that its containers may be given
    #[arg(long, value_name = "FIRST-LAST")]
    ports: Option<String>,
    /// What may be wished for: key=value; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// How many addons it takes beside those of others: 0 to 1000
    #[arg(long)]
    weight: Option<u32>,
    /// It may be spoken to without TLS on another machine, where whoever is on the way is root then
    #[arg(long, conflicts_with_all = ["tls_ca", "tls_cert", "tls_key"])]
    insecure: bool,
    /// The authority that signed the engine's certificate, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    tls_ca: Option<PathBuf>,
    /// The certificate that is presented to it, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// The key that belongs to that, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_cert"])]
    tls_key: Option<PathBuf>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, like disk=ssd")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(crate) async fn run(context: &Context, command: EngineCommand) -> Result<()> {
    match command {
        EngineCommand::Add(args) => add(context, *args).await,
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

async fn add(context: &Context, args: AddArgs) -> Result<()> {
    let call = Call::new(Method::PUT, &["v1", "engines", &args.name]).json(&definition(&args)?);
    let answer = context.api.call(call).await?;
    let what = if answer.status == 201 { "added" } else { "changed what is said of" };
    let version = answer.body["version"].as_str().unwrap_or("unknown");
    context.out.done(&format!("{what} the engine `{}`: Docker {}", args.name, text::line(version)))
}

fn definition(args: &AddArgs) -> Result<Value> {
    let mut said = json!({ "url": args.endpoint });
    let texts = [("advertise", &args.advertise), ("publish_at", &args.publish_at), ("ports", &args.ports)];
    for (key, text) in texts {
        if let Some(text) = text {
            said[key] = json!(text);
        }
    }
    if let Some(weight) = args.weight {
        said["weight"] = json!(weight);
    }
    if args.insecure {
        said["insecure"] = json!(true);
    }
    for (key, value) in &args.labels {
        if said["labels"].get(key).is_some() {
            return Err(Failure::usage(format!("the label {key} is given twice")));
        }
        said["labels"][key] = json!(value);
    }
    for (key, file) in [("ca", &args.tls_ca), ("cert", &args.tls_cert), ("key", &args.tls_key)] {
        if let Some(file) = file {
            said["tls"][key] = json!(pem(file)?);
        }
    }
    Ok(said)
}

fn pem(file: &Path) -> Result<String> {
    let read = File::open(file).and_then(read_bounded);
    read.map_err(|error| Failure::new(Kind::Failed, "unreadable", format!("`{}`: {error}", file.display())))
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
    let mut table = Table::new(["ENGINE", "STATE", "VERSION", "ADDONS", "WEIGHT", "LABELS", "SOURCE", "URL"]);
    for engine in engines {
        let labels: Vec<String> = engine.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let source = engine.source.as_deref().unwrap_or_default();
        let version = engine.version.as_deref().unwrap_or_default();
        let weight = engine.weight.map(|weight| weight.to_string()).unwrap_or_default();
        let state = if engine.drained { format!("{}, drained", engine.state) } else { engine.state.clone() };
        let (addons, url) = (engine.addons.to_string(), engine.url.as_deref().unwrap_or_default());
        table.row([&engine.name, &state, version, &addons, &weight, &labels.join(","), source, url]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_has_a_line() {
        let engines = json!({ "engines": [
            { "name": "rack-1", "state": "reachable", "version": "20.10.24", "addons": 3, "weight": 2, "source": "added",
                "labels": { "disk": "ssd", "zone": "a" }, "url": "unix:///run/docker.sock" },
            { "name": "rack-2", "state": "unconfigured", "drained": true, "version": null, "addons": 1, "weight": null, "labels": null, "url": null },
        ] });
        let expected = "\
ENGINE  STATE                  VERSION   ADDONS  WEIGHT  LABELS           SOURCE  URL
rack-1  reachable              20.10.24  3       2       disk=ssd,zone=a  added   unix:///run/docker.sock
rack-2  unconfigured, drained  -         1       -       -                -       -
";
        assert_eq!(table(&model::read_list(&engines, "engines").unwrap()), expected);
        assert_eq!(table(&[]), "");
    }
}
