//! What a store holds: one field for each capability, made anew for every call.

use std::sync::Arc;

use larder_domain::limits::{CallLimits, LogAllowance};
use larder_domain::network::Policy;
use larder_domain::ports::Call;
use larder_domain::secret::SecretString;

use crate::capability::addon::AddonFacts;
use crate::capability::docker::DockerOverlay;
use crate::capability::log::CallLog;
use crate::capability::network::{Gate, Network};
use crate::capability::secrets::CallSecrets;
use crate::capability::state::StateOverlay;
use crate::capability::tls::Tls;
use crate::capability::wasi::EmptyWasi;
use crate::lease::Lease;
use crate::memory::{HostMemory, MemoryBudget};

/// What the calls of a sandbox share.
pub(crate) struct Shared {
    pub(crate) memory: Arc<HostMemory>,
    pub(crate) network: Arc<Network>,
    pub(crate) tls: Arc<Tls>,
}

/// What a call is about.
struct About {
    lease: Lease,
    addon: AddonFacts,
    secrets: CallSecrets,
    state: StateOverlay,
    docker: DockerOverlay,
}

/// The data of a store.
pub(crate) struct CallData {
    pub(crate) lease: Lease,
    pub(crate) limits: CallLimits,
    pub(crate) memory: MemoryBudget,
    pub(crate) addon: AddonFacts,
    pub(crate) log: CallLog,
    pub(crate) secrets: CallSecrets,
    pub(crate) state: StateOverlay,
    pub(crate) docker: DockerOverlay,
    pub(crate) gate: Gate,
    pub(crate) tls: Arc<Tls>,
    pub(crate) wasi: EmptyWasi,
}

impl CallData {
    /// For a call about an addon.
    pub(crate) fn for_addon(call: Call, shared: &Shared) -> Self {
        let about = About {
            lease: Lease::of(&call.context),
            addon: AddonFacts::of(call.addon, call.generation, call.previous, call.server_config),
            secrets: CallSecrets::of(call.seed, call.options),
            state: StateOverlay::over(Arc::clone(&call.context), call.state),
            docker: DockerOverlay::over(call.context, call.docker, call.objects),
        };
        Self::new(call.limits, shared, call.network, call.log, about)
    }

    /// For `describe`, which is about no addon.
    pub(crate) fn for_describe(options: SecretString, limits: CallLimits, shared: &Shared) -> Self {
        let about = About {
            lease: Lease::default(),
            addon: AddonFacts::none(),
            secrets: CallSecrets::of_no_addon(options),
            state: StateOverlay::of_no_addon(),
            docker: DockerOverlay::of_no_addon(),
        };
        Self::new(limits, shared, Arc::default(), Arc::default(), about)
    }

    fn new(limits: CallLimits, shared: &Shared, network: Arc<Policy>, log: Arc<LogAllowance>, about: About) -> Self {
        let About { lease, addon, secrets, state, docker } = about;
        let memory = MemoryBudget::new(&limits, Arc::clone(&shared.memory));
        let log = CallLog::new(limits.log_bytes, log);
        let gate = Gate::new(Arc::clone(&shared.network), network, memory.clone(), lease.clone());
        let tls = Arc::clone(&shared.tls);
        let wasi = EmptyWasi::new(log.clone(), gate.clone(), Arc::clone(&tls), &limits);
        Self { lease, limits, memory, addon, log, secrets, state, docker, gate, tls, wasi }
    }
}
