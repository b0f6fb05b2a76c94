//! What every handler can reach.

use std::sync::Arc;

use larder_control::Control;
use tokio::sync::Semaphore;

use crate::auth::Tokens;
use crate::config::ApiConfig;
use crate::hosts::AllowedHosts;
use crate::upload::Uploads;

/// The API's one object, shared by all requests.
pub(crate) struct Api {
    pub(crate) control: Control,
    pub(crate) tokens: Tokens,
    pub(crate) hosts: AllowedHosts,
    pub(crate) uploads: Uploads,
    /// Places for event streams.
    pub(crate) streams: Arc<Semaphore>,
}

/// How handlers hold it.
pub(crate) type Shared = Arc<Api>;

impl Api {
    pub(crate) fn new(control: Control, config: ApiConfig) -> Self {
        Self {
            control,
            tokens: config.tokens,
            hosts: config.hosts,
            uploads: Uploads::new(config.uploads),
            streams: Arc::new(Semaphore::new(config.streams_at_once_max)),
        }
    }
}
