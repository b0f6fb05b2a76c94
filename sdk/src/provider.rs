//! The required interface.

use crate::{Addon, Config, Failure, Manifest, Options, Progress};

/// What every provider can do. None of these functions may block: start long work, and be asked about it later. Each
/// may be called again with the same addon after a crash of the host, so each must find what an earlier try made.
pub trait Provider {
    /// What the provider offers, under the operator's options. Runs without network and Docker. The error says why
    /// these options can't be used.
    fn manifest(options: &Options) -> Result<Manifest, String>;

    /// Starts to make the resource; the text is for the person who waits. Nothing to start, by default.
    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        Ok(format!("{} is being made", addon.service()))
    }

    /// Whether the resource can be used. It can, by default.
    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        let _nothing_to_wait_for = addon;
        Ok(Progress::Done)
    }

    /// What the app needs to use the resource.
    fn get_config(addon: &Addon) -> Result<Config, Failure>;

    /// Removes the resource. Must say [`Progress::Done`] for one that is gone already or was never made. Nothing to
    /// remove, by default.
    fn deprovision(addon: &Addon) -> Result<Progress, Failure> {
        let _nothing_to_remove = addon;
        Ok(Progress::Done)
    }
}
