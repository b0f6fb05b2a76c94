//! `wasi:sockets/ip-name-lookup`: names that are granted, looked up by the host. The engine's own would ask nobody.

use async_trait::async_trait;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::Closed;
use crate::data::CallData;

/// The interface, as the engine's WASI names it.
const INTERFACE: &str = "wasi:sockets/ip-name-lookup@0.2.12";

/// The addresses of a name, of which the guest takes one after the other. They are all there when it gets this.
struct Addresses(std::vec::IntoIter<IpAddress>);

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {}
}

type Store<'a> = StoreContextMut<'a, CallData>;

/// Puts these look-ups in the place of the engine's.
pub(crate) fn look_up_by_the_host(linker: &mut Linker<CallData>) -> Result<()> {
    let mut names = linker.instance(INTERFACE)?;
    names.resource("resolve-address-stream", ResourceType::host::<Addresses>(), |mut store, rep| {
        store.data_mut().ctx().table.delete(Resource::<Addresses>::new_own(rep))?;
        Ok(())
    })?;
    names.func_wrap_async(
        "resolve-addresses",
        |mut store: Store<'_>, (network, name): (Resource<Network>, String)| {
            Box::new(async move {
                // The right to ask is the network's, so it must be there.
                store.data_mut().ctx().table.get(&network)?;
                let gate = store.data().gate.clone();
                let found = match gate.look_up(&name).await {
                    Ok(found) => found,
                    Err(closed) => return Ok((Err(code(&closed)),)),
                };
                let found: Vec<IpAddress> = found.into_iter().map(Into::into).collect();
                Ok((Ok(store.data_mut().ctx().table.push(Addresses(found.into_iter()))?),))
            })
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: Store<'_>, (stream,): (Resource<Addresses>,)| {
            let next = store.data_mut().ctx().table.get_mut(&stream)?.0.next();
            Ok((Ok::<Option<IpAddress>, ErrorCode>(next),))
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: Store<'_>, (stream,): (Resource<Addresses>,)| -> Result<(Resource<DynPollable>,)> {
            Ok((subscribe(store.data_mut().ctx().table, stream)?,))
        },
    )?;
    Ok(())
}

const fn code(closed: &Closed) -> ErrorCode {
    match closed {
        Closed::Denied | Closed::AddressDenied => ErrorCode::AccessDenied,
        Closed::TooMany => ErrorCode::NewSocketLimit,
        Closed::TimedOut => ErrorCode::TemporaryResolverFailure,
        Closed::Unknown | Closed::Failed(_) => ErrorCode::NameUnresolvable,
    }
}
