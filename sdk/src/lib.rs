//! Write a Larder provider: a component that knows how to make one kind of backing service.
//!
//! Implement [`Provider`] and name the type in [`export!`]. Everything else is a typed way to what the host offers: the
//! [`Addon`] that a call is about, its [`state`], its [`secrets`], and its [`log`].
//!
//! ```ignore
//! use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Provider, Service};
//!
//! struct Greeting;
//!
//! impl Provider for Greeting {
//!     fn manifest(_options: &Options) -> Result<Manifest, String> {
//!         let service = Service::new("greeting", "A friendly word")
//!             .variable("GREETING")
//!             .plan(Plan::new("default", "The only size"));
//!         Ok(Manifest::new("0.1.0", "Greets every app").service(service))
//!     }
//!
//!     fn get_config(addon: &Addon) -> Result<Config, Failure> {
//!         Ok(Config::new().variable("GREETING", format!("Hello, {}!", addon.name())))
//!     }
//! }
//!
//! larder_sdk::export!(Greeting);
//! ```
//!
//! Every call gets a fresh instance: a `static` is forgotten, and what must be remembered goes into the [`state`].

mod addon;
#[doc(hidden)]
pub mod bindings;
mod config;
pub mod docker;
mod export;
mod failure;
pub mod http;
mod json;
pub mod log;
mod manifest;
pub mod net;
mod optional;
mod options;
mod progress;
mod provider;
pub mod secrets;
pub mod state;

pub use bindings::larder::host::addon::{Addon, ProvisionType, Role, ServerEntry};
pub use config::Config;
#[doc(hidden)]
pub use export::Component;
pub use failure::Failure;
pub use manifest::{Manifest, Plan, Request, Service};
pub use optional::{Health, HealthStatus, Rotation, Stream, Transfer, Update};
pub use options::Options;
pub use progress::Progress;
pub use provider::Provider;
pub use serde_json::json;

#[cfg(test)]
mod tests;
