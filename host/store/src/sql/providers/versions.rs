//! Versions: uploaded, checked, one of them active. A component's bytes stand apart and are shared by all versions with the
//! same digest; they go with the last of these.

use larder_domain::addon::ComponentKind;
use larder_domain::audit::{Action, Actor};
use larder_domain::grants::is_approved;
use larder_domain::ids::Digest;
use larder_domain::manifest::Manifest;
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::Interface;
use larder_domain::ports::store::{CheckOutcome, RevisionChanged, UploadOutcome};
use larder_domain::provider::{Version, VersionState};
use larder_domain::work::{Lease, Subject, WorkKind};
use larder_domain::{Addon, AddonId, AddonState, ProviderName};
use serde_json::json;

use super::{grants, revision};
use crate::sql::audit;
use crate::sql::database::Conn;
use crate::sql::error::{Failure, Result, Stop};
use crate::sql::rows::Columns;
use crate::sql::tx::{Tx, find, list};
use crate::sql::work::plan;

macro_rules! select_versions {
    () => {
        "SELECT digest, state, size_bytes, uploaded_at, manifest, exports, refusal_code, refusal_message FROM version WHERE provider = ?"
    };
}

/// A provider's versions, the newest first.
pub(super) fn all(conn: &Conn, provider: &ProviderName) -> Result<Vec<Version>> {
    list(conn, concat!(select_versions!(), " ORDER BY id DESC"), [provider.as_str()], read)
}

fn one(tx: &Tx<'_>, provider: &ProviderName, digest: Digest) -> Result<Option<Version>> {
    find(tx.conn, concat!(select_versions!(), " AND digest = ?"), (provider.as_str(), &digest.0), read)
}

fn read(row: &mut Columns<'_>) -> Result<Version> {
    let digest = Digest(row.take()?);
    let state = row.named("a version's state", VersionState::from_name)?;
    let (size_bytes, uploaded_at) = (row.take()?, row.wall()?);
    let manifest: Option<String> = row.take()?;
    let manifest = manifest.map(|text| serde_json::from_str::<Manifest>(&text)).transpose();
    let manifest = manifest.map_err(|_| Failure::corrupt(format!("the manifest of version {digest}")))?;
    let exports: String = row.take()?;
    let exports = serde_json::from_str(&exports).map_err(|_| Failure::corrupt("a version's exports"))?;
    let refusal = row.take::<Option<String>>()?.zip(row.take::<Option<String>>()?);
    Ok(Version { digest, state, size_bytes, uploaded_at, manifest, exports, refusal })
}

pub(super) fn upload(tx: &mut Tx<'_>, provider: &ProviderName, digest: Digest, wasm: &[u8]) -> Result<UploadOutcome> {
    let Some(known) = one(tx, provider, digest)? else {
        let version = insert(tx, provider, digest, wasm)?;
        check(tx, provider, digest)?;
        return Ok(UploadOutcome::New(version));
    };
    if known.state != VersionState::Refused {
        return Ok(UploadOutcome::Known(known));
    }
    let again = Version { state: VersionState::Checking, refusal: None, ..known };
    update(tx, provider, &again)?;
    check(tx, provider, digest)?;
    Ok(UploadOutcome::Known(again))
}

fn insert(tx: &Tx<'_>, provider: &ProviderName, digest: Digest, wasm: &[u8]) -> Result<Version> {
    let (state, size_bytes) = (VersionState::Checking, wasm.len() as u64);
    // Revisions begin with the time, so that one of a provider that was removed is none of its successor's.
    tx.write(
        "INSERT INTO provider (name, component_kind, revision) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (provider.as_str(), ComponentKind::Provider.as_str(), tx.wall.0),
    )?;
    tx.write("INSERT INTO component (digest, wasm) VALUES (?, ?) ON CONFLICT DO NOTHING", (&digest.0, wasm))?;
    tx.write(
        "INSERT INTO version (provider, digest, state, size_bytes, uploaded_at) VALUES (?, ?, ?, ?, ?)",
        (provider.as_str(), &digest.0, state.as_str(), size_bytes, tx.wall.0),
    )?;
    Ok(Version { digest, state, size_bytes, uploaded_at: tx.wall, manifest: None, exports: vec![], refusal: None })
}

/// Makes a version's check due.
fn check(tx: &mut Tx<'_>, provider: &ProviderName, digest: Digest) -> Result<()> {
    audit::note(tx, Actor::Admin, Action::Uploaded, provider, &json!({ "digest": digest.to_string() }))?;
    plan::wish(tx, WorkKind::CheckVersion, &Subject::Version(provider.clone(), digest), provider, tx.now)
}

