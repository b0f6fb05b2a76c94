//! A provider that goes where the addon's parameters tell it, and says what it met with there.
//!
//! `{"go": [W, …]}`, where each `W` is a way to the network; the last answer is the message of `begin-provision`. It asks for
//! loopback alone, and requires one destination there, so that it must be approved.

mod network;

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Progress, Provider, Request, Service, export};
use serde::Deserialize;
use serde_json::json;

struct Caller;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default)]
    go: Vec<Way>,
}

/// A way to the network.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Way {
    /// Connect, send this, and read until the connection ends.
    Tcp {
        to: String,
        #[serde(default)]
        send: String,
    },
    /// Connect, secure it, send and read until the connection ends.
    Tls(network::Secured),
    /// Send a datagram.
    Udp(String),
    /// Wait for connections on this address.
    Listen(String),
    /// Ask by HTTP, and read the status and the body.
    Http(network::Ask),
}

impl Provider for Caller {
    fn manifest(_options: &Options) -> Result<Manifest, String> {
        let plan = Plan::new("default", "As told").parameters(json!({ "type": "object" }));
        let service = Service::new("caller", "Goes where it is told").any_variables().plan(plan);
        // Loopback alone: what tests can reach.
        let asks =
            |scheme: &str| Request::optional("network", &format!("{scheme}://127.0.0.0/8:1-65535"), "to go there");
        Ok(Manifest::new("0.1.0", "Goes where it is told")
            .service(service)
            .request(Request::required("network", "tcp://127.0.0.1:9", "to have something that must be granted"))
            .request(asks("tcp"))
            .request(asks("http")))
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        let parameters: Parameters = addon.parameters()?;
        let mut said = String::from("stayed at home");
        for way in parameters.go {
            said = match way {
                Way::Tcp { to, send } => network::tcp(&to, &send)?,
                Way::Tls(to) => network::tls(&to)?,
                Way::Udp(to) => network::udp(&to)?,
                Way::Listen(at) => network::listen(&at)?,
                Way::Http(ask) => network::http(&ask)?,
            };
        }
        Ok(said)
    }

    fn provision_complete(_addon: &Addon) -> Result<Progress, Failure> {
        Ok(Progress::Done)
    }

    fn get_config(_addon: &Addon) -> Result<Config, Failure> {
        Ok(Config::new())
    }

    fn deprovision(_addon: &Addon) -> Result<Progress, Failure> {
        Ok(Progress::Done)
    }
}

export!(Caller);
