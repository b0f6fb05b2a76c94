//! The sandbox against real and hostile guests. The hostile ones are written by hand, in WebAssembly's text format: see
//! [`guest::Guest`].

mod guest;
mod host;

mod limits;
