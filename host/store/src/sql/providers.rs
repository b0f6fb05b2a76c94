//! Providers and their versions.

mod grants;
mod limits;
mod options;
mod revision;
mod versions;

use std::collections::BTreeMap;

use async_trait::async_trait;
use larder_domain::addon::ComponentKind;
use larder_domain::audit::{Action, Actor};
use larder_domain::grants::Permission;
use larder_domain::ids::Digest;
use larder_domain::limits::ProviderLimits;
use larder_domain::manifest::Manifest;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{CheckOutcome, ProviderStore, RemoveRefusal, RevisionChanged, UploadOutcome};
use larder_domain::provider::Provider;
use larder_domain::quota::PlanQuota;
use larder_domain::work::{Lease, WorkKind};
use larder_domain::{PlanName, ProviderName, SecretString};
use serde_json::json;

use super::database::Conn;
use super::error::{Result as Outcome, Stop};
use super::rows::Columns;
use super::tx::{Tx, find, list};
use super::work::plan;
use super::{SqlStore, audit, quotas};
use crate::{codec, places};

macro_rules! select_providers {
    () => {
        "SELECT name, component_kind, coalesce(live, 0), limits, revision FROM provider LEFT JOIN provider_tally ON provider = name"
    };
}

#[async_trait]
impl ProviderStore for SqlStore {
    async fn upload(&self, name: &ProviderName, digest: Digest, wasm: Vec<u8>) -> Result<UploadOutcome, StoreError> {
        let name = name.clone();
        self.writer.run(move |tx| versions::upload(tx, &name, digest, &wasm)).await
    }

    async fn finish_check(
        &self,
        lease: &Lease,
        name: &ProviderName,
        digest: Digest,
        outcome: CheckOutcome,
    ) -> Result<(), StoreError> {
        let (lease, name) = (lease.clone(), name.clone());
        self.writer.run(move |tx| versions::finish_check(tx, &lease, &name, digest, &outcome)).await
    }

    async fn activate(
        &self,
        name: &ProviderName,
        digest: Digest,
        manifest: Manifest,
        revision: u64,
    ) -> Result<Result<bool, RevisionChanged>, StoreError> {
        let name = name.clone();
        self.change(move |tx| versions::activate(tx, &name, digest, &manifest, revision)).await
    }

