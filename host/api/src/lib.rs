//! The HTTP interface: routes, problem documents, event streams.
//!
//! A handler parses, calls [`larder_control::Control`], converts. Everything that a client can get wrong is found out here or there
//! before anything is stored, and answered as a problem document (RFC 9457) with a stable code; nothing below this crate
//! knows HTTP. What goes over the wire has types of its own (`views` out, `input` in), so that the domain can change
//! without the interface changing with it.
//!
//! Layers, from the outside: `observe` (one span and one identifier a request), a net for panics, `hosts` (who may be
//! called), `auth` (who may call), `turns` (how many at once), the routes.

mod auth;
mod body;
mod config;
mod extract;
mod hosts;
mod input;
mod observe;
mod page;
mod problem;
mod render;
mod router;
mod routes;
mod sse;
mod state;
mod time;
mod turns;
mod upload;
mod views;

pub use auth::Tokens;
pub use config::{ApiConfig, LaneLimits, RequestLimits, StreamLimits, UploadLimits};
pub use problem::{ErrorCode, error_codes};
pub use router::router;
pub use turns::Crowded;
