//! Row `restart_due`: from opening a store whose host was killed until everything that was under way is leased and planned again.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use larder_domain::Event;
use larder_domain::failure::Pending;
use larder_domain::ids::NodeId;
use larder_domain::ports::store::{Leased, Store};
use larder_store::{KeyfileSealer, SqlStore, SystemClock};
use tempfile::TempDir;

use crate::report::{Bound, Row, median};
use crate::scale::{create, say};

/// Addons that were under way.
const ADDONS: usize = 10_000;
/// How many are leased at once.
const BATCH: usize = 128;
/// How often it is measured, each time in a store of its own.
const ROUNDS: usize = 5;
/// When the next step is to be: after all has been measured, in milliseconds.
const LATER_MS: u64 = 600_000;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut rounds = vec![];
    for _ in 0..ROUNDS {
        rounds.push(runtime.block_on(round())?);
    }
    let slowest = rounds.iter().copied().fold(0.0, f64::max);
    let note = format!("median of {ROUNDS}, the slowest {slowest:.2} s; {ADDONS} addons, {BATCH} at once");
    Ok(vec![Row {
        row: "restart_due",
        value: median(rounds),
        bound: Bound::AtMost(2.0),
        unit: "s to all planned",
        note,
    }])
}

async fn round() -> Result<f64> {
    let dir = TempDir::new()?;
    // Everything has begun, and is leased to somebody who does not come back.
    let store = open(dir.path())?;
    store.create_app(&"bench".parse()?).await?;
    let (gone, mut leased) = (NodeId::generate(), 0);
    for first in (0..ADDONS).step_by(BATCH) {
        let created = (first..ADDONS.min(first + BATCH)).map(|number| create(&store, number));
        futures_util::future::try_join_all(created).await?;
        let works = store.lease_due(gone, BATCH, vec![]).await?;
        leased += works.len();
        futures_util::future::try_join_all(works.into_iter().map(|work| begun(&store, work))).await?;
    }
    ensure!(leased == ADDONS, "{leased} addons were due");
    drop(store);

    let started = Instant::now();
    let store = open(dir.path())?;
    let (node, mut planned) = (NodeId::generate(), 0);
    while planned < ADDONS {
        let leased = store.lease_due(node, BATCH, vec![]).await?;
        ensure!(!leased.is_empty(), "{} addons are not due", ADDONS - planned);
        planned += leased.len();
        futures_util::future::try_join_all(leased.into_iter().map(|work| plan(&store, work))).await?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn open(dir: &Path) -> Result<Arc<dyn Store>> {
    let sealer = Arc::new(KeyfileSealer::from_file_or_create(&dir.join("key"))?);
    Ok(Arc::new(SqlStore::open(dir, sealer, Arc::new(SystemClock::new()))?))
}

/// A provider has begun; what comes then is still to be asked for.
async fn begun(store: &Arc<dyn Store>, work: Leased) -> Result<()> {
    let Leased::Addon { lease, record, .. } = work else { anyhow::bail!("other work than an addon's is due") };
    say(store, &lease, record.spec.id, Event::Begun { message: "begun".into() }).await
}

/// It needs longer.
async fn plan(store: &Arc<dyn Store>, work: Leased) -> Result<()> {
    let Leased::Addon { lease, record, .. } = work else { anyhow::bail!("other work than an addon's is due") };
    let pending = Pending::bounded(LATER_MS, "not yet".into(), None);
    say(store, &lease, record.spec.id, Event::StillPending(pending)).await
}
