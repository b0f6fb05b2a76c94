//! What every command that speaks to a server has at hand.

use super::api::Api;
use super::args::Global;
use super::failure::Result;
use super::out::Out;
use super::settings::Settings;

/// A server, and a way to print.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) api: Api,
    pub(crate) out: Out,
}

impl Context {
    /// Finds the server; doesn't call it yet.
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let out = global.out();
        let settings = Settings::find(global)?;
        if let Some(warning) = &settings.warning {
            out.note(warning);
        }
        Ok(Self { api: Api::new(&settings)?, out })
    }
}
