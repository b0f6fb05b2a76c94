//! `wasi:http`: requests are written as the engine's own `wasi:http` has it, and sent by the host (`send`) through the gate.
//!
//! What guests keep in the host is bounded here, not by their memory's limit: without these bounds a thousand unsent
//! requests could hold a gigabyte.

mod body;
mod send;

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpHooks, WasiHttpView};

use crate::capability::network::Gate;
use crate::capability::tls::Tls;
use crate::data::CallData;

/// How long the headers of one message may be, in bytes.
pub(crate) const HEADERS_BYTES_MAX: usize = 8 * 1024;
/// How long a request's method, authority and path may each be, in bytes.
const PART_BYTES_MAX: usize = 8 * 1024;
/// How much of a body that nobody reads is kept, in bytes.
const BODY_CHUNK_BYTES: usize = 16 * 1024;

/// The interface whose setters are bounded, as the engine's WASI names it.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Sends requests through the gate.
pub(crate) struct GatedHttp {
    pub(crate) gate: Gate,
    pub(crate) tls: Arc<Tls>,
}

type HttpError = wasmtime_wasi_http::Error;
type HttpFuture<T> = Box<dyn Future<Output = Result<T, HttpError>> + Send>;

impl WasiHttpHooks for GatedHttp {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: HttpFuture<()>,
    ) -> HttpFuture<(http::Response<WasiBody>, HttpFuture<()>)> {
        let (gate, tls) = (self.gate.clone(), Arc::clone(&self.tls));
        let options = options.unwrap_or_default();
        Box::new(async move {
            let response = send::send(&gate, &tls, request, options).await?;
            let sent: HttpFuture<()> = Box::new(async { Ok(()) });
            Ok((response, sent))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

type Request = Resource<HostOutgoingRequest>;
type Store<'a> = StoreContextMut<'a, CallData>;

/// Puts setters that refuse what is too long in the place of the engine's.
pub(crate) fn bound_requests(linker: &mut Linker<CallData>) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_>, (request, method): (Request, Method)| {
            if matches!(&method, Method::Other(name) if name.len() > PART_BYTES_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_>, (request, authority): (Request, Option<String>)| {
            if is_too_long(authority.as_ref()) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_authority(request, authority)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_>, (request, path): (Request, Option<String>)| {
            if is_too_long(path.as_ref()) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_path_with_query(request, path)?,))
        },
    )
}

fn is_too_long(part: Option<&String>) -> bool {
    part.is_some_and(|part| part.len() > PART_BYTES_MAX)
}
