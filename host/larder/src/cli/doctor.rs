//! `larder doctor`: what is wrong with the server and its Docker engines, and what to do about it.

use std::net::IpAddr;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::call::Call;
use super::context::Context;
use super::failure::{Failure, Kind, Result};
use super::text;

/// How to look.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Remove the containers and volumes that carry this installation's labels and that its store has never wanted.
    #[arg(long)]
    prune: bool,
}

pub(crate) async fn run(context: &Context, args: &DoctorArgs) -> Result<()> {
    if args.prune {
        let pruned = context.api.call(Call::new(Method::POST, &["v1", "engines", "prune"])).await?.body;
        let names = pruned["removed"].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.for_each(|name| context.out.note(&format!("removed {}", text::line(name))));
        for failed in pruned["failed"].as_array().into_iter().flatten() {
            let of = |key: &str| text::line(failed[key].as_str().unwrap_or_default());
            context.out.note(&format!("not all was removed from the engine `{}`: {}", of("engine"), of("error")));
        }
    }
    let ready = context.api.call(Call::get(&["readyz"])).await.is_ok();
    let engines = context.api.call(Call::get(&["v1", "engines"])).await?.body["engines"].clone();
    let mut complaints = vec![];
    if !ready {
        complaints.push(("the server is not ready".to_owned(), "its log tells what it waits for".to_owned()));
    }
    for engine in engines.as_array().into_iter().flatten() {
        complaints.extend(complaints_of(engine));
    }
    let told: Vec<Value> = complaints.iter().map(|(what, help)| json!({ "problem": what, "help": help })).collect();
    context.out.result(&json!({ "engines": engines, "problems": told }), || Ok(show(&engines, &complaints)))?;
    match complaints.len() {
        0 => Ok(()),
        count => Err(Failure::new(Kind::Failed, "problems_found", text::count(count as u64, "problem"))
            .or_help("mend what is said above, then look again")),
    }
}

/// What is wrong with an engine, each with what helps.
fn complaints_of(engine: &Value) -> Vec<(String, String)> {
    let of = |key: &str| text::line(engine[key].as_str().unwrap_or_default());
    if engine["state"] == "unconfigured" {
        let addons = text::count(engine["addons"].as_u64().unwrap_or_default(), "addon");
        if engine["source"] == "added" {
            let what = format!("no node reaches the engine `{}`, and {addons} there can't be looked after", of("name"));
            let help = "start the node that it is on; one whose socket is on a machine that will not come back is given up by `larder engine forget`";
            return vec![(what, help.to_owned())];
        }
        let what = format!("the engine `{}` is not configured, and {addons} there can't be looked after", of("name"));
        let help = "name it in the file of `larder serve --engines` again; what is on it stays until then. One that will not come back is given up \
                    by `larder engine forget`";
        return vec![(what, help.to_owned())];
    }
    if engine["state"] == "elsewhere" {
        return vec![];
    }
    if engine["state"] != "reachable" {
        let help = "start it, or name another with `larder serve --engine`; the server's user must be allowed to use its socket";
        return vec![(format!("the engine `{}`: {}", of("name"), of("error")), help.to_owned())];
    }
    let mut complaints = vec![];
    if engine["limits_memory"] == false {
        let what = format!("the kernel of the engine `{}` does not limit memory", of("name"));
        complaints.push((what, "enable the memory controller of cgroups, and start the engine again".to_owned()));
    }
    let is_loopback = |key: &str| of(key).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if is_loopback("publish_at") && !is_loopback("advertise") {
        let (name, at, told) = (of("name"), of("publish_at"), of("advertise"));
        let what = format!("the engine `{name}` publishes ports at {at}, and apps are told {told}");
        let help = "set `larder serve --publish-at`, or `publish_at` in the file of engines, to an address that apps reach, or to 0.0.0.0";
        complaints.push((what, help.to_owned()));
    }
    let unknown: Vec<String> =
        engine["unknown"].as_array().into_iter().flatten().filter_map(Value::as_str).map(text::line).collect();
    if !unknown.is_empty() {
        let what = format!(
            "{} on the engine `{}` that this store has never wanted: {}",
            text::count(unknown.len() as u64, "object"),
            of("name"),
            unknown.join(", ")
        );
        complaints.push((what, "if nobody needs them, `larder doctor --prune` removes them for good".to_owned()));
    }
    complaints
}

fn show(engines: &Value, complaints: &[(String, String)]) -> String {
    let line = |engine: &Value| {
        let of = |key: &str| text::line(engine[key].as_str().unwrap_or("-"));
        format!(
            "engine {}: Docker {}, API {}, {}, ports {}, {}\n",
            of("name"),
            of("version"),
            of("api_version"),
            of("storage_driver"),
            of("ports"),
            text::count(engine["addons"].as_u64().unwrap_or_default(), "addon")
        )
    };
    let reachable = |engine: &&Value| engine["state"] == "reachable";
    let mut shown: String = engines.as_array().into_iter().flatten().filter(reachable).map(line).collect();
    match complaints {
        [] => shown.push_str("all is well\n"),
        complaints => {
            complaints.iter().for_each(|(what, help)| shown.push_str(&format!("problem: {what}\n  help: {help}\n")))
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Value {
        json!({ "name": "default", "state": "reachable", "limits_memory": true, "advertise": "127.0.0.1", "publish_at": "127.0.0.1", "unknown": [] })
    }

    #[test]
    fn each_problem_comes_with_what_helps() {
        assert_eq!(complaints_of(&engine()), []);
        for (key, value, word) in [
            ("state", json!("unreachable"), "`larder serve --engine`"),
            ("state", json!("unconfigured"), "--engines"),
            ("limits_memory", json!(false), "cgroups"),
            ("advertise", json!("db.internal"), "--publish-at"),
            ("unknown", json!(["larder-x-data"]), "--prune"),
        ] {
            let mut engine = engine();
            engine[key] = value;
            let complaints = complaints_of(&engine);
            assert!(complaints.len() == 1 && complaints[0].1.contains(word), "{key}: {complaints:?}");
        }
    }
}
