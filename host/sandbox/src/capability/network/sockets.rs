//! `wasi:sockets`: the engine's own, with the gate before each connection, and counted, since each socket is a file handle of the host's.
//! UDP, listening and binding to a port do not exist.

use std::net::SocketAddr;

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::tcp::TcpSocket;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsView as _};

use super::Gate;
use crate::data::CallData;

/// The interface, as the engine's WASI names it.
const INTERFACE: &str = "wasi:sockets/tcp-create-socket@0.2.12";

type Store<'a> = StoreContextMut<'a, CallData>;

/// Puts a counted way to make sockets in the place of the engine's.
pub(crate) fn count_sockets(linker: &mut Linker<CallData>) -> Result<()> {
    linker.instance(INTERFACE)?.func_wrap(
        "create-tcp-socket",
        |mut store: Store<'_>, (family,): (IpAddressFamily,)| -> Result<(Result<Resource<TcpSocket>, ErrorCode>,)> {
            if !store.data().gate.count_socket() {
                return Ok((Err(ErrorCode::NewSocketLimit),));
            }
            Ok((match store.data_mut().sockets().create_tcp_socket(family) {
                Ok(socket) => Ok(socket),
                Err(error) => Err(error.downcast()?),
            },))
        },
    )?;
    Ok(())
}

/// Lets sockets out as the gate says.
pub(crate) fn open_to(builder: &mut WasiCtxBuilder, gate: &Gate) {
    let gate = gate.clone();
    builder.allow_tcp(true).allow_udp(false).allow_ip_name_lookup(false).socket_addr_check(move |address, purpose| {
        let is_fine = match purpose {
            // Part of every connect, and harmless by itself.
            SocketAddrUse::TcpBind => is_any(address),
            SocketAddrUse::TcpConnect => gate.admits(address),
            _ => false,
        };
        Box::pin(async move { is_fine })
    });
}

fn is_any(address: SocketAddr) -> bool {
    address.ip().is_unspecified() && address.port() == 0
}
