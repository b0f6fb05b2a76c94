//! `wasi:http`: requests are written as the engine's own `wasi:http` has it, and sent by the host (`send`) through the gate.
//!
//! What guests keep in the host is bounded here, not by their memory's limit: without these bounds a thousand unsent
//! requests could hold a gigabyte.

mod body;
mod send;

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{
    HeaderError, HostFields, HostOutgoingRequest as Requests, HostOutgoingResponse as Responses, Method,
};
use wasmtime_wasi_http::p2::types::{HostOutgoingRequest, HostOutgoingResponse};
use wasmtime_wasi_http::{FieldMap, RequestOptions, WasiBody, WasiHttpHooks, WasiHttpView};

use crate::capability::network::Gate;
use crate::capability::tls::Tls;
use crate::data::CallData;

/// How long the headers of one message may be, in bytes.
pub(crate) const HEADERS_BYTES_MAX: usize = 8 * 1024;
/// How long a request's path may be, with its query, in bytes.
const PATH_BYTES_MAX: usize = 8 * 1024;
/// How long its authority may be, in bytes: the longest name (RFC 1035, section 2.3.4) and a port.
const AUTHORITY_BYTES_MAX: usize = 253 + ":65535".len();
/// How long its method may be, in bytes.
const METHOD_BYTES_MAX: usize = 32;
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
type Response = Resource<HostOutgoingResponse>;
type Fields = Resource<FieldMap>;
type Store<'a> = StoreContextMut<'a, CallData>;

/// Puts constructors that count what they make in the place of the engine's, and setters that refuse what is too long.
pub(crate) fn bound_requests(linker: &mut Linker<CallData>) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    count_fields(&mut types)?;
    types.func_wrap("[constructor]outgoing-request", |mut store: Store<'_>, (headers,): (Fields,)| {
        let request = Requests::new(&mut store.data_mut().http(), headers)?;
        Ok((counted(&store, request)?,))
    })?;
    types.func_wrap("[method]outgoing-request.headers", |mut store: Store<'_>, (request,): (Request,)| {
        let headers = Requests::headers(&mut store.data_mut().http(), request)?;
        Ok((counted(&store, headers)?,))
    })?;
    types.func_wrap("[constructor]outgoing-response", |mut store: Store<'_>, (headers,): (Fields,)| {
        let response = Responses::new(&mut store.data_mut().http(), headers)?;
        Ok((counted(&store, response)?,))
    })?;
    types.func_wrap("[method]outgoing-response.headers", |mut store: Store<'_>, (response,): (Response,)| {
        let headers = Responses::headers(&mut store.data_mut().http(), response)?;
        Ok((counted(&store, headers)?,))
    })?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_>, (request, method): (Request, Method)| {
            if matches!(&method, Method::Other(name) if name.len() > METHOD_BYTES_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_>, (request, authority): (Request, Option<String>)| {
            if is_too_long(authority.as_ref(), AUTHORITY_BYTES_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_authority(request, authority)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_>, (request, path): (Request, Option<String>)| {
            if is_too_long(path.as_ref(), PATH_BYTES_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_path_with_query(request, path)?,))
        },
    )
}

fn count_fields(types: &mut LinkerInstance<'_, CallData>) -> wasmtime::Result<()> {
    types.func_wrap("[constructor]fields", |mut store: Store<'_>, (): ()| {
        let fields = HostFields::new(&mut store.data_mut().http())?;
        Ok((counted(&store, fields)?,))
    })?;
    types.func_wrap("[static]fields.from-list", |mut store: Store<'_>, (entries,): (Vec<(String, Vec<u8>)>,)| {
        let fields: Result<Fields, HeaderError> = match store.data_mut().http().from_list(entries) {
            Ok(fields) => Ok(counted(&store, fields)?),
            Err(error) => Err(error.downcast()?),
        };
        Ok((fields,))
    })?;
    types.func_wrap("[method]fields.clone", |mut store: Store<'_>, (fields,): (Fields,)| {
        let clone = HostFields::clone(&mut store.data_mut().http(), fields)?;
        Ok((counted(&store, clone)?,))
    })
}

/// Counts a resource that keeps headers, or may keep them when others that share them are gone. Its number is its place among all of the
/// call's, and the first free one: so many there were at once.
fn counted<T: 'static>(store: &Store<'_>, made: Resource<T>) -> wasmtime::Result<Resource<T>> {
    store.data().memory.count_resources(made.rep() as usize + 1)?;
    Ok(made)
}

fn is_too_long(part: Option<&String>, bytes_max: usize) -> bool {
    part.is_some_and(|part| part.len() > bytes_max)
}
