//! `wasi:sockets`: the engine's own, with the gate before each connection. UDP, listening and binding to a port do not exist.

use std::net::SocketAddr;

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;

use super::Gate;

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
