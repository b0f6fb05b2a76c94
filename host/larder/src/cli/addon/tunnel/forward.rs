//! Takes connections in and passes their bytes on, each way at the pace of its slower end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::cli::addon::credentials::Endpoint;
use crate::cli::out::Out;

/// How many connections there may be at once; more wait until the system turns them away.
const CONNECTIONS_MAX: usize = 256;
/// How long the addon may take to accept one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After a connection that could not be taken in: mostly, too many files are open.
const PAUSE: Duration = Duration::from_millis(200);

/// The signals that ask for an end.
pub(super) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// From now on they end the process no more.
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wanted(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Forwards until one of the signals comes, which ends all connections.
pub(super) async fn serve(out: Out, listener: TcpListener, target: Endpoint, mut interrupt: Interrupt) {
    tokio::select! {
        () = interrupt.wanted() => {}
        () = accept(out, &listener, Arc::new(target)) => {}
    }
}

/// Never ends; dropping it ends the connections too.
async fn accept(out: Out, listener: &TcpListener, target: Arc<Endpoint>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            taken = listener.accept(), if connections.len() < CONNECTIONS_MAX => match taken {
                Ok((near, _)) => {
                    connections.spawn(forward(out, near, Arc::clone(&target)));
                }
                Err(error) => {
                    out.trouble(&format!("a connection could not be taken in: {error}"));
                    sleep(PAUSE).await;
                }
            },
        }
    }
}

/// One connection from its beginning to its end. When one side has said all, the other may still answer.
async fn forward(out: Out, mut near: TcpStream, target: Arc<Endpoint>) {
    let mut far = match connect(&target).await {
        Ok(far) => far,
        Err(error) => return out.trouble(&format!("{target} can't be connected to: {error}")),
    };
    // Both ends have decided already what goes into one packet; it works without, only later.
    let _asked = (near.set_nodelay(true), far.set_nodelay(true));
    // How a connection ends is told to both ends; nobody here needs to know.
    let _ended = copy_bidirectional(&mut near, &mut far).await;
}

async fn connect(target: &Endpoint) -> io::Result<TcpStream> {
    let connecting = TcpStream::connect((target.host.as_str(), target.port));
    timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests;
