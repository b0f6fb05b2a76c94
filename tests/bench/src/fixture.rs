//! Components and calls that several measurements use.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use larder_domain::addon::{AddonSpec, DeclaredVariables};
use larder_domain::limits::CallLimits;
use larder_domain::ports::runtime::{Call, CallContext, ContextError, Export, GuestState};
use larder_domain::secret::Seed;
use larder_domain::{AddonId, ComponentKind, Digest, ProvisionType, Role, SecretString, WallTime};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The bytes of a guest that was built before.
pub(crate) fn guest(name: &str) -> Result<Vec<u8>> {
    let folder = std::env::var_os("LARDER_GUESTS").context("LARDER_GUESTS is not set: run `cargo xtask bench`")?;
    let path = PathBuf::from(folder).join(format!("{name}.wasm"));
    fs::read(&path).with_context(|| format!("{} can't be read: run `cargo xtask bench`", path.display()))
}

/// A component's identity.
pub(crate) fn digest(wasm: &[u8]) -> Digest {
    Digest(Sha256::digest(wasm).into())
}

/// What an addon of this service would be asked for with.
pub(crate) fn spec(service: &str, parameters: Value) -> Result<AddonSpec> {
    Ok(AddonSpec {
        id: AddonId::generate(),
        kind: ComponentKind::Provider,
        app: Some("bench".parse()?),
        name: service.parse()?,
        provider: service.parse()?,
        service: service.parse()?,
        plan: "default".parse()?,
        provision_type: ProvisionType::Independent,
        role: Role::User,
        attach_as: None,
        parameters: parameters.into(),
        variables: DeclaredVariables::Names(vec![]),
        protected: false,
        external_id: None,
        parent: None,
        created_at: WallTime::default(),
    })
}

/// A call with the limits that a host has by default.
pub(crate) fn call(digest: Digest, export: Export, addon: Arc<AddonSpec>) -> Call {
    Call {
        digest,
        export,
        addon,
        generation: 0,
        previous: None,
        server_config: vec![],
        seed: Seed([7; 32]),
        options: SecretString::new("{}"),
        state: None,
        limits: CallLimits::default(),
        log: Arc::default(),
        network: Arc::default(),
        docker: Arc::default(),
        objects: None,
        context: Arc::new(NoState),
    }
}

/// An addon that has no state yet.
struct NoState;

#[async_trait]
impl CallContext for NoState {
    async fn load_state(&self) -> Result<GuestState, ContextError> {
        Ok(GuestState::new())
    }

    async fn checkpoint(&self, _state: &GuestState) -> Result<(), ContextError> {
        Ok(())
    }
}
