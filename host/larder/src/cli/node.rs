//! `larder node`: the servers that share a store.

use std::time::Duration;

use clap::Subcommand;
use reqwest::Method;
use serde::Deserialize;
use tokio::time::sleep;

use super::api::call::Call;
use super::context::Context;
use super::failure::{Failure, Kind, Result};
use super::model;
use super::progress::Spinner;
use super::table::Table;

/// How often it is looked how far a node is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often that is done at most: a provider's call may take minutes, and no longer.
const LOOKS_MAX: u32 = 4 * 600;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the nodes: how each does, and how much it has to do.
    List,
    /// Have a node take no more work, and wait until it has ended what it has.
    Drain {
        /// Its name, as `larder node list` shows it
        #[arg(value_name = "NODE")]
        node: String,
        /// Do not wait
        #[arg(long)]
        no_wait: bool,
    },
    /// Have a drained node take work again.
    Resume {
        /// Its name, as `larder node list` shows it
        #[arg(value_name = "NODE")]
        node: String,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Node {
    name: String,
    state: String,
    url: String,
    version: String,
    silent_s: u64,
    engines: Vec<String>,
    leases: u64,
}

pub(crate) async fn run(context: &Context, command: NodeCommand) -> Result<()> {
    match command {
        NodeCommand::List => {
            let answer = context.api.call(Call::get(&["v1", "nodes"])).await?.body;
            let nodes: Vec<Node> = model::read_list(&answer, "nodes")?;
            context.out.result(&answer, || Ok(table(&nodes)))
        }
        NodeCommand::Drain { node, no_wait } => drain(context, &node, no_wait).await,
        NodeCommand::Resume { node } => {
            context.api.call(Call::new(Method::POST, &["v1", "nodes", &node, "resume"])).await?;
            context.out.done(&format!("the node `{node}` takes work again"))
        }
    }
}

async fn drain(context: &Context, name: &str, no_wait: bool) -> Result<()> {
    let spinner = Spinner::start(context.out, &format!("draining {name}"));
    let answer = context.api.call(Call::new(Method::POST, &["v1", "nodes", name, "drain"])).await?.body;
    let mut node: Node = model::read(&answer)?;
    if no_wait {
        drop(spinner);
        return context.out.done(&format!("the node `{name}` takes no more work; it still has {}", node.leases));
    }
    for _ in 0..LOOKS_MAX {
        if node.leases == 0 {
            drop(spinner);
            return context.out.done(&format!("the node `{name}` takes no more work, and has none"));
        }
        spinner.say(&format!("draining {name}: {} to end", node.leases));
        sleep(LOOK_EVERY).await;
        let answer = context.api.call(Call::get(&["v1", "nodes"])).await?.body;
        let nodes: Vec<Node> = model::read_list(&answer, "nodes")?;
        // One that has ended meanwhile has none either.
        node = nodes.into_iter().find(|node| node.name == name).unwrap_or_default();
    }
    let told = format!("the node `{name}` takes no more work, and still has {}", node.leases);
    Err(Failure::new(Kind::TimedOut, "still_draining", told)
        .or_help("wait longer, or stop it: others go on with it then"))
}

fn table(nodes: &[Node]) -> String {
    let mut table = Table::new(["NODE", "STATE", "VERSION", "WORK", "HEARD", "ENGINES", "URL"]);
    for node in nodes {
        let heard = format!("{} s ago", node.silent_s);
        let (leases, engines) = (node.leases.to_string(), node.engines.join(","));
        table.row([&node.name, &node.state, &node.version, &leases, &heard, &engines, &node.url]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_node_has_a_line() {
        let nodes = json!({ "nodes": [
            { "name": "a", "state": "working", "url": "http://10.0.0.1:7117", "version": "0.1.0", "silent_s": 2,
                "engines": ["rack-1", "rack-2"], "leases": 12 },
            { "name": "b", "state": "gone", "url": "", "version": "0.1.0", "silent_s": 340, "engines": [], "leases": 0 },
        ] });
        let expected = "\
NODE  STATE    VERSION  WORK  HEARD      ENGINES        URL
a     working  0.1.0    12    2 s ago    rack-1,rack-2  http://10.0.0.1:7117
b     gone     0.1.0    0     340 s ago  -              -
";
        assert_eq!(table(&model::read_list(&nodes, "nodes").unwrap()), expected);
        assert_eq!(table(&[]), "");
    }
}
