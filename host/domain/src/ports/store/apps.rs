//! Apps and their variables.

use async_trait::async_trait;

use super::{Child, StoreError};
use crate::grace::Grace;
use crate::ids::AddonId;
use crate::names::AppName;
use crate::quota::AppUse;
use crate::secret::SecretString;
use crate::variables::VariableName;

/// A variable that an app sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppVariable {
    /// Its name.
    pub name: VariableName,
    /// Its value.
    pub value: SecretString,
    /// Whether people and logs see dots instead.
    pub secret: bool,
    /// The addon that set it; none for the app's own.
    pub addon: Option<AddonId>,
}

/// A change of an app's own variables: a value sets, none unsets.
pub type ConfigPatch = Vec<(VariableName, Option<SecretString>)>;

/// Why an app's variables were not changed. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatchRefusal {
    /// No such app.
    NoApp,
    /// An addon has or will have that variable.
    OwnedByAddon {
        /// Which variable.
        variable: VariableName,
        /// Whose it is.
        owner: AddonId,
    },
    /// More variables than an app may have.
    TooMany,
}

/// How many addons an app may have to be deleted with them: nobody else writes meanwhile.
pub const CASCADE_ADDONS_MAX: usize = 1_000;

/// Why an app was not deleted. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppRefusal {
    /// So many live addons are in the way.
    InUse(u64),
    /// It has more than [`CASCADE_ADDONS_MAX`], which are too many to go at once.
    TooMany(u64),
    /// This addon is protected.
    Protected(AddonId),
    /// Addons of others are a part of this one.
    AddonInUse(AddonId, Vec<Child>),
}

/// That an app's addons go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cascade {
    /// How long what they hold is kept, if at all.
    pub grace: Option<Grace>,
}

/// Apps.
#[async_trait]
pub trait AppStore: Send + Sync + 'static {
    /// Creates an app. False if it was there.
    async fn create_app(&self, app: &AppName) -> Result<bool, StoreError>;

    /// Whether there is such an app.
    async fn has_app(&self, app: &AppName) -> Result<bool, StoreError>;

    /// How many addons the app has and may have; none if there is no such app.
    async fn app_use(&self, app: &AppName) -> Result<Option<AppUse>, StoreError>;

    /// Says how many live addons the app may have; none for what is said of all. Those that it has stay.
    async fn set_app_quota(&self, app: &AppName, addons_max: Option<u64>) -> Result<(), StoreError>;

    /// All apps in order of their names after `after`, each with how many addons it has; at most `count_max`.
    async fn apps(&self, after: Option<AppName>, count_max: usize) -> Result<Vec<(AppName, AppUse)>, StoreError>;

    /// Deletes an app with its own variables, and with a cascade its live addons too: all of it or nothing. The addons that went.
    async fn delete_app(
        &self,
        app: &AppName,
        cascade: Option<Cascade>,
    ) -> Result<Result<Vec<AddonId>, AppRefusal>, StoreError>;

    /// What the app sees now, in order of names: its own variables, and those of its ready addons.
    async fn app_config(&self, app: &AppName) -> Result<Option<Vec<AppVariable>>, StoreError>;

    /// Changes the app's own variables: all or nothing.
    async fn patch_app_config(&self, app: &AppName, patch: ConfigPatch)
    -> Result<Result<(), PatchRefusal>, StoreError>;
}

/// How many variables of its own an app may have.
pub const APP_VARIABLES_MAX: usize = 512;
