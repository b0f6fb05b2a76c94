//! The guest `caller`, which goes where it is told, with grants for just that.

use std::sync::Arc;
use std::time::Duration;

use larder_domain::Digest;
use larder_domain::failure::GuestFailure;
use larder_domain::network::{Destinations, Policy};
use larder_domain::ports::{Call, CallReport, Export, ProviderRuntime, Reply};
use larder_sandbox::{Compile, Roots, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::built::guest;
use crate::host::{call, load_wasm, sandbox};

pub(crate) struct Caller {
    sandbox: Sandbox,
    digest: Digest,
}

/// Compiled once for all tests that trust nobody.
static SHARED: OnceCell<Caller> = OnceCell::const_new();

impl Caller {
    pub(crate) async fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::load(sandbox())).await
    }

    /// In a sandbox that also trusts these authorities.
    pub(crate) async fn trusting(roots: Roots) -> Self {
        Self::load(Sandbox::new(SandboxConfig { roots, ..SandboxConfig::compiling(Compile::Here) }).unwrap()).await
    }

    async fn load(sandbox: Sandbox) -> Self {
        Self { digest: load_wasm(&sandbox, guest("caller")).await, sandbox }
    }

    pub(crate) async fn does<G: AsRef<str>>(&self, way: Value, grants: &[G]) -> CallReport {
        self.goes(&[way], grants).await
    }

    pub(crate) async fn goes<G: AsRef<str>>(&self, ways: &[Value], grants: &[G]) -> CallReport {
        self.calls(self.call(ways, grants)).await
    }

    /// Makes the call; whatever becomes of it, one that goes nowhere works beside it.
    pub(crate) async fn calls(&self, call: Call) -> CallReport {
        let neighbour = self.call(&[], &[] as &[&str]);
        let (report, neighbour) = tokio::join!(self.sandbox.call(call), self.sandbox.call(neighbour));
        assert_eq!(said(&neighbour), "stayed at home");
        report
    }

    /// A call to be changed before it is made.
    pub(crate) fn call<G: AsRef<str>>(&self, ways: &[Value], grants: &[G]) -> Call {
        let list = Destinations::new(grants.iter().map(|grant| grant.as_ref().parse().unwrap()).collect());
        let mut call = call(self.digest, Export::BeginProvision);
        let mut addon = (*call.addon).clone();
        addon.parameters = json!({ "go": ways }).into();
        call.addon = Arc::new(addon);
        call.network = Arc::new(Policy::new(list.clone(), list));
        call.limits.wall = Duration::from_secs(20);
        call.limits.memory_bytes = 16 << 20;
        // Handshakes are long in a host that is not optimised.
        call.limits.cpu = Duration::from_secs(5);
        call
    }
}

pub(crate) fn said(report: &CallReport) -> &str {
    match &report.outcome {
        Ok(Ok(Reply::Begun(message))) => message,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failed(report: &CallReport) -> &str {
    match &report.outcome {
        Ok(Err(GuestFailure::Failed(reason))) => reason,
        other => panic!("{other:?}"),
    }
}
