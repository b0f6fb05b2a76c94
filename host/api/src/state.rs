//! What every handler can reach.

use std::sync::Arc;

use larder_control::Control;

use crate::auth::Tokens;
use crate::config::ApiConfig;
use crate::hosts::AllowedHosts;
use crate::sse::Streams;
use crate::turns::Turns;
use crate::upload::Uploads;

/// The API's one object, shared by all requests.
pub(crate) struct Api {
    pub(crate) control: Control,
    pub(crate) tokens: Tokens,
    pub(crate) hosts: AllowedHosts,
    pub(crate) uploads: Uploads,
    pub(crate) streams: Streams,
    pub(crate) turns: Turns,
}

/// How handlers hold it.
pub(crate) type Shared = Arc<Api>;

impl Api {
    pub(crate) fn new(control: Control, config: ApiConfig) -> Self {
        Self {
            control,
            tokens: config.tokens,
            hosts: config.hosts,
            uploads: Uploads::new(&config.uploads),
            turns: Turns::new(&config.requests),
            streams: Streams::new(&config.streams, config.stopped),
        }
    }
}
