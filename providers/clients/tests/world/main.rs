//! The clients against real servers, which each test starts for itself on loopback, as far as they are installed.

#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, and so do its helpers")]

mod memcached;
mod mysql;
mod postgres;
mod redis;
mod support;
mod tls;
