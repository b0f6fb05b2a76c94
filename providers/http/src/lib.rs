//! Whatever a service broker offers: any service that speaks the Open Service Broker API 2.17.
//!
//! A manifest is made without network, so the operator hands over the broker's catalog as an option, as `GET /v2/catalog` gave it:
//!
//! ```sh
//! curl -u USER:PASSWORD -H 'X-Broker-API-Version: 2.17' https://broker.example.com/v2/catalog > catalog.json
//! larder provider grant http https://broker.example.com
//! echo '{"url": "https://broker.example.com", "username": "USER", "password": "PASSWORD"}' |
//!     jq --slurpfile catalog catalog.json '. + {catalog: $catalog[0]}' |
//!     larder provider options http --json-options -
//! ```
//!
//! A host takes 64 KiB of options. Most of a large catalog is often `metadata` for marketplaces, which is not used here; this leaves
//! it out, and `select` may leave services out in the same way:
//!
//! ```sh
//! jq '{services: [.services[] | del(.metadata, .plans[].metadata)]}' catalog.json
//! ```
//!
//! Until the options are set there is one service, `http-broker`, that rejects every addon and says this. For a second broker, upload the same
//! component under another name. An addon is a service instance with the addon's id and a binding, or two while credentials are rotated.
//! Read `offer` for what a catalog becomes, `work` for the order of things, `change` for what is done later, `part` for how one thing is made
//! and removed, and `broker` for what is asked.

mod answer;
mod broker;
mod catalog;
mod change;
mod credentials;
mod offer;
mod part;
mod record;
mod work;

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Progress, Provider, Rotation, Update};

struct Http;

impl Provider for Http {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        offer::manifest(options)
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        work::begin(addon)?;
        Ok("The broker was asked for it".to_owned())
    }

    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        work::make(addon)
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        credentials::config(addon)
    }

    fn deprovision(addon: &Addon) -> Result<Progress, Failure> {
        work::remove(addon)
    }
}

impl Update for Http {
    fn begin_update(addon: &Addon) -> Result<String, Failure> {
        change::update(addon)
    }
}

impl Rotation for Http {
    fn begin_rotation(addon: &Addon) -> Result<String, Failure> {
        change::begin_rotation(addon)
    }

    fn end_rotation(addon: &Addon) -> Result<Progress, Failure> {
        change::end_rotation(addon)
    }
}

// There is no health: a broker does not tell, and nothing is known of what it gives.

larder_sdk::export!(Http: update, rotation);
