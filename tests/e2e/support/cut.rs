//! A way to a server that can be cut: what goes through it stands still, and nobody is told.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The way. Connections through it last as long as this does.
pub(crate) struct Cut {
    pub(crate) port: u16,
    is_open: Arc<watch::Sender<bool>>,
}

impl Cut {
    /// A way to a port of this machine. It has a thread of its own: a test may wait for a host without letting others go on.
    pub(crate) fn before(port: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let own = listener.local_addr().unwrap().port();
        let is_open = Arc::new(watch::Sender::new(true));
        let opened = is_open.subscribe();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, port, opened));
        });
        Self { port: own, is_open }
    }

    /// Nothing passes any more.
    pub(crate) fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// It passes again, also what has stood still.
    pub(crate) fn mend(&self) {
        self.is_open.send_replace(true);
    }
}

/// Until nobody is there any more who could cut it.
async fn serve(listener: std::net::TcpListener, port: u16, mut opened: watch::Receiver<bool>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let near = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            gone = opened.wait_for(|_| false) => return drop(gone),
        };
        let opened = opened.clone();
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let there = pass(near_in, far_out, opened.clone());
            let back = pass(far_in, near_out, opened);
            tokio::select! { () = there => {}, () = back => {} }
        });
    }
}

/// Until either end goes away.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut opened: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        if opened.wait_for(|is_open| *is_open).await.is_err() || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
