//! Joins what guests import to what the host offers. What is not listed here does not exist for them;
//! [`larder_inspect`] tells uploaders so by name and has a test that keeps both in step.

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{addon, log, provider, secrets, state, tls};
use crate::capability::{http, network, wasi};
use crate::data::CallData;

/// The linker of all guests.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallData>> {
    let mut linker = Linker::new(engine);
    let to = &mut linker;
    addon::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.addon)?;
    log::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.log)?;
    secrets::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.secrets)?;
    state::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.state)?;
    tls::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| &mut data.tls)?;
    provider::add_to_linker::<_, HasSelf<_>>(to, |data: &mut CallData| data)?;
    wasmtime_wasi::p2::add_to_linker_async(to)?;
    wasi::add_errors_to_linker(to)?;
    http::add_to_linker(to)?;
    network::add_names_to_linker(to)?;
    network::add_sockets_to_linker(to)?;
    Ok(linker)
}

impl provider::Host for CallData {}

#[cfg(test)]
mod tests;
