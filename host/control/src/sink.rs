//! The sink of a host whose apps read their variables from the store alone.

use async_trait::async_trait;
use larder_domain::config::Variable;
use larder_domain::ports::{AppSink, SinkError};
use larder_domain::{AddonId, AppName};

/// Nothing beside the store is to be told: apps ask for `GET /v1/apps/{app}/config`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSink;

#[async_trait]
impl AppSink for NoSink {
    async fn set(&self, _app: &AppName, _addon: AddonId, _variables: &[Variable]) -> Result<(), SinkError> {
        Ok(())
    }

    async fn unset(&self, _app: &AppName, _addon: AddonId) -> Result<(), SinkError> {
        Ok(())
    }

    fn is_outside(&self) -> bool {
        false
    }
}
