//! Joins what guests import to what the host offers. What is not listed here does not exist for them;
//! [`larder_inspect`] tells uploaders so by name and has a test that keeps both in step.

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi_http::p2::add_only_http_to_linker_async;

use crate::bindings::{addon, docker, log, provider, secrets, state, tls};
use crate::capability::{http, network, wasi};
use crate::data::CallData;

/// The linker of all guests.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallData>> {
    let mut linker = Linker::new(engine);
    let to = &mut linker;
    addon::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.addon)?;
    docker::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.docker)?;
    log::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.log)?;
    secrets::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.secrets)?;
    state::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.state)?;
    tls::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| data)?;
    provider::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| data)?;
    wasmtime_wasi::p2::add_to_linker_async(to)?;
    add_only_http_to_linker_async(to)?;
    // What follows takes the place of the engine's own.
    to.allow_shadowing(true);
    wasi::tell_errors_in_words(to)?;
    http::bound_requests(to)?;
    network::look_up_by_the_host(to)?;
    network::count_sockets(to)?;
    to.allow_shadowing(false);
    Ok(linker)
}

impl provider::Host for CallData {}

#[cfg(test)]
mod tests;
