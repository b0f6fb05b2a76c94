//! On which engines addons are, and where apps want theirs.

use async_trait::async_trait;

use super::StoreError;
use crate::engines::{EngineWish, Placement};
use crate::ids::AddonId;
use crate::names::{AppName, EngineName};

/// Engines, as the store knows them: by name alone.
#[async_trait]
pub trait EngineStore: Send + Sync + 'static {
    /// The engine that an addon is on. One that is on none yet gets the one with the most room, for good, or that of the addon
    /// that it is a part of. None if there is no such addon, or no engine for it.
    async fn pin_engine(&self, addon: AddonId, placement: &Placement) -> Result<Option<EngineName>, StoreError>;

    /// Every engine that addons are on, with how many: those that live, and those with objects that are still to be removed.
    async fn engine_addons(&self) -> Result<Vec<(EngineName, u64)>, StoreError>;

    /// Says where an app's future addons are to be; none for anywhere.
    async fn set_app_engine(&self, app: &AppName, wish: Option<EngineWish>) -> Result<(), StoreError>;

    /// Where an app's future addons are to be; none for anywhere, or if there is no such app.
    async fn app_engine(&self, app: &AppName) -> Result<Option<EngineWish>, StoreError>;
}
