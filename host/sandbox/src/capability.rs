//! What guests can reach, a file each.
//!
//! A capability is a struct that holds what one call may do, implements the `Host` trait that was generated from its
//! WIT, is a field of [`crate::data::CallData`] and has a line in [`crate::linker`]. A function of it fails in one of
//! two ways: with an error of its WIT, which the guest may handle, or with a trap, if the guest did what it can't be
//! told about or the host itself is broken.

pub(crate) mod addon;
pub(crate) mod docker;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod network;
pub(crate) mod secrets;
pub(crate) mod state;
pub(crate) mod tls;
pub(crate) mod wasi;
