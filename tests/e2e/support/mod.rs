//! What every test here starts from: a host of its own, in a directory of its own, on a port of its own.

mod client;
mod guests;
mod host;
mod prepared;

pub(crate) use client::{Answer, behave, until};
pub(crate) use guests::{guest, guest_path};
pub(crate) use host::Host;