    async fn set_grants(
        &self,
        name: &ProviderName,
        grants: Vec<Permission>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError> {
        let name = name.clone();
        self.change(move |tx| grants::set(tx, &name, &grants, revision)).await
    }

    async fn set_limits(
        &self,
        name: &ProviderName,
        limits: ProviderLimits,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError> {
        let name = name.clone();
        self.change(move |tx| limits::set(tx, &name, &limits, revision)).await
    }

    async fn set_quotas(
        &self,
        name: &ProviderName,
        quotas: BTreeMap<PlanName, u64>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError> {
        let name = name.clone();
        let job = move |tx: &mut Tx<'_>| {
            revision::advance(tx, &name, revision)?;
            Ok(quotas::set_of_provider(tx, &name, &quotas)?)
        };
        self.writer.attempt(job).await
    }

    async fn plan_quotas(&self) -> Result<Vec<(ProviderName, PlanQuota)>, StoreError> {
        self.readers.read(quotas::of_all).await
    }

    async fn set_options(
        &self,
        name: &ProviderName,
        options: SecretString,
        manifests: Vec<(Digest, Manifest)>,
        revision: u64,
    ) -> Result<Result<(), RevisionChanged>, StoreError> {
        let sealed = self.sealer.seal(&places::options(name), options.reveal().as_bytes())?;
        let name = name.clone();
        self.change(move |tx| options::set(tx, &name, &sealed, &manifests, revision)).await
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT wasm FROM component WHERE digest = ?";
        self.readers.read(move |conn| find(conn, sql, [&digest.0], |row| row.take())).await
    }

    async fn provider(&self, name: &ProviderName) -> Result<Option<Provider>, StoreError> {
        let name = name.clone();
        let sql = concat!(select_providers!(), " WHERE name = ?");
        let query = move |conn: &Conn| {
            let found = find(conn, sql, [name.as_str()], alone)?;
            found.map(|provider| whole(conn, provider)).transpose()
        };
        self.readers.read(query).await
    }

    async fn providers(&self) -> Result<Vec<Provider>, StoreError> {
        let sql = concat!(select_providers!(), " ORDER BY name");
        let query = move |conn: &Conn| {
            let found = list(conn, sql, (), alone)?;
            found.into_iter().map(|provider| whole(conn, provider)).collect()
        };
        self.readers.read(query).await
    }

    async fn provider_options(&self, name: &ProviderName) -> Result<SecretString, StoreError> {
        let place = places::options(name);
        let name = name.clone();
        let sql = "SELECT options FROM provider WHERE name = ?";
        let query = move |conn: &Conn| find(conn, sql, [name.as_str()], |row| row.take::<Option<Vec<u8>>>());
        match self.readers.read(query).await?.ok_or(StoreError::Missing("provider"))? {
            Some(sealed) => codec::decode_text(&self.sealer.open(&place, &sealed)?),
            None => Ok(SecretString::new("{}")),
        }
    }

    async fn remove_provider(&self, name: &ProviderName, force: bool) -> Result<Result<(), RemoveRefusal>, StoreError> {
        let name = name.clone();
        self.change(move |tx| remove(tx, &name, force)).await
    }
}

impl SqlStore {
    /// Changes something that calls go by. It is done when none goes by what was before.
    async fn change<T: Send + 'static, R: Send + 'static>(
        &self,
        job: impl FnMut(&mut Tx<'_>) -> Outcome<T, Stop<R>> + Send + 'static,
    ) -> Result<Result<T, R>, StoreError> {
        let changed = self.writer.attempt(job).await?;
        if changed.is_ok() {
            self.outlast_memories().await;
        }
        Ok(changed)
    }
}

/// The provider itself, without what stands in tables of its own.
fn alone(row: &mut Columns<'_>) -> Outcome<Provider> {
    Ok(Provider {
        name: row.parsed("a provider's name")?,
        kind: row.named("a component's kind", ComponentKind::from_name)?,
        versions: vec![],
        live_addons: row.take()?,
        grants: vec![],
        limits: limits::read(&row.take::<String>()?)?,
        quotas: vec![],
        revision: row.take()?,
    })
}

fn whole(conn: &Conn, provider: Provider) -> Outcome<Provider> {
    let (versions, grants) = (versions::all(conn, &provider.name)?, grants::all(conn, &provider.name)?);
    let quotas = quotas::of_provider(conn, &provider.name)?;
    Ok(Provider { versions, grants, quotas, ..provider })
}

fn remove(tx: &mut Tx<'_>, name: &ProviderName, force: bool) -> Outcome<(), Stop<RemoveRefusal>> {
    let sql = "SELECT coalesce(unfinished, 0) FROM provider LEFT JOIN provider_tally ON provider = name WHERE name = ?";
    let unfinished: u64 = tx.find(sql, [name.as_str()], |row| row.take())?.ok_or(StoreError::Missing("provider"))?;
    if unfinished > 0 && !force {
        return Err(Stop::Refused(RemoveRefusal::InUse(unfinished)));
    }
    versions::remove_all(tx, name)?;
    audit::note(tx, Actor::Admin, Action::Removed, name, &json!({ "force": force, "unfinished_addons": unfinished }))?;
    tx.write("DELETE FROM provider WHERE name = ?", [name.as_str()])?;
    // Calls that run now are superseded: whatever they bring, the next step is due at once and finds the provider gone.
    plan::wish_all(tx, WorkKind::Addon, name)?;
    Ok(())
}
