//! Keys of an installation that several nodes share, each with its own copy of them in a file.
//!
//! A new key travels through the database: it stands there in one row ([`row`]), sealed with the one of before, from before anybody uses it
//! until nothing needs the one of before any more. So a node that dies loses no key, and each one that has the old key learns the new one
//! ([`learn`]): when it connects, whenever it says that it lives, and when it meets with a value that it has no key for ([`source`]). One of
//! them, the driver, has everything sealed anew ([`drive`]); if it is gone, another one goes on.

mod begin;
mod compact;
mod drive;
mod learn;
mod refuse;
mod row;
mod source;

pub use begin::RotationRefused;
pub(super) use compact::{COMPACT_LOCK_MS_MAX, COMPACT_MS_MAX};
pub(in crate::sql) use drive::note_resealed;
pub use drive::{Driven, KeyDriving, KeyStop};
pub(super) use learn::{learn_first, other_key};
pub(in crate::sql) use row::HAS_OTHER_KEY;
pub use row::KeyRotation;
pub(super) use row::refuse_rotating;
pub(super) use source::RowSource;
