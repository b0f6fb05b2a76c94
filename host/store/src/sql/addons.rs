//! Addons: the port's functions, each a job for the writer or a query for a reader. What is sealed is sealed and opened here,
//! on the caller's side.

mod apply;
mod create;
mod family;
mod history;
mod list;
mod operation;
mod progress;
mod protect;
mod record;
mod undelete;

use std::sync::Arc;

use async_trait::async_trait;
use larder_domain::config::AddonConfig;
use larder_domain::history::StoredEntry;
use larder_domain::operation::Health;
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::store::{
    AddonFilter, AddonStore, Applied, Change, Child, CreateRefusal, Created, Fence, Idempotency, InUse, NewAddon,
    ProtectRefusal, StoredLog, UndeleteRefusal, Unless, Watcher,
};
use larder_domain::secret::SecretJson;
use larder_domain::secret::{SecretString, Seed};
use larder_domain::work::{Lease, Subject, Token, WorkKind};
use larder_domain::{AddonId, AddonRecord, Event, Grace};

use super::SqlStore;
use super::tx::Tx;
use super::work::plan;
use crate::{codec, places};
pub(super) use apply::{Brought, note, step};
pub(super) use family::{delete_all_of, hasten, line, outdate};
pub(super) use progress::Progress;
pub(super) use record::SealedRecord;

#[async_trait]
impl AddonStore for SqlStore {
    async fn create_addon(&self, new: NewAddon) -> Result<Result<Created, CreateRefusal>, StoreError> {
        let parts = self.seal_parts(&new)?;
        let server = new.server.as_deref().map(|server| self.seal_parts(server)).transpose()?;
        let (mut spec, addon) = (new.spec.clone(), new.addon.clone());
        let job = move |tx: &mut Tx<'_>| Ok((create::create(tx, &new, &parts, server.as_ref())?, tx.wall));
        Ok(match self.writer.attempt(job).await? {
            Ok((create::Outcome::New(settled), now)) => {
                (spec.created_at, spec.parent) = (now, settled.parent);
                let engine = settled.engine;
                Ok(Created::New(AddonRecord { spec: Arc::new(spec), addon, change: None, engine, updated_at: now }))
            }
            Ok((create::Outcome::Replayed(record), _)) => Ok(Created::Replayed(record.open(&*self.sealer)?)),
            Err(refusal) => Err(refusal),
        })
    }

