//! Whoever meets with a value that another key has sealed asks here for that key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use larder_domain::StoreTime;

use super::super::Connector;
use super::row::Row;
use crate::sealer::{KeySource, Offer};
use crate::sql::error::{Failure, Result};

/// How long somebody waits for a key.
const KEY_WAIT_MAX: Duration = Duration::from_secs(3);

/// Reads the row over a session of its own.
pub(in crate::sql::postgres) struct RowSource {
    connector: Connector,
    /// One thread at a time, which may outlast whoever waits for it.
    is_asking: Arc<AtomicBool>,
}

impl RowSource {
    pub(in crate::sql::postgres) fn new(connector: Connector) -> Self {
        Self { connector, is_asking: Arc::default() }
    }
}

/// There while somebody asks, however that ends.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl KeySource for RowSource {
    fn offered(&self) -> Option<Offer> {
        if self.is_asking.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (connector, is_asking) = (self.connector.clone(), Arc::clone(&self.is_asking));
        let (tell, told) = sync_channel(1);
        // Whoever asks may be where nothing can be waited for by a session's own means.
        let asking = thread::Builder::new().name("store-key".into()).spawn(move || {
            let asking = Asking(is_asking);
            let offer = read(&connector).unwrap_or_else(|Failure(error)| {
                tracing::debug!(%error, "a key can't be asked for");
                None
            });
            drop(asking);
            let _nobody_waits = tell.send(offer);
        });
        if asking.is_err() {
            self.is_asking.store(false, Ordering::Release);
        }
        told.recv_timeout(KEY_WAIT_MAX).ok().flatten()
    }
}

fn read(connector: &Connector) -> Result<Option<Offer>> {
    let conn = connector.reader()?;
    Ok(Row::read(&conn, StoreTime::default())?.and_then(|row| row.offer()))
}
