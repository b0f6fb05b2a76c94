//! The clients against real servers, which each test starts for itself on loopback, as far as they are installed.

#![cfg(not(target_arch = "wasm32"))]

mod memcached;
mod mysql;
mod postgres;
mod redis;
mod support;
