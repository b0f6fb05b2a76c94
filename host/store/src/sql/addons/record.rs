//! Whole addons: inserted once, read with their sealed parts still closed. Opening is left to whoever asked, on their own
//! thread, since the writer's time is everybody's.

use std::sync::Arc;

use larder_domain::addon::{ComponentKind, DeclaredVariables, ProvisionType, Role};
use larder_domain::operation::PlanAndParameters;
use larder_domain::ports::runtime::GuestState;
use larder_domain::ports::{Sealer, Storage, StoreError};
use larder_domain::secret::SecretJson;
use larder_domain::secret::{SecretString, Seed};
use larder_domain::{AddonId, AddonRecord, AddonSpec, AppName, EngineName, PlanName, WallTime};
use uuid::Uuid;

use super::progress::{Phase, Progress, bind_progress, progress_columns};
use crate::sql::database::Conn;
use crate::sql::error::{Failure, Result};
use crate::sql::rows::Columns;
use crate::sql::tx::{Tx, find, find_each};
use crate::{codec, places};

/// An addon as it was read: its spec's parameters are still sealed beside it.
#[derive(Debug)]
pub(in crate::sql) struct SealedRecord {
    /// Without parameters.
    spec: AddonSpec,
    parameters: Vec<u8>,
    seed: Vec<u8>,
    issued: Option<Vec<u8>>,
    state: SealedState,
    engine: Option<EngineName>,
    /// What an update that is under way is to make of it.
    change: Option<(PlanName, Vec<u8>)>,
    pub(in crate::sql) progress: Progress,
    pub(in crate::sql) updated_at: WallTime,
}

/// A provider's state, as far as it was read along.
#[derive(Debug)]
enum SealedState {
    /// It is to be asked for.
    Unread,
    Empty,
    Sealed(Vec<u8>),
}

/// The longest sealed state that is read along with its addon, in bytes. What is longer would hold up everybody who writes, and many calls
/// don't look at it.
const STATE_ALONG_BYTES_MAX: usize = 4_096;

macro_rules! select_record {
    ($more:expr, $join:expr) => {
        concat!(
            "SELECT ",
            progress_columns!(),
            ", component_kind, name, service, plan, provision_type, role, attach_as, protected, external_id, parent, created_at, \
              updated_at, declared, parameters, seed, issued, engine, new_plan, new_parameters",
            $more,
            " FROM addon JOIN addon_detail ON addon_detail.addon = addon.id
              LEFT JOIN operation_detail ON operation_detail.addon = addon.id",
            $join,
            " WHERE addon.id = ?1"
        )
    };
}

const SELECT: &str = select_record!("", "");
const SELECT_FOR_CALL: &str = select_record!(
    ", coalesce(length(guest_state.value), 0) <= ?2, CASE WHEN length(guest_state.value) <= ?2 THEN guest_state.value END",
    " LEFT JOIN guest_state ON guest_state.addon = addon.id"
);

impl SealedRecord {
    pub(in crate::sql) fn load(conn: &Conn, id: AddonId) -> Result<Option<Self>> {
        find(conn, SELECT, [id.0.as_bytes()], Self::read)
    }

    /// Several at once, with their providers' state unless that is long. One that can't be read is alone in that.
    pub(in crate::sql) fn load_each_for_call(conn: &Conn, ids: &[AddonId]) -> Result<Vec<Result<Option<Self>>>> {
        let keys: Vec<_> = ids.iter().map(|id| (id.0.as_bytes(), STATE_ALONG_BYTES_MAX)).collect();
        match conn.attempt(|| find_each(conn, SELECT_FOR_CALL, &keys, |row| Ok(Self::read_for_call(row)))) {
            Ok(found) => Ok(found.into_iter().map(Option::transpose).collect()),
            Err(Failure(StoreError::Storage(Storage::Damaged))) => {
                Ok(ids.iter().map(|id| conn.attempt(|| Self::load(conn, *id))).collect())
            }
            Err(failure) => Err(failure),
        }
    }

    fn read_for_call(row: &mut Columns<'_>) -> Result<Self> {
        let record = Self::read(row)?;
        let (is_short, sealed): (bool, Option<Vec<u8>>) = (row.take()?, row.take()?);
        let state = match sealed {
            Some(sealed) => SealedState::Sealed(sealed),
            None if is_short => SealedState::Empty,
            None => SealedState::Unread,
        };
        Ok(Self { state, ..record })
    }

