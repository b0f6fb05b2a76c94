//! The contract in `wit/` as Rust types. This is the only place where code is generated from it, and the only one that
//! names generated paths: when a second version of the contract comes, it is bound here beside the first.

pub(crate) use generated::larder::host::{addon, docker, log, secrets, state, tls};
pub(crate) use generated::larder::provider::types as provider;

/// How a function of `larder:host/state` fails: with an error that the guest may handle, or with a trap.
pub(crate) type StateFailure = wasmtime_wasi::TrappableError<state::Error>;
/// The same for `larder:host/secrets`.
pub(crate) type SecretsFailure = wasmtime_wasi::TrappableError<secrets::Error>;

/// The same for `larder:host/docker`.
pub(crate) type DockerFailure = wasmtime_wasi::TrappableError<docker::Error>;

/// The same for `larder:host/tls`.
pub(crate) type TlsFailure = wasmtime_wasi::TrappableError<tls::Error>;

/// The resource `addon`. A store is about one addon, so its handles need no number.
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub struct TheAddon;

/// The variant `status` of `larder:provider/health`, which stands in no import and so in no generated code.
#[derive(Debug, wasmtime::component::ComponentType, wasmtime::component::Lift)]
#[component(variant)]
pub(crate) enum HealthStatus {
    #[component(name = "healthy")]
    Healthy,
    #[component(name = "unhealthy")]
    Unhealthy(String),
}

mod generated {
    wasmtime::component::bindgen!({
        path: ["../../wit/host", "../../wit/provider"],
        world: "larder:provider/provider",
        imports: {
            "larder:host/docker": async | trappable,
            "larder:host/state": async | trappable,
            "larder:host/tls": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "larder:host/addon.addon": super::TheAddon,
            "larder:host/tls.connection": crate::capability::tls::Connection,
        },
        trappable_error_type: {
            "larder:host/docker.error" => super::DockerFailure,
            "larder:host/state.error" => super::StateFailure,
            "larder:host/secrets.error" => super::SecretsFailure,
            "larder:host/tls.error" => super::TlsFailure,
        },
    });
}
