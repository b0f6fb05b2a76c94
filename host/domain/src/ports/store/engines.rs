//! On which engines addons are, where apps want theirs, and which networks of apps addons' containers are in.

use async_trait::async_trait;

use super::StoreError;
use crate::engines::{EngineWish, Placement};
use crate::ids::AddonId;
use crate::names::{AppName, EngineName, NetworkName};

/// An engine was not forgotten: so many addons are on it that live, or are deleted and can be had back. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inhabited(pub u64);

/// Engines, as the store knows them: by name alone.
#[async_trait]
pub trait EngineStore: Send + Sync + 'static {
    /// The engine that an addon is on. One that is on none yet gets the one with the most room, for good, or that of the addon
    /// that it is a part of. None if there is no such addon, or no engine for it.
    async fn pin_engine(&self, addon: AddonId, placement: &Placement) -> Result<Option<EngineName>, StoreError>;

    /// Every engine that addons are on, with how many: those that live, and those with objects that are still to be removed.
    async fn engine_addons(&self) -> Result<Vec<(EngineName, u64)>, StoreError>;

    /// Gives up what addons that are over still had on an engine that will not come back: their cleanup goes on without it. How many
    /// they are.
    async fn forget_engine(&self, engine: &EngineName) -> Result<Result<u64, Inhabited>, StoreError>;

    /// Says where an app's future addons are to be; none for anywhere.
    async fn set_app_engine(&self, app: &AppName, wish: Option<EngineWish>) -> Result<(), StoreError>;

    /// Where an app's future addons are to be; none for anywhere, or if there is no such app.
    async fn app_engine(&self, app: &AppName) -> Result<Option<EngineWish>, StoreError>;

    /// Says which network an app's own containers are in. Its addons' objects and their users' configurations follow: whatever was
    /// about to be told of where an addon is reached is asked anew, and an addon on which something is under way tells its app when that
    /// has ended. False if it was said before; what could not be told then is told now.
    async fn set_app_network(&self, app: &AppName, network: Option<NetworkName>) -> Result<bool, StoreError>;

    /// Which network an app's own containers are in; none if it has none, or if there is no such app.
    async fn app_network(&self, app: &AppName) -> Result<Option<NetworkName>, StoreError>;

    /// The networks that an addon's containers are to be in beside the installation's: those of its app, of the apps of the live
    /// addons that are a part of it, and of those that share one of these. In order of names.
    async fn networks(&self, addon: AddonId) -> Result<Vec<NetworkName>, StoreError>;
}
