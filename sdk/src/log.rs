//! Lines in the addon's log. What goes to standard output and standard error, panics included, is there as well.

pub use crate::bindings::larder::host::log::Level;
use crate::bindings::larder::host::log::write;

/// Writes a line for those who look for the cause of something.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// Writes a line about the normal course of things.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Writes a line about something odd that was coped with.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Writes a line about something that went wrong.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}