pub(super) fn finish_check(
    tx: &mut Tx<'_>,
    lease: &Lease,
    provider: &ProviderName,
    digest: Digest,
    outcome: &CheckOutcome,
) -> Result<()> {
    let subject = Subject::Version(provider.clone(), digest);
    plan::check_lease(tx, lease, &subject)?;
    let checked = one(tx, provider, digest)?.ok_or(StoreError::Missing("version"))?;
    let named = json!({ "digest": digest.to_string() });
    match outcome {
        CheckOutcome::Accepted { manifest, exports } => {
            audit::note(tx, Actor::Host, Action::Accepted, provider, &named)?;
            let (state, manifest) = (VersionState::WaitingForApproval, Some(manifest.clone()));
            let waiting = Version { state, manifest, exports: exports.clone(), ..checked };
            update(tx, provider, &waiting)?;
            if may_serve(tx, provider, &waiting)? {
                make_active(tx, Actor::Host, provider, waiting)?;
            }
        }
        CheckOutcome::Refused { code, message } => {
            let refusal = Some((code.clone(), message.clone()));
            update(tx, provider, &Version { state: VersionState::Refused, refusal, ..checked })?;
            let data = json!({ "digest": digest.to_string(), "code": code });
            audit::note(tx, Actor::Host, Action::Refused, provider, &data)?;
        }
    }
    plan::rest(tx, lease.kind, &subject)
}

pub(super) fn activate(
    tx: &mut Tx<'_>,
    provider: &ProviderName,
    digest: Digest,
    manifest: &Manifest,
    described_at: u64,
) -> Result<bool, Stop<RevisionChanged>> {
    revision::check(tx, provider, described_at)?;
    let Some(version) = one(tx, provider, digest)? else { return Ok(false) };
    let version = Version { manifest: Some(manifest.clone()), ..version };
    let can_serve = may_serve(tx, provider, &version)?;
    if can_serve {
        make_active(tx, Actor::Admin, provider, version)?;
    }
    Ok(can_serve)
}

/// Whether a version was accepted, and all that it requires was granted.
pub(super) fn may_serve(tx: &Tx<'_>, provider: &ProviderName, version: &Version) -> Result<bool> {
    let granted = grants::all(tx.conn, provider)?;
    let is_accepted = !matches!(version.state, VersionState::Checking | VersionState::Refused);
    Ok(is_accepted && version.manifest.as_ref().is_some_and(|manifest| is_approved(manifest, &granted)))
}

pub(super) fn make_active(tx: &mut Tx<'_>, by: Actor, provider: &ProviderName, version: Version) -> Result<()> {
    deactivate(tx, provider)?;
    audit::note(tx, by, Action::Activated, provider, &json!({ "digest": version.digest.to_string() }))?;
    if version.exports.contains(&Interface::Health) {
        let_health_be_checked(tx, provider)?;
    }
    update(tx, provider, &Version { state: VersionState::Active, ..version })
}

/// From now on the provider can say how its addons do, also those that it made before. (A version that can't say any more says
/// so when it is asked.)
fn let_health_be_checked(tx: &mut Tx<'_>, provider: &ProviderName) -> Result<()> {
    let sql = "SELECT id, state FROM addon JOIN addon_detail ON addon = id
               WHERE provider = ? AND live AND health_every_ms IS NULL AND provision_type <> 'shared'";
    let unasked = list(tx.conn, sql, [provider.as_str()], |row| {
        Ok((AddonId(row.uuid()?), row.named("an addon's state", AddonState::from_name)?))
    })?;
    for (id, state) in unasked {
        tx.memory.ahead.forget(id);
        let sql = "UPDATE addon SET health_every_ms = ? WHERE id = ?";
        tx.write(sql, (Addon::HEALTH_EVERY_MS, id.0.as_bytes()))?;
        if state == AddonState::Ready {
            plan::poke(tx, WorkKind::Addon, &Subject::Addon(id), Some(provider))?;
        }
    }
    Ok(())
}

fn deactivate(tx: &Tx<'_>, provider: &ProviderName) -> Result<()> {
    tx.write("UPDATE version SET state = 'inactive' WHERE provider = ? AND state = 'active'", [provider.as_str()])?;
    Ok(())
}

fn update(tx: &Tx<'_>, provider: &ProviderName, version: &Version) -> Result<()> {
    let manifest = version.manifest.as_ref().map(serde_json::to_string).transpose();
    let manifest = manifest.map_err(|_| Failure::corrupt("a manifest that is no JSON"))?;
    let exports = serde_json::to_string(&version.exports).map_err(|_| Failure::corrupt("exports that are no JSON"))?;
    let (code, message) = version.refusal.as_ref().map(|(code, message)| (code, message)).unzip();
    tx.write(
        "UPDATE version SET state = ?, manifest = ?, exports = ?, refusal_code = ?, refusal_message = ? WHERE provider = ? AND digest = ?",
        (version.state.as_str(), manifest, exports, code, message, provider.as_str(), &version.digest.0),
    )?;
    Ok(())
}

/// Removes all versions of a provider, with their checks, and the components that nobody else has.
pub(super) fn remove_all(tx: &mut Tx<'_>, provider: &ProviderName) -> Result<()> {
    let digests = list(tx.conn, "SELECT digest FROM version WHERE provider = ?", [provider.as_str()], |row| {
        row.take().map(Digest)
    })?;
    tx.write("DELETE FROM version WHERE provider = ?", [provider.as_str()])?;
    for digest in digests {
        plan::rest(tx, WorkKind::CheckVersion, &Subject::Version(provider.clone(), digest))?;
        tx.write(
            "DELETE FROM component WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM version WHERE digest = ?1)",
            [&digest.0],
        )?;
    }
    Ok(())
}