    fn read(row: &mut Columns<'_>) -> Result<Self> {
        let progress = Progress::read(row)?;
        let mut spec = AddonSpec {
            id: progress.addon.id,
            app: progress.app.clone(),
            provider: progress.provider.clone(),
            kind: row.named("a component's kind", ComponentKind::from_name)?,
            name: row.parsed("an addon's name")?,
            service: row.parsed("a service's name")?,
            plan: row.parsed("a plan's name")?,
            provision_type: row.named("a provision type", ProvisionType::from_name)?,
            role: row.named("a role", Role::from_name)?,
            attach_as: row.parsed_or_null("a prefix")?,
            protected: row.take()?,
            external_id: row.take()?,
            parent: row.take::<Option<_>>()?.map(|id| AddonId(Uuid::from_bytes(id))),
            created_at: row.wall()?,
            variables: DeclaredVariables::Names(vec![]),
            parameters: SecretJson::default(),
        };
        let updated_at = row.wall()?;
        let declared: String = row.take()?;
        spec.variables = serde_json::from_str(&declared).map_err(|_| Failure::corrupt("declared variables"))?;
        let (parameters, seed, issued) = (row.take()?, row.take()?, row.take()?);
        let engine = row.parsed_or_null("an engine's name")?;
        let change = row.parsed_or_null("a plan's name")?.zip(row.take()?);
        let state = SealedState::Unread;
        Ok(Self { spec, updated_at, parameters, seed, issued, state, engine, change, progress })
    }

    pub(super) const fn is_protected(&self) -> bool {
        self.spec.protected
    }

    /// Opens the root of its passwords.
    pub(in crate::sql) fn open_seed(&self, sealer: &dyn Sealer) -> Result<Seed, StoreError> {
        codec::decode_seed(&sealer.open(&places::seed(self.spec.id), &self.seed)?)
    }

    /// Opens the passwords that its provider was given so far.
    pub(in crate::sql) fn open_issued(&self, sealer: &dyn Sealer) -> Result<Vec<SecretString>, StoreError> {
        let Some(sealed) = &self.issued else { return Ok(vec![]) };
        codec::decode_secrets(&sealer.open(&places::issued(self.spec.id), sealed)?)
    }

    /// Opens its provider's state, if that was read along.
    pub(in crate::sql) fn open_state(&self, sealer: &dyn Sealer) -> Result<Option<GuestState>, StoreError> {
        match &self.state {
            SealedState::Unread => Ok(None),
            SealedState::Empty => Ok(Some(GuestState::new())),
            SealedState::Sealed(sealed) => {
                codec::decode_state(&sealer.open(&places::guest_state(self.spec.id), sealed)?).map(Some)
            }
        }
    }

    /// Opens the parameters.
    pub(in crate::sql) fn open(self, sealer: &dyn Sealer) -> Result<AddonRecord, StoreError> {
        let Self { mut spec, parameters, change, engine, progress, updated_at, .. } = self;
        let open = |sealed: &[u8]| {
            let plain = sealer.open(&places::parameters(spec.id), sealed)?;
            codec::decode_parameters(spec.id, &plain)
        };
        let change = match change {
            Some((plan, sealed)) => Some(PlanAndParameters { plan, parameters: open(&sealed)? }),
            None => None,
        };
        let parameters = open(&parameters)?;
        spec.parameters = parameters;
        Ok(AddonRecord { spec: Arc::new(spec), addon: progress.addon, change, engine, updated_at })
    }
}

/// What is sealed of a new addon.
pub(super) struct SealedParts {
    pub(super) parameters: Vec<u8>,
    pub(super) seed: Vec<u8>,
}

const INSERT: &str =
    "INSERT INTO addon (attached, entries, log_lines, log_bytes, updated_at, state, begin_intended, begun, message,
     percent, attempts, attempts_max, host_faults, waited_ms, limit_ms, since, expected_ms, cleanup, cleanup_attempts,
     cleanup_error, error_code, error_reason, delete_wanted, generation, operation, outdated, health, health_every_ms, id, app,
     name, provider, phase, live)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING";
const INSERT_DETAIL: &str =
    "INSERT INTO addon_detail (addon, component_kind, service, plan, provision_type, role, attach_as, protected, external_id,
     parent, created_at, declared, parameters, seed, engine) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Inserts a new addon. False if a live addon of its app has its name.
pub(super) fn insert(
    tx: &Tx<'_>,
    spec: &AddonSpec,
    engine: Option<&EngineName>,
    progress: &Progress,
    parts: &SealedParts,
) -> Result<bool> {
    let id = spec.id.0.as_bytes();
    let state = progress.addon.state;
    let mut row = tx.conn.prepare(INSERT)?;
    bind_progress(&mut row, progress, tx)?;
    row.put(id)?.put(spec.app.as_ref().map(AppName::as_str))?.put(spec.name.as_str())?.put(spec.provider.as_str())?;
    row.put(Phase::of(state) as u8)?.put(!state.is_terminal())?;
    if row.execute()? == 0 {
        return Ok(false);
    }
    let declared = serde_json::to_string(&spec.variables).map_err(|_| Failure::corrupt("declared variables"))?;
    let mut detail = tx.conn.prepare(INSERT_DETAIL)?;
    detail.put(id)?.put(spec.kind.as_str())?.put(spec.service.as_str())?.put(spec.plan.as_str())?;
    detail.put(spec.provision_type.as_str())?.put(spec.role.as_str())?;
    detail.put(spec.attach_as.clone().map(String::from))?.put(spec.protected)?.put(&spec.external_id)?;
    detail
        .put(spec.parent.map(|id| id.0.into_bytes()))?
        .put(tx.wall.0)?
        .put(declared)?
        .put(&parts.parameters)?
        .put(&parts.seed)?
        .put(engine.map(EngineName::as_str))?;
    detail.write()?;
    Ok(true)
}
