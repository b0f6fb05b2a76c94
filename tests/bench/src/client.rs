//! A client that takes as little as it can of the cores on which the server is measured: a connection of its own, and nothing around it.

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// One connection, over which requests follow each other.
pub(crate) struct Client {
    requests: SendRequest<Full<Bytes>>,
    host: String,
    bearer: String,
}

impl Client {
    /// Connects to a server, as whoever has this token.
    pub(crate) async fn open(url: &str, token: &str) -> Result<Self> {
        let host = url.strip_prefix("http://").context("the server has no plain address")?.to_owned();
        let stream = TcpStream::connect(&host).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the requests.
        tokio::spawn(connection);
        Ok(Self { requests, host, bearer: format!("Bearer {token}") })
    }

    /// Posts JSON, and waits until what it asks for is done.
    pub(crate) async fn post(&mut self, path: &str, body: String) -> Result<(StatusCode, Bytes)> {
        let request = Request::post(path).header(HOST, &self.host).header(AUTHORIZATION, &self.bearer);
        let request = request.header(CONTENT_TYPE, "application/json").header("prefer", "wait=60");
        let answer = self.requests.send_request(request.body(Full::from(body))?).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}
