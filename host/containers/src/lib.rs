//! Talks to Docker engines: the port [`larder_domain::ports::engine`] over the engine's HTTP API, and a scripted fake of it.
//!
//! *Theory.* An engine is a program of somebody else's that may be absent, slow, old or broken, and what the host keeps running
//! for others must not become so with it. So nothing here waits or reads without a bound. Time is bounded around each function
//! ([`bounds`]). Bytes are bounded where they come in ([`wire`]): each call has connections of its own, which read as much as the
//! call allows and then break. Above that, bollard knows the API's words. What comes out is the domain's [`EngineError`], whose
//! texts are one short line each ([`error`]).
//!
//! What a provider wants and may have was decided before; this crate adds what every container gets ([`create`]) and leaves no
//! way around it.
//!
//! [`EngineError`]: larder_domain::ports::engine::EngineError

mod attach;
mod bounds;
mod create;
mod endpoint;
mod engine;
mod error;
mod events;
mod exec;
pub mod fake;
mod images;
mod join;
mod labels;
mod network;
mod objects;
mod passage;
mod registries;
#[cfg(test)]
mod tests;
mod tls;
mod version;
mod wire;

pub use endpoint::BadEndpoint;
pub use engine::DockerEngine;
pub use registries::{DEFAULT_REGISTRY, Login, Registries};
pub use tls::{Pem, Tls, TlsError, TlsProof};
