//! WASI 0.2, complete and empty.
//!
//! A component written in an ordinary language imports most of WASI without meaning to use it, so all of it is linked;
//! what it leads to is decided here. No directories, no arguments, no environment, nothing on standard input; standard
//! output and error go to the call's log. Clocks and random numbers are real. Sockets, names and HTTP requests pass the
//! gate ([`super::network`]), which lets nothing through that was not granted.
//!
//! Few calls use any of it, and a WASI context costs a fifth of a call, so it is made when a guest first asks.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use larder_domain::limits::CallLimits;
use tokio::io::{AsyncWrite, sink};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::capability::http::{GatedHttp, HEADERS_BYTES_MAX};
use crate::capability::log::{CallLog, Output};
use crate::capability::network::{Gate, open_sockets_to};
use crate::capability::tls::Tls;
use crate::data::CallData;

/// How much a guest may write to a stream at once, in bytes.
const STREAM_WRITE_BYTES_MAX: usize = 64 * 1024;

/// The interface that tells errors in words, as the engine's WASI names it.
const ERRORS: &str = "wasi:io/error@0.2.12";

/// Puts words in the place of the engine's debugging output, which has the host's own backtrace in it if somebody has asked for that.
pub(crate) fn tell_errors_in_words(linker: &mut Linker<CallData>) -> wasmtime::Result<()> {
    linker.instance(ERRORS)?.func_wrap(
        "[method]error.to-debug-string",
        |store: StoreContextMut<'_, CallData>, (error,): (Resource<wasmtime::Error>,)| {
            Ok((format!("{:#}", store.data().wasi.table.get(&error)?),))
        },
    )?;
    Ok(())
}

/// What a call has of WASI.
pub(crate) struct EmptyWasi {
    /// The resources that the guest holds.
    table: ResourceTable,
    context: Option<Box<WasiCtx>>,
    http: WasiHttpCtx,
    sender: GatedHttp,
    log: CallLog,
    random_bytes_max: u64,
}

impl EmptyWasi {
    /// A log, and what the gate lets through.
    pub(crate) fn new(log: CallLog, gate: Gate, tls: Arc<Tls>, limits: &CallLimits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HEADERS_BYTES_MAX);
        Self {
            table,
            context: None,
            http,
            sender: GatedHttp { gate, tls },
            log,
            random_bytes_max: limits.hostcall_bytes as u64,
        }
    }

    fn context(log: &CallLog, gate: &Gate, random_bytes_max: u64) -> Box<WasiCtx> {
        let mut builder = WasiCtx::builder();
        builder
            .stdout(LogStream { log: log.clone(), output: Output::Stdout })
            .stderr(LogStream { log: log.clone(), output: Output::Stderr })
            .max_random_size(random_bytes_max);
        open_sockets_to(&mut builder, gate);
        Box::new(builder.build())
    }
}

impl WasiView for CallData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let EmptyWasi { table, context, log, random_bytes_max, sender, .. } = &mut self.wasi;
        let ctx = context.get_or_insert_with(|| EmptyWasi::context(log, &sender.gate, *random_bytes_max));
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for CallData {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let EmptyWasi { table, http, sender, .. } = &mut self.wasi;
        WasiHttpCtxView { hooks: sender, table, ctx: http }
    }
}

/// Standard output or standard error.
#[derive(Clone)]
struct LogStream {
    log: CallLog,
    output: Output,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Of use to WASI 0.3 only, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(sink())
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.output(self.output, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(STREAM_WRITE_BYTES_MAX)
    }
}