    async fn created_before(
        &self,
        idempotency: &Idempotency,
    ) -> Result<Result<Option<AddonRecord>, CreateRefusal>, StoreError> {
        let idempotency = idempotency.clone();
        let earlier = self.writer.attempt(move |tx| create::replay(tx, &idempotency)).await?;
        match earlier {
            Ok(record) => Ok(Ok(record.map(|record| record.open(&*self.sealer)).transpose()?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    async fn apply(&self, change: Change) -> Result<Applied, StoreError> {
        let Change { addon, preceded_by, event, fence, sets_variables, state, objects, issued, protected, notes, log } =
            change;
        let config = match &event {
            Event::Configured(config) => Some(self.sealer.seal(&places::config(addon), &codec::encode_config(config))?),
            _ => None,
        };
        let parameters = match &event {
            Event::OperationRequested(wish) => wish.change.as_ref().map(|change| &change.parameters),
            _ => None,
        };
        let parameters = parameters.map(|parameters| self.seal_parameters(addon, parameters)).transpose()?;
        let transfer = match &event {
            Event::TransferBegun(described) => {
                Some(self.sealer.seal(&places::transfer(addon), described.reveal().as_bytes())?)
            }
            _ => None,
        };
        let state = state.map(|state| self.seal_state(addon, &state)).transpose()?;
        let objects = match objects {
            Some(objects) => Some((objects.by, self.seal_objects(addon, &objects.all).await?)),
            None => None,
        };
        let seal = |issued: &[_]| self.sealer.seal(&places::issued(addon), &codec::encode_secrets(issued));
        let issued = issued.as_deref().map(seal).transpose()?;
        let brought = Brought {
            preceded_by,
            sets_variables,
            config,
            state,
            parameters,
            transfer,
            objects,
            issued,
            protected,
            notes,
            log,
        };
        let lease = match &fence {
            Fence::Lease(lease) => Some(lease.clone()),
            Fence::User => None,
        };
        self.writer.run_under(lease, move |tx| apply::apply(tx, addon, &event, &fence, &brought)).await
    }

    async fn undelete(
        &self,
        id: AddonId,
        app_addons_max: u64,
    ) -> Result<Result<AddonRecord, UndeleteRefusal>, StoreError> {
        let record = self.addon(id).await?.ok_or(StoreError::Missing("addon"))?;
        // What is kept does not change, so it may be read before.
        let Some(config) = self.addon_config(id).await? else { return Ok(Err(UndeleteRefusal::NotInGrace)) };
        let names = undelete::names(&record.spec, &config);
        let inside = undelete::is_told_inside(&record.spec, &config);
        let job = move |tx: &mut Tx<'_>| undelete::undelete(tx, &record.spec, &names, inside, app_addons_max);
        match self.writer.attempt(job).await? {
            Ok(record) => Ok(Ok(record.open(&*self.sealer)?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    async fn protect(&self, id: AddonId, protected: bool) -> Result<Result<AddonRecord, ProtectRefusal>, StoreError> {
        match self.writer.attempt(move |tx| protect::protect(tx, id, protected)).await? {
            Ok(record) => Ok(Ok(record.open(&*self.sealer)?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    async fn delete_addon(
        &self,
        id: AddonId,
        grace: Option<Grace>,
        unless: Unless,
    ) -> Result<Result<Applied, InUse>, StoreError> {
        self.writer.attempt(move |tx| family::delete(tx, id, grace, unless)).await
    }

    async fn addon(&self, id: AddonId) -> Result<Option<AddonRecord>, StoreError> {
        let record = self.readers.read(move |conn| SealedRecord::load(conn, id)).await?;
        record.map(|record| record.open(&*self.sealer)).transpose()
    }

    async fn addons(&self, filter: AddonFilter) -> Result<Vec<AddonRecord>, StoreError> {
        let sealer = Arc::clone(&self.sealer);
        let open = move |record: SealedRecord| record.open(&*sealer).map_err(Into::into);
        self.readers.read(move |conn| list::addons(conn, &filter)?.into_iter().map(open).collect()).await
    }

    async fn addon_config(&self, id: AddonId) -> Result<Option<AddonConfig>, StoreError> {
        let plain = self.detail("SELECT config FROM addon_detail WHERE addon = ?", id, places::config(id)).await?;
        plain.map(|plain| codec::decode_config(&plain)).transpose()
    }

    async fn issued(&self, id: AddonId) -> Result<Vec<SecretString>, StoreError> {
        let plain = self.detail("SELECT issued FROM addon_detail WHERE addon = ?", id, places::issued(id)).await?;
        plain.map_or_else(|| Ok(vec![]), |plain| codec::decode_secrets(&plain))
    }

    async fn children(&self, id: AddonId) -> Result<Vec<Child>, StoreError> {
        self.readers.read(move |conn| family::children(conn, id)).await
    }

    async fn seed(&self, id: AddonId) -> Result<Option<Seed>, StoreError> {
        let plain = self.detail("SELECT seed FROM addon_detail WHERE addon = ?", id, places::seed(id)).await?;
        plain.map(|plain| codec::decode_seed(&plain)).transpose()
    }

    async fn guest_state(&self, id: AddonId) -> Result<GuestState, StoreError> {
        let plain = self.detail("SELECT value FROM guest_state WHERE addon = ?", id, places::guest_state(id)).await?;
        plain.map_or_else(|| Ok(GuestState::new()), |plain| codec::decode_state(&plain))
    }

    async fn transfer(&self, id: AddonId) -> Result<Option<SecretString>, StoreError> {
        let plain =
            self.detail("SELECT transfer FROM operation_detail WHERE addon = ?", id, places::transfer(id)).await?;
        plain.map(|plain| codec::decode_text(&plain)).transpose()
    }

    async fn operating(&self) -> Result<Vec<AddonId>, StoreError> {
        self.readers.read(operation::under_way).await
    }

    async fn note_health(&self, id: AddonId, health: Health) -> Result<(), StoreError> {
        self.writer.run(move |tx| apply::note_health(tx, id, health.clone())).await
    }

    async fn checkpoint(&self, lease: &Lease, id: AddonId, state: &GuestState) -> Result<(), StoreError> {
        let (lease, state) = (lease.clone(), self.seal_state(id, state)?);
        let job = move |tx: &mut Tx<'_>| {
            plan::check_lease(tx, &lease, &Subject::Addon(id))?;
            apply::keep_state(tx, id, &state)
        };
        self.writer.run(job).await
    }

    async fn holds(&self, id: AddonId, token: Token) -> Result<bool, StoreError> {
        let key = (Subject::Addon(id).to_string(), WorkKind::Addon.as_str(), token.0);
        Ok(self.readers.find(plan::HOLDS, key, |_| Ok(())).await?.is_some())
    }

    async fn history(
        &self,
        addon: Option<AddonId>,
        after: u64,
        count_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.readers.read(move |conn| history::read(conn, addon, after, count_max)).await
    }

    async fn log(&self, addon: AddonId, after: u64, count_max: usize) -> Result<Vec<StoredLog>, StoreError> {
        self.readers.read(move |conn| history::read_log(conn, addon, after, count_max)).await
    }

    fn watch_history(&self) -> Box<dyn Watcher> {
        self.pokes.watch_history()
    }
}

impl SqlStore {
    fn seal_parts(&self, new: &NewAddon) -> Result<record::SealedParts, StoreError> {
        let id = new.spec.id;
        Ok(record::SealedParts {
            parameters: self.seal_parameters(id, &new.spec.parameters)?,
            seed: self.sealer.seal(&places::seed(id), &new.seed.0)?,
        })
    }

    fn seal_parameters(&self, addon: AddonId, parameters: &SecretJson) -> Result<Vec<u8>, StoreError> {
        Ok(self.sealer.seal(&places::parameters(addon), codec::encode_parameters(parameters).reveal().as_bytes())?)
    }

    fn seal_state(&self, addon: AddonId, state: &GuestState) -> Result<Vec<u8>, StoreError> {
        Ok(self.sealer.seal(&places::guest_state(addon), &codec::encode_state(state))?)
    }

    /// A sealed column of an addon, opened.
    async fn detail(&self, sql: &'static str, id: AddonId, place: String) -> Result<Option<codec::Plain>, StoreError> {
        let sealed: Option<Vec<u8>> = self.readers.find(sql, [id.0.into_bytes()], |row| row.take()).await?.flatten();
        Ok(sealed.map(|sealed| self.sealer.open(&place, &sealed)).transpose()?)
    }
}
