//! Apps and their variables.

use async_trait::async_trait;

use super::StoreError;
use crate::ids::AddonId;
use crate::names::AppName;
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

/// Apps.
#[async_trait]
pub trait AppStore: Send + Sync + 'static {
    /// Creates an app. False if it was there.
    async fn create_app(&self, app: &AppName) -> Result<bool, StoreError>;

    /// Whether there is such an app.
    async fn has_app(&self, app: &AppName) -> Result<bool, StoreError>;

    /// How many live addons the app has; none if there is no such app.
    async fn count_addons(&self, app: &AppName) -> Result<Option<u64>, StoreError>;

    /// All apps in order of their names after `after`, each with the number of its live addons; at most `count_max`.
    async fn apps(&self, after: Option<AppName>, count_max: usize) -> Result<Vec<(AppName, u64)>, StoreError>;

    /// Deletes an app without live addons, with its own variables. The number of its live addons if it has some; nothing happened then.
    async fn delete_app(&self, app: &AppName) -> Result<Result<(), u64>, StoreError>;

    /// What the app sees now, in order of names: its own variables, and those of its ready addons.
    async fn app_config(&self, app: &AppName) -> Result<Option<Vec<AppVariable>>, StoreError>;

    /// Changes the app's own variables: all or nothing.
    async fn patch_app_config(&self, app: &AppName, patch: ConfigPatch)
    -> Result<Result<(), PatchRefusal>, StoreError>;
}

/// How many variables of its own an app may have.
pub const APP_VARIABLES_MAX: usize = 512;
