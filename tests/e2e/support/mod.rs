//! What every test here starts from: a host of its own, in a directory of its own, on a port of its own.

mod amqp;
mod broker;
mod client;
mod disk;
mod engine;
mod guests;
mod host;
mod postgres;
mod prepared;
mod redis;
mod second_engine;
mod tripwire;
mod world;

pub(crate) use amqp::Amqp;
pub(crate) use broker::Broker;
pub(crate) use client::{Answer, behave, until, until_within};
pub(crate) use disk::Disk;
pub(crate) use engine::Engine;
pub(crate) use guests::{guest, guest_path};
pub(crate) use host::Host;
pub(crate) use postgres::Postgres;
pub(crate) use redis::Redis;
pub(crate) use second_engine::SecondEngine;
pub(crate) use tripwire::{Tripwire, When};
pub(crate) use world::{contract_in, install, may_change_the_machine, run};
