//! The command line against a server that plays a script.

mod applying;
mod bounds;
mod commands;
mod parsing;
mod server;
mod using;
