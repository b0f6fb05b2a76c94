//! The one object behind the API: the ports, and what this node remembers between requests.

use std::sync::Arc;
use std::time::Duration;

use larder_domain::Grace;
use larder_domain::ports::store::Standing;
use larder_domain::ports::{AppSink, Keys, ProviderRuntime, Store};
use larder_domain::quota::APP_ADDONS_MAX;

use crate::backups::BackupPlace;
use crate::checks::Checks;
use crate::containers::NamedEngine;
use crate::engines::{EngineMaker, Engines};
use crate::error::ControlError;
use crate::metrics::Metrics;
use crate::offers::{OfferCache, Offers};
use crate::restarts::Restarts;
use crate::transfers::{TransferLimits, Transfers};
use crate::troubles::{Pauses, Troubles};
use crate::turns::Turns;
use crate::waiters::Waiters;
use crate::worker::{Loading, Running};

/// All use cases. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runtime: Arc<dyn ProviderRuntime>,
    pub(crate) sink: Arc<dyn AppSink>,
    pub(crate) offers: Arc<OfferCache>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) running: Arc<Running>,
    pub(crate) loading: Arc<Loading>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) checks: Arc<Checks>,
    pub(crate) engines: Engines,
    pub(crate) restarts: Arc<Restarts>,
    pub(crate) troubles: Arc<Troubles>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) pauses: Pauses,
    /// How long what a deleted addon holds is kept, in milliseconds.
    pub(crate) delete_grace_ms: u64,
    /// How many live addons an app may have of which nothing else was said.
    pub(crate) app_addons_max: u64,
    pub(crate) transfers: Arc<Transfers>,
    pub(crate) backups: BackupPlace,
    pub(crate) keys: Option<Arc<dyn Keys>>,
}

impl Control {
    /// Puts the use cases over their ports.
    pub fn new(store: Arc<dyn Store>, runtime: Arc<dyn ProviderRuntime>, sink: Arc<dyn AppSink>) -> Self {
        Self {
            store,
            runtime,
            sink,
            offers: Arc::default(),
            waiters: Arc::default(),
            running: Arc::default(),
            loading: Arc::default(),
            metrics: Arc::default(),
            checks: Arc::default(),
            engines: Engines::default(),
            restarts: Arc::default(),
            troubles: Arc::default(),
            turns: Arc::default(),
            pauses: Pauses::default(),
            delete_grace_ms: 0,
            app_addons_max: APP_ADDONS_MAX,
            transfers: Arc::new(Transfers::new(TransferLimits::default())),
            backups: BackupPlace::default(),
            keys: None,
        }
    }

    /// The same, with engines on which addons can have objects, each under a name of its own.
    #[must_use]
    pub fn with_engines(self, engines: Vec<NamedEngine>) -> Self {
        Self { engines: self.engines.with(engines), ..self }
    }

    /// The same, where engines can be added.
    #[must_use]
    pub fn with_engine_maker(self, maker: Arc<dyn EngineMaker>) -> Self {
        Self { engines: self.engines.made_by(maker), ..self }
    }

    /// The same, where addons that are deleted from now on can be had back for so long, at most [`Grace::MS_MAX`].
    #[must_use]
    pub fn with_delete_grace(self, grace: Duration) -> Self {
        let ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        Self { delete_grace_ms: ms.min(Grace::MS_MAX), ..self }
    }

    /// The same, where an app may have so many live addons unless it has a quota of its own.
    #[must_use]
    pub fn with_app_addons_max(self, app_addons_max: u64) -> Self {
        Self { app_addons_max, ..self }
    }

    /// The same, with other pauses about engines.
    #[must_use]
    pub fn with_pauses(self, pauses: Pauses) -> Self {
        Self { pauses, ..self }
    }

    /// The same, with other bounds for exports and imports.
    #[must_use]
    pub fn with_transfers(self, limits: TransferLimits) -> Self {
        Self { transfers: Arc::new(Transfers::new(limits)), ..self }
    }

    /// The same, with somebody who keeps the sealing key.
    #[must_use]
    pub fn with_keys(self, keys: Arc<dyn Keys>) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// Does something to its end, even if whoever asked for it goes away meanwhile.
    pub(crate) async fn whole<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
        match tokio::spawn(work).await {
            Ok(done) => done,
            // A mistake of the host's own goes on as if it had been made here.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Only the end of the process takes a task away; then nobody waits for the answer.
            Err(_) => std::future::pending().await,
        }
    }

    /// What can be provisioned now.
    ///
    /// # Errors
    /// The store failed.
    pub async fn offers(&self) -> Result<Arc<Offers>, ControlError> {
        Ok(self.offers.get(&*self.store).await?)
    }

    /// How this node stands: whether it should be asked for anything.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn standing(&self) -> Result<Standing, ControlError> {
        Ok(self.store.standing().await?)
    }
}
