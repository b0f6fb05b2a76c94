//! What a store holds: one field for each capability, made anew for every call.

use std::sync::Arc;

use larder_domain::limits::CallLimits;
use larder_domain::ports::Call;
use larder_domain::secret::SecretString;

use crate::capability::addon::AddonFacts;
use crate::capability::log::CallLog;
use crate::capability::secrets::CallSecrets;
use crate::capability::state::StateOverlay;
use crate::capability::wasi::EmptyWasi;
use crate::memory::{HostMemory, MemoryBudget};

/// The data of a store.
pub(crate) struct CallData {
    pub(crate) limits: CallLimits,
    pub(crate) memory: MemoryBudget,
    pub(crate) addon: AddonFacts,
    pub(crate) log: CallLog,
    pub(crate) secrets: CallSecrets,
    pub(crate) state: StateOverlay,
    pub(crate) wasi: EmptyWasi,
}

impl CallData {
    /// For a call about an addon.
    pub(crate) fn for_addon(call: Call, memory: Arc<HostMemory>) -> Self {
        Self::new(
            call.limits,
            memory,
            AddonFacts::of(call.addon, call.server_config),
            CallSecrets::of(call.seed, call.options),
            StateOverlay::over(call.context, call.state),
        )
    }

    /// For `describe`, which is about no addon.
    pub(crate) fn for_describe(options: SecretString, limits: CallLimits, memory: Arc<HostMemory>) -> Self {
        Self::new(limits, memory, AddonFacts::none(), CallSecrets::of_no_addon(options), StateOverlay::of_no_addon())
    }

    fn new(
        limits: CallLimits,
        memory: Arc<HostMemory>,
        addon: AddonFacts,
        secrets: CallSecrets,
        state: StateOverlay,
    ) -> Self {
        let log = CallLog::new(limits.log_bytes);
        let wasi = EmptyWasi::new(log.clone(), &limits);
        Self { limits, memory: MemoryBudget::new(limits.memory_bytes, memory), addon, log, secrets, state, wasi }
    }
}
