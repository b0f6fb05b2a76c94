//! Where an app's variables go beside the store: a platform's own environment, for instance.

use async_trait::async_trait;

use crate::config::Variable;
use crate::ids::AddonId;
use crate::names::AppName;

/// The sink did not take it. Worth another try until the addon's deadline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// Takes an app's variables. Both functions may be repeated with the same addon and must then do no harm.
#[async_trait]
pub trait AppSink: Send + Sync + 'static {
    /// The addon's variables are to be in the app.
    async fn set(&self, app: &AppName, addon: AddonId, variables: &[Variable]) -> Result<(), SinkError>;

    /// None of the addon's variables are to be in the app.
    async fn unset(&self, app: &AppName, addon: AddonId) -> Result<(), SinkError>;

    /// Whether somebody outside the store is told; otherwise variables are set with the commit that they come with.
    fn is_outside(&self) -> bool {
        true
    }
}
