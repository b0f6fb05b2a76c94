//! The sandbox against real and hostile guests. The hostile ones are written by hand, in WebAssembly's text format: see
//! [`guest::Guest`].

mod guest;
mod host;

mod answers;
mod limits;
mod neighbours;
mod state;
mod uploads;
mod wasi;
