//! The sandbox against real and hostile guests. The hostile ones are written by hand, in WebAssembly's text format: see
//! [`guest::Guest`].

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on is to say where")]

mod guest;
mod host;

mod answers;
mod boundary;
mod built;
mod bytes;
mod caller;
mod http;
mod isolated;
mod limits;
mod names;
mod neighbours;
mod network;
mod requests;
mod state;
mod tls;
mod uploads;
mod wasi;
