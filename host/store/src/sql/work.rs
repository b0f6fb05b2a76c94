//! Due work: leased, renewed, given back.

pub(super) mod agenda;
mod lease;
pub(super) mod plan;
mod queue;

use async_trait::async_trait;
use larder_domain::ids::NodeId;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{Leased, Watcher, WorkStore};
use larder_domain::work::{LEASE_MS, Lease};
use larder_domain::{ProviderName, StoreTime};

use super::SqlStore;
use super::error::Result as Outcome;
use super::tx::{Tx, find_each};
use lease::SealedLease;

#[async_trait]
impl WorkStore for SqlStore {
    async fn lease_due(
        &self,
        owner: NodeId,
        count_max: usize,
        saturated: Vec<ProviderName>,
    ) -> Result<Vec<Leased>, StoreError> {
        let leased = self.writer.run(move |tx| lease::lease_due(tx, owner, count_max, &saturated)).await?;
        Ok(leased.into_iter().filter_map(|leased| self.opened(leased)).collect())
    }

    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, StoreError> {
        let leases = leases.to_vec();
        self.writer.run(move |tx| renew(tx, &leases)).await
    }

    async fn release(&self, lease: &Lease, due: StoreTime) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.writer.run(move |tx| plan::release(tx, &lease, due)).await
    }

    async fn next_due(&self, saturated: Vec<ProviderName>) -> Result<Option<StoreTime>, StoreError> {
        let (own, now) = (self.own.id, self.clock.now());
        self.readers.glance(move |conn| lease::next_due(conn, own, now, &saturated)).await
    }

    fn watch_work(&self) -> Box<dyn Watcher> {
        self.pokes.watch_work()
    }
}

impl SqlStore {
    /// Opens what was leased. What can't be opened is left alone until its lease runs out: the others are not to suffer.
    fn opened(&self, leased: SealedLease) -> Option<Leased> {
        let (lease, record, next) = match leased {
            SealedLease::Addon { lease, record, next } => (lease, record, next),
            SealedLease::Other(lease) => return Some(Leased::Other(lease)),
        };
        let id = record.progress.addon.id;
        let open = || {
            let (seed, issued) = (record.open_seed(&*self.sealer)?, record.open_issued(&*self.sealer)?);
            // A call that needs it asks for it, and is told.
            let state = record.open_state(&*self.sealer).unwrap_or_else(|error| {
                tracing::warn!(%error, addon = %id, "what a provider remembers of an addon can't be opened");
                None
            });
            let record = Box::new(record.open(&*self.sealer)?);
            Ok::<_, StoreError>(Leased::Addon { lease, record, seed, issued, state, next })
        };
        open().inspect_err(|error| tracing::error!(%error, addon = %id, "what was leased can't be opened")).ok()
    }
}

fn renew(tx: &mut Tx<'_>, leases: &[Lease]) -> Outcome<Vec<Lease>> {
    let until = tx.now.plus_ms(LEASE_MS);
    let sql = "UPDATE work SET lease_until = ?1 WHERE subject = ?2 AND kind = ?3 AND lease_token = ?4 AND token = ?4 RETURNING 1";
    let held = |lease: &Lease| (until.0, lease.subject.to_string(), lease.kind.as_str(), lease.token.0);
    let all: Vec<_> = leases.iter().map(held).collect();
    let renewed = find_each(tx.conn, sql, &all, |_| Ok(()))?;
    Ok(leases.iter().zip(renewed).filter(|(_, renewed)| renewed.is_none()).map(|(lease, _)| lease.clone()).collect())
}
