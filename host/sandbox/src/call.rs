//! One call: a fresh store and instance, the function, and what it leaves behind.
//!
//! Everything that the guest executes (start functions, `cabi_realloc`, the function itself, post-return) runs within
//! one metered future. When that has ended, by whatever cause, the store is taken apart for its log, its state and its
//! secrets, and is gone; it is never entered again.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_util::FutureExt;
use larder_domain::failure::{Fault, bounded_text};
use larder_domain::limits::{CallLimits, MANIFEST_BYTES_MAX};
use larder_domain::ports::runtime::LogLine;
use larder_domain::ports::{Call, CallReport, Export};
use larder_domain::secret::SecretString;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Lift, Lower, Resource};
use wasmtime::{Store, UpdateDeadline};

use crate::answer::{Answer, begun, checked, configured, described, progressed};
use crate::data::{CallData, Shared};
use crate::fault::{Circumstances, invalid_answer, panicked};
use crate::lease::{Lease, LeaseLost};
use crate::loaded::{AddonParam, Begun, Checked, Configured, DescribeParam, Described, Loaded, Optional, Progressed};
use crate::meter::{Ended, Metered, on_tick};

/// Makes a call about an addon.
pub(crate) async fn call(loaded: &Loaded, call: Call, shared: &Shared) -> CallReport {
    let export = call.export;
    let mut store = store(loaded, CallData::for_addon(call, shared));
    let (limits, lease) = (store.data().limits, store.data().lease.clone());
    let ended = metered(limits, lease, ask(&mut store, loaded, export)).await;
    let (cpu, wall) = (ended.cpu, ended.wall);
    let data = store.into_data();
    let (outcome, log) = settle(ended, &data);
    let state = if outcome.is_ok() { data.state.into_written() } else { None };
    let (mut denied, mut denials) = data.gate.take_denied();
    let (objects, objects_denied) = data.docker.into_parts();
    denials += objects_denied.len() as u64;
    denied.extend(objects_denied);
    let objects = objects.filter(|_| outcome.is_ok());
    CallReport { outcome, state, objects, log, denied, denials, issued: data.secrets.into_issued(), cpu, wall }
}

/// Asks a version for its manifest.
pub(crate) async fn describe(
    loaded: &Loaded,
    options: SecretString,
    limits: CallLimits,
    shared: &Shared,
) -> Result<Result<String, String>, Fault> {
    let param = (options.reveal().to_owned(),);
    let mut store = store(loaded, CallData::for_describe(options, limits, shared));
    let work = enter::<DescribeParam, Described>(&mut store, loaded, &loaded.describe, param);
    let ended = metered(limits, Lease::default(), work).await;
    match settle(ended, &store.into_data()).0? {
        (Ok(manifest),) if manifest.len() > MANIFEST_BYTES_MAX => {
            Err(invalid_answer(format!("the manifest has {} bytes; {MANIFEST_BYTES_MAX} are allowed", manifest.len())))
        }
        (answer,) => Ok(answer.map_err(bounded_text)),
    }
}

fn store(loaded: &Loaded, data: CallData) -> Store<CallData> {
    let limits = data.limits;
    let mut store = Store::new(loaded.pre.engine(), data);
    store.limiter(|data| &mut data.memory);
    store.set_hostcall_fuel(limits.hostcall_bytes);
    store.set_max_component_handles(limits.handles);
    store.epoch_deadline_callback(|_| -> wasmtime::Result<UpdateDeadline> { on_tick() });
    store.set_epoch_deadline(1);
    // A turn may last a tick, and the process be stopped in the middle of it.
    let lease = store.data().lease.clone();
    if lease.can_be_lost() {
        store.call_hook(move |_, hook| match hook.entering_host() && !lease.is_held() {
            true => Err(LeaseLost.into()),
            false => Ok(()),
        });
    }
    store
}

