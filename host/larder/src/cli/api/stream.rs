//! Follows a stream of events across broken connections.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{ACCEPT, HeaderName};
use tokio::time::{sleep, timeout};

use super::Api;
use super::call::Call;
use super::sse::{Event, Parser, TooLong};
use crate::cli::failure::{Failure, Kind, Result};

/// The server says something every 15 seconds; longer silence means that the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(50);
/// How often in a row to connect again without having got anything new.
const RECONNECTS_MAX: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How far a stream has been followed.
#[derive(Debug, Default)]
struct Position {
    /// Whether the server has ever agreed to tell events.
    was_open: bool,
    /// Of the last event that was taken.
    last_id: String,
}

impl Api {
    /// Hands every event of a stream to `take`, from the first one on, until `take` fails or the server stays
    /// away.
    pub(crate) async fn follow(&self, path: &[&str], mut take: impl FnMut(&Event) -> Result<()>) -> Result<()> {
        let mut position = Position::default();
        let mut failed = 0;
        loop {
            let before = position.last_id.clone();
            let broken = self.follow_once(path, &mut position, &mut take).await?;
            failed = if position.last_id == before { failed + 1 } else { 0 };
            if failed > RECONNECTS_MAX || !position.was_open {
                return Err(broken);
            }
            sleep(FIRST_PAUSE * 2_u32.saturating_pow(failed)).await;
        }
    }

    /// Follows one connection; returns how it broke. Fails where another connection would not help.
    async fn follow_once(
        &self,
        path: &[&str],
        position: &mut Position,
        take: &mut impl FnMut(&Event) -> Result<()>,
    ) -> Result<Failure> {
        let mut call = Call::get(path).header(ACCEPT, "text/event-stream").endless();
        if !position.last_id.is_empty() {
            call = call.header(LAST_EVENT_ID, position.last_id.as_str());
        }
        let mut response = match timeout(SILENCE_MAX, self.send(call)).await {
            Ok(Ok(response)) => response,
            Ok(Err(failure)) if failure.kind == Kind::Unreachable => return Ok(failure),
            Ok(Err(failure)) => return Err(failure),
            Err(_) => return Ok(ended("the server was silent")),
        };
        position.was_open = true;
        let mut parser = Parser::default();
        loop {
            let piece = match self.piece(&mut response).await {
                Ok(piece) => piece,
                Err(broken) => return Ok(broken),
            };
            for event in parser.push(&piece).map_err(too_long)? {
                take(&event)?;
                if !event.id.is_empty() {
                    position.last_id.clone_from(&event.id);
                }
            }
        }
    }

    async fn piece(&self, response: &mut Response) -> Result<Vec<u8>> {
        match timeout(SILENCE_MAX, response.chunk()).await {
            Ok(Ok(Some(piece))) => Ok(piece.to_vec()),
            Ok(Ok(None)) => Err(ended("the server ended it")),
            Ok(Err(error)) => Err(self.transport(&error)),
            Err(_) => Err(ended("the server was silent")),
        }
    }
}

fn ended(why: &str) -> Failure {
    Failure::new(Kind::Unreachable, "stream_lost", format!("the stream of events broke: {why}"))
        .or_help("see whether the server runs, then follow again")
}

fn too_long(_: TooLong) -> Failure {
    Failure::new(Kind::Failed, "bad_answer", "the stream holds an event longer than any of Larder's")
}
