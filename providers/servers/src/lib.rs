//! What the providers that run servers have in common, so that each of them says only what is its own.
//!
//! [`Image`] and [`Size`] turn the image and the sizes of a server in a container into plans, options and requests of a manifest.
//! [`soon`] is the patience that a server deserves which has just been started, [`LOGIN_WAIT`] that of who asks how it does,
//! [`told`] what a common server says to its users.
//! [`Generations`] is for rotations, [`common`] for what can't be done to a server that many share. And [`database`] is a provider but for the kind of database.

pub mod common;
pub mod database;
mod generations;
mod image;
mod patience;
mod size;
mod told;

use larder_sdk::{Addon, ProvisionType, Service};

pub use generations::Generations;
pub use image::Image;
pub use patience::{LOGIN_WAIT, soon};
pub use size::{Size, keeping, running};
pub use told::{told, told_port};

/// Offers the service in every way: a server of one's own, a part of a common one, and another addon's.
#[must_use]
pub fn in_every_way(service: Service) -> Service {
    [ProvisionType::Independent, ProvisionType::Communal, ProvisionType::Shared]
        .into_iter()
        .fold(service, Service::provision_type)
}

/// A name for what is an addon's on a common server: its id without dashes, which is nobody else's.
#[must_use]
pub fn name_of(addon: &Addon) -> String {
    addon.id().replace('-', "")
}