async fn ask(store: &mut Store<CallData>, loaded: &Loaded, export: Export) -> wasmtime::Result<Answer> {
    // The addon is not in a table: a store is about one, and its getters look at no number.
    let addon = (Resource::new_borrow(0),);
    Ok(match export {
        Export::BeginProvision => {
            begun(enter::<AddonParam, Begun>(store, loaded, &loaded.begin_provision, addon).await?.0)
        }
        Export::ProvisionComplete => {
            progressed(enter::<AddonParam, Progressed>(store, loaded, &loaded.provision_complete, addon).await?.0)
        }
        Export::GetConfig => {
            configured(enter::<AddonParam, Configured>(store, loaded, &loaded.get_config, addon).await?.0)
        }
        Export::Deprovision => {
            progressed(enter::<AddonParam, Progressed>(store, loaded, &loaded.deprovision, addon).await?.0)
        }
        Export::BeginUpdate | Export::BeginRotation => {
            begun(enter::<AddonParam, Begun>(store, loaded, optional(loaded, export)?, addon).await?.0)
        }
        Export::EndRotation => {
            progressed(enter::<AddonParam, Progressed>(store, loaded, optional(loaded, export)?, addon).await?.0)
        }
        Export::BeginExport | Export::BeginImport => {
            described(enter::<AddonParam, Begun>(store, loaded, optional(loaded, export)?, addon).await?.0)
        }
        Export::CheckHealth => {
            checked(enter::<AddonParam, Checked>(store, loaded, optional(loaded, export)?, addon).await?.0)
        }
    })
}

/// A function that not every provider has. Who calls knows which ones this one has.
fn optional(loaded: &Loaded, export: Export) -> wasmtime::Result<&ComponentExportIndex> {
    let Optional { begin_update, begin_rotation, end_rotation, begin_export, begin_import, check_health } =
        &loaded.optional;
    let found = match export {
        Export::BeginUpdate => begin_update,
        Export::BeginRotation => begin_rotation,
        Export::EndRotation => end_rotation,
        Export::BeginExport => begin_export,
        Export::BeginImport => begin_import,
        Export::CheckHealth => check_health,
        Export::BeginProvision | Export::ProvisionComplete | Export::GetConfig | Export::Deprovision => &None,
    };
    found.as_ref().ok_or_else(|| wasmtime::format_err!("the provider does not export {export}"))
}

async fn enter<Params, Return>(
    store: &mut Store<CallData>,
    loaded: &Loaded,
    function: &ComponentExportIndex,
    params: Params,
) -> wasmtime::Result<Return>
where
    Params: ComponentNamedList + Lower + Send + Sync + 'static,
    Return: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let instance = loaded.pre.instantiate_async(&mut *store).await?;
    let function = instance.get_typed_func::<Params, Return>(&mut *store, function)?;
    function.call_async(store, params).await
}

/// Work that may also panic, in code of the host's own.
type Worked<T> = Result<wasmtime::Result<T>, Box<dyn Any + Send>>;

async fn metered<T>(
    limits: CallLimits,
    lease: Lease,
    work: impl Future<Output = wasmtime::Result<T>>,
) -> Ended<Worked<T>> {
    let work = pin!(AssertUnwindSafe(work).catch_unwind());
    Metered::new(work, limits, lease).await
}

/// The guest's answer, or what broke down; and its log.
fn settle<T>(ended: Ended<Worked<T>>, data: &CallData) -> (Result<T, Fault>, Vec<LogLine>) {
    let log = data.log.take();
    let circumstances = Circumstances {
        limits: data.limits,
        cpu: ended.cpu,
        wall: ended.wall,
        memory_refused: data.memory.refused(),
        log: &log,
    };
    let outcome = match ended.outcome {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(circumstances.error(&error)),
        Ok(Err(panic)) => Err(panicked(panic.as_ref())),
        Err(over) => Err(circumstances.over(over)),
    };
    (outcome, log)
}
