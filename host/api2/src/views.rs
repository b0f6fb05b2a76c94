//! What goes out, apart from what it is inside: nothing is written as JSON merely because it could be.

mod addon;
mod event;
mod provider;

pub(crate) use addon::{addon, config};
pub(crate) use event::{event, log_line};
pub(crate) use provider::{catalog, provider, version};
