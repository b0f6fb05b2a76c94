//! Larder from outside: a real `larder serve`, real components, HTTP and the command line. One binary, a module per concern;
//! the names of the tests say what a user would see.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, and so do its helpers")]

mod support;
mod transfers;

mod addons;
mod backup;
mod bad_input;
mod broken_uploads;
mod broker;
mod campaign;
mod cli;
mod communal;
mod compile;
mod compose;
mod database;
mod docker;
mod engines;
mod events;
mod experiments;
mod faults;
mod grace;
mod grants;
mod isolation;
mod javascript;
mod keys;
mod migrated;
mod operations;
mod operators;
mod postgres;
mod providers;
mod python;
mod readme;
mod restart;
mod restored;
mod servers;
mod shutdown;
mod sql;
mod r#use;
