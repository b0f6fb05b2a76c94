//! What a component may have of a Docker engine: data and one question, apart from whatever talks to engines.
//!
//! *Theory.* A guest never sees an engine. It says which objects ([`ObjectSpec`]) an addon is to have; that is stored with the call's
//! outcome, and the host makes it true. So a crash, a slow pull or a lost engine changes nothing in what is wanted, and
//! there is no call that could be used against the engine. Whether an object may be wanted is decided here ([`Policy`]): by
//! images as they are literally named, in numbers and sizes, all in both lists, the manifest's requests and the operator's grants.

mod command;
mod grant;
mod image;
mod policy;
mod spec;
mod status;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use grant::{Grant, GrantError};
pub use image::{IMAGE_BYTES_MAX, Image, ImageError};
pub use policy::{Policy, Refused};
pub use spec::{
    ContainerSpec, InvalidSpec, LinuxCapability, LocalName, MEMORY_BYTES_MIN, Mount, OBJECTS_BYTES_MAX, OBJECTS_MAX,
    ObjectKind, ObjectSpec, Objects, SPEC_BYTES_MAX, Tmpfs, VolumeSpec, Wanted,
};
pub use status::{Published, Status, name_in_networks, names_in_networks};
