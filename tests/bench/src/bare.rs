//! The same component in bare wasmtime: the sandbox's engine settings, its pool and a WASI linker, and none of its limits.

use anyhow::Result;
use larder_sandbox::{Compile, SandboxConfig, bare_engine_config};
use wasmtime::component::{Component, InstancePre, Linker, Resource, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

mod generated {
    wasmtime::component::bindgen!({
        path: ["../../wit/host", "../../wit/provider"],
        world: "larder:provider/provider",
        exports: { default: async },
        with: { "larder:host/addon.addon": super::Nobody, "larder:host/tls.connection": super::Nobody },
    });
}

use generated::larder::host::{addon, docker, log, secrets, state, tls};
use generated::larder::provider::types;
use generated::{Provider, ProviderPre};

/// An addon of which nothing is known, or a connection to nowhere.
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub struct Nobody;

/// What a store holds: WASI without limits.
struct Data {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl addon::Host for Data {}

impl addon::HostAddon for Data {
    fn id(&mut self, _: Resource<Nobody>) -> String {
        String::new()
    }
    fn name(&mut self, _: Resource<Nobody>) -> String {
        String::new()
    }
    fn app(&mut self, _: Resource<Nobody>) -> Option<String> {
        None
    }
    fn service(&mut self, _: Resource<Nobody>) -> String {
        String::new()
    }
    fn plan(&mut self, _: Resource<Nobody>) -> String {
        String::new()
    }
    fn provision_type(&mut self, _: Resource<Nobody>) -> addon::ProvisionType {
        addon::ProvisionType::Independent
    }
    fn role(&mut self, _: Resource<Nobody>) -> addon::Role {
        addon::Role::User
    }
    fn parameters_json(&mut self, _: Resource<Nobody>) -> String {
        "{}".into()
    }
    fn generation(&mut self, _: Resource<Nobody>) -> u32 {
        0
    }
    fn previous_plan(&mut self, _: Resource<Nobody>) -> Option<String> {
        None
    }
    fn previous_parameters_json(&mut self, _: Resource<Nobody>) -> Option<String> {
        None
    }
    fn server_config(&mut self, _: Resource<Nobody>) -> Vec<addon::ServerEntry> {
        vec![]
    }
    fn drop(&mut self, _: Resource<Nobody>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl log::Host for Data {
    fn write(&mut self, _: log::Level, _: String) {}
}

impl secrets::Host for Data {
    fn password(&mut self, _: String, _: u32, length: u32) -> Result<String, secrets::Error> {
        Ok("x".repeat(length as usize))
    }
    fn options_json(&mut self) -> String {
        "{}".into()
    }
}

impl docker::Host for Data {
    fn ensure(&mut self, _: String) -> Result<(), docker::Error> {
        Err(docker::Error::Superseded)
    }
    fn remove(&mut self, _: String) -> Result<(), docker::Error> {
        Err(docker::Error::Superseded)
    }
    fn inspect(&mut self, _: String) -> Result<String, docker::Error> {
        Err(docker::Error::Superseded)
    }
    fn for_app(&mut self, _: docker::Place) -> Result<docker::Place, docker::Error> {
        Err(docker::Error::Superseded)
    }
    fn exec(&mut self, _: String, _: String, _: Vec<u8>) -> Result<docker::ExecOutput, docker::Error> {
        Err(docker::Error::Superseded)
    }
}

impl state::Host for Data {
    fn get(&mut self, _: String) -> Result<Option<Vec<u8>>, state::Error> {
        Ok(None)
    }
    fn set(&mut self, _: String, _: Vec<u8>) -> Result<(), state::Error> {
        Ok(())
    }
    fn delete(&mut self, _: String) -> Result<(), state::Error> {
        Ok(())
    }
    fn keys(&mut self) -> Result<Vec<String>, state::Error> {
        Ok(vec![])
    }
    fn checkpoint(&mut self) -> Result<(), state::Error> {
        Ok(())
    }
}

impl tls::Host for Data {}

impl tls::HostConnection for Data {
    fn connect(&mut self, _: String, _: u16) -> Result<Resource<Nobody>, tls::Error> {
        Err(tls::Error::Denied)
    }
    fn set_deadline(&mut self, _: Resource<Nobody>, _: u32) {}
    fn start_tls(&mut self, _: Resource<Nobody>) -> Result<(), tls::Error> {
        Err(tls::Error::Denied)
    }
    fn read(&mut self, _: Resource<Nobody>, _: u32) -> Result<Vec<u8>, tls::Error> {
        Err(tls::Error::Denied)
    }
    fn write(&mut self, _: Resource<Nobody>, _: Vec<u8>) -> Result<(), tls::Error> {
        Err(tls::Error::Denied)
    }
    fn drop(&mut self, _: Resource<Nobody>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl types::Host for Data {}

/// A component that can be called.
pub(crate) struct Bare {
    engine: Engine,
    pre: ProviderPre<Data>,
}

impl Bare {
    /// Compiles and links.
    pub(crate) fn new(wasm: &[u8]) -> Result<Self> {
        let engine = Engine::new(&bare_engine_config(&SandboxConfig::compiling(Compile::Here)))?;
        let mut linker: Linker<Data> = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        Provider::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |data| data)?;
        let pre: InstancePre<Data> = linker.instantiate_pre(&Component::new(&engine, wasm)?)?;
        Ok(Self { engine, pre: ProviderPre::new(pre)? })
    }

    /// A fresh store and instance, one call of `provision-complete`, and the end of both.
    pub(crate) async fn provision_complete(&self) -> Result<()> {
        let data = Data { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, data);
        let provider = self.pre.instantiate_async(&mut store).await?;
        let lifecycle = provider.larder_provider_lifecycle();
        let answer = lifecycle.call_provision_complete(&mut store, Resource::new_borrow(0)).await?;
        anyhow::ensure!(answer.is_ok(), "the guest failed");
        Ok(())
    }
}
