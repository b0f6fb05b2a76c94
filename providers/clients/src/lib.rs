//! What the shipped providers say to the servers that they administer: the wire protocols of Redis, PostgreSQL, MySQL and memcached,
//! over any [`Stream`]. Nothing runs beside the caller, nothing is read that was not bounded first, and no server can make it panic.
//!
//! Each module has the protocol and, over it, what providers do on a server that many addons share: make a user who reaches what is
//! its own and nothing else, and remove it again. All of this may be repeated after a crash at any point.

mod error;
mod host;
pub mod memcached;
pub mod mysql;
pub mod postgres;
pub mod redis;
mod rows;
mod sql;
mod stream;
#[cfg(test)]
mod testing;
mod tls;
mod wire;

pub use error::{Error, Refusal};
pub use host::HostStream;
pub use rows::Rows;
pub use sql::{Dialect, Sql};
pub use stream::Stream;
pub use tls::Tls;
