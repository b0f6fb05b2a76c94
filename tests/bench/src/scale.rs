//! Rows `scale` and `scale_postgres`: time per transition in a store of a million addons, over that in one of a thousand.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use larder_domain::addon::Addon;
use larder_domain::config::{AddonConfig, Variable};
use larder_domain::ids::NodeId;
use larder_domain::ports::store::{Change, Created, Fence, Leased, NewAddon, Store};
use larder_domain::secret::Seed;
use larder_domain::work::Lease;
use larder_domain::{AddonId, AddonName, Event, SecretString};
use larder_store::{KeyfileSealer, Server, SqlStore, SystemClock, Time};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::fixture;
use crate::postgres::Postgres;
use crate::report::{Bound, Row, median};

const SMALL: usize = 1_000;
const LARGE: usize = 1_000_000;
/// Addons that are created and driven to `ready` in one measurement.
const MEASURED: usize = 8_000;
/// Pairs of measurements, one store right after the other, so that a slow moment of the disk meets both alike.
const ROUNDS: usize = 9;
/// Transitions of one addon: begun, configured, variables set, and the one that hands out the lease.
const TRANSITIONS_EACH: usize = 4;
/// Addons under way at once.
const BATCH: usize = 128;

pub(crate) fn measure() -> Result<Vec<Row>> {
    compare("scale", &mut |_| {
        let dir = TempDir::new()?;
        let sealer = Arc::new(KeyfileSealer::from_file_or_create(&dir.path().join("key"))?);
        let store: Arc<dyn Store> = Arc::new(SqlStore::open(dir.path(), sealer, Arc::new(SystemClock::new()))?);
        Ok((store, Some(dir)))
    })
}

pub(crate) fn measure_postgres() -> Result<Vec<Row>> {
    let Some(postgres) = Postgres::start()? else { return Ok(vec![]) };
    compare("scale_postgres", &mut |number| {
        if number == 1 {
            // The large one is filled: what a server does by itself if that takes it longer than some minutes.
            postgres.says("scale_0", "VACUUM ANALYZE")?;
        }
        let url = postgres.database(&format!("scale_{}", number))?;
        let tls = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let node = "bench".parse()?;
        let server = Server { url: SecretString::new(url), tls, time: Time::Servers, node, home: Uuid::nil() };
        let sealer = Arc::new(KeyfileSealer::from_key(&[7; 32]));
        let store: Arc<dyn Store> = Arc::new(SqlStore::connect(server, sealer, Arc::new(SystemClock::new()))?);
        Ok((store, None))
    })
}

/// An empty store, and the directory that it is in, if it is in one. The first is the large one.
type Open<'a> = &'a mut dyn FnMut(usize) -> Result<(Arc<dyn Store>, Option<TempDir>)>;

fn compare(row: &'static str, open: Open<'_>) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut large = Filled::with(&runtime, open(0)?, LARGE)?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for round in 1..=ROUNDS {
        let mut small = Filled::with(&runtime, open(round)?, SMALL)?;
        // One right after the other.
        rounds.push((runtime.block_on(small.transition_us())?, runtime.block_on(large.transition_us())?));
    }
    let [ratio, large, small] = [|r: &(f64, f64)| r.1 / r.0, |r: &(f64, f64)| r.1, |r: &(f64, f64)| r.0]
        .map(|figure| median(rounds.iter().map(figure).collect()));
    let note = format!(
        "median of {ROUNDS}: {large:.1} µs a transition with {LARGE} ready addons, {small:.1} µs with {SMALL}; \
         fresh addons, {BATCH} at once"
    );
    Ok(vec![Row { row, value: ratio, bound: Bound::AtMost(1.2), unit: "× a small store", note }])
}

/// A store with this many ready addons.
struct Filled {
    store: Arc<dyn Store>,
    addons: usize,
    _dir: Option<TempDir>,
}

impl Filled {
    fn with(runtime: &Runtime, (store, dir): (Arc<dyn Store>, Option<TempDir>), addons: usize) -> Result<Self> {
        runtime.block_on(async {
            store.create_app(&"bench".parse()?).await?;
            drive(&store, 0..addons).await
        })?;
        Ok(Self { store, addons, _dir: dir })
    }

    async fn transition_us(&mut self) -> Result<f64> {
        let end = self.addons + MEASURED;
        let started = Instant::now();
        drive(&self.store, self.addons..end).await?;
        self.addons = end;
        Ok(started.elapsed().as_secs_f64() * 1e6 / (MEASURED * TRANSITIONS_EACH) as f64)
    }
}

/// Creates addons and drives each to `ready`, a batch at a time.
async fn drive(store: &Arc<dyn Store>, numbers: std::ops::Range<usize>) -> Result<()> {
    let (node, mut next) = (NodeId::generate(), numbers.start);
    while next < numbers.end {
        let end = numbers.end.min(next + BATCH);
        let created = (next..end).map(|number| create(store, number));
        futures_util::future::try_join_all(created).await?;
        let mut left = end - next;
        while left > 0 {
            let leased = store.lease_due(node, BATCH, vec![]).await?;
            if leased.is_empty() {
                bail!("{left} addons are not due");
            }
            left -= leased.len();
            futures_util::future::try_join_all(leased.into_iter().map(|work| ready(store, work))).await?;
        }
        next = end;
    }
    Ok(())
}

pub(crate) async fn create(store: &Arc<dyn Store>, number: usize) -> Result<()> {
    let mut spec = fixture::spec("secret", json!({}))?;
    spec.name = format!("s{number}").parse::<AddonName>()?;
    let variable = format!("S{number}_SECRET_KEY").parse()?;
    let addon = Addon::new(spec.id, 900_000, 3, store.now());
    let new = NewAddon {
        spec,
        addon,
        seed: Seed([7; 32]),
        server: None,
        engine: None,
        reserve: vec![variable],
        app_addons_max: u64::MAX,
        idempotency: None,
    };
    match store.create_addon(new).await? {
        Ok(Created::New(_)) => Ok(()),
        other => bail!("an addon was not created: {other:?}"),
    }
}

async fn ready(store: &Arc<dyn Store>, work: Leased) -> Result<()> {
    let Leased::Addon { lease, record, .. } = work else { bail!("other work than an addon's is due") };
    let id = record.spec.id;
    let name = record.spec.name.as_str().strip_prefix('s').context("a name that was not given")?;
    let variable = Variable {
        name: format!("S{name}_SECRET_KEY").parse()?,
        value: SecretString::new("x".repeat(100)),
        secret: true,
    };
    let config = AddonConfig { variables: vec![variable], credentials: vec![] };
    say(store, &lease, id, Event::Begun { message: "begun".into() }).await?;
    say(store, &lease, id, Event::Configured(Box::new(config))).await?;
    say(store, &lease, id, Event::VariablesSet).await
}

pub(crate) async fn say(store: &Arc<dyn Store>, lease: &Lease, addon: AddonId, event: Event) -> Result<()> {
    let fence = Fence::Lease(lease.clone());
    store.apply(Change::new(addon, event, fence)).await?;
    Ok(())
}
