//! What every test here starts from: a host of its own, in a directory of its own, on a port of its own.

mod client;
mod guests;
mod host;

pub use client::{Answer, behave, until};
pub use guests::{guest, guest_path};
pub use host::Host;
