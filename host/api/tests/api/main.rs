//! The API over the real store and worker, with scripted providers in place of the sandbox. Its modules are named after the routes.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on is to say where")]

mod addons;
mod apps;
mod backups;
mod bodies;
mod catalog;
mod config;
mod docs;
mod doors;
mod engines;
mod events;
mod grace;
mod overload;
mod providers;
mod quotas;
mod support;
mod uploads;
mod wire;
