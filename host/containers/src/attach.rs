//! A container's standard streams, joined to whoever asked for as long as the container lives. No bound of time is here, since only
//! who reads and writes knows what it waits for; and nothing is kept but the end of what the program complains of.

use std::collections::VecDeque;
use std::pin::Pin;

use async_trait::async_trait;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures_util::{Stream, StreamExt as _};
use larder_domain::ports::engine::{Attached, EngineError, LAST_ERRORS_BYTES_MAX};
use larder_domain::redact::END_MARGIN_BYTES;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::error::Trouble;
use crate::objects::shown;
use crate::wire::Session;

/// What is kept of the end of a program's standard error, in bytes: what is shown of it, and what that takes to show no secret.
const ERRORS_BYTES_MAX: usize = LAST_ERRORS_BYTES_MAX + END_MARGIN_BYTES;

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// The streams of one container.
pub(crate) struct Streams {
    output: Output,
    /// None once the program was told that there is no more.
    input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    errors: VecDeque<u8>,
    /// The connection is closed with it.
    session: Session,
}

/// Opens the streams. When this ends, nothing of what the program is going to print will be missed.
pub(crate) async fn open(session: Session, full_name: &str, has_input: bool) -> Result<Streams, Trouble> {
    let options = AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).stdin(has_input);
    let AttachContainerResults { output, input } =
        session.docker.attach_container(full_name, Some(options.build())).await?;
    session.go_on();
    Ok(Streams { output, input: has_input.then_some(input), errors: VecDeque::new(), session })
}

#[async_trait]
impl Attached for Streams {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.next().await?)
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<bool, EngineError> {
        while !bytes.is_empty() {
            let Some(input) = &mut self.input else { return Ok(false) };
            // Both at once: a program that nobody listens to reads no more.
            tokio::select! {
                written = input.write(bytes) => match written {
                    Ok(0) | Err(_) => return Ok(false),
                    Ok(count) => bytes = &bytes[count..],
                },
                piece = self.output.next() => {
                    self.session.go_on();
                    match piece {
                        None => return Ok(false),
                        Some(piece) => drop(take(piece, &mut self.errors)?),
                    }
                }
            }
        }
        Ok(true)
    }

    async fn finish(&mut self) -> Result<(), EngineError> {
        if let Some(mut input) = self.input.take() {
            // A program that has ended meanwhile needs not be told; and if the connection broke, reading says so.
            let _ = input.shutdown().await;
            while self.next().await?.is_some() {}
        }
        Ok(())
    }

    fn last_errors(&self) -> String {
        shown(&self.errors.iter().copied().collect::<Vec<_>>(), ERRORS_BYTES_MAX)
    }
}

impl Streams {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            let Some(piece) = self.output.next().await else { return Ok(None) };
            self.session.go_on();
            if let Some(bytes) = take(piece, &mut self.errors)? {
                return Ok(Some(bytes));
            }
        }
    }
}

/// A piece of the standard output. What is of the standard error is kept, as far as there is room.
fn take(piece: Result<LogOutput, Error>, errors: &mut VecDeque<u8>) -> Result<Option<Vec<u8>>, Trouble> {
    match piece? {
        LogOutput::StdOut { message } => Ok(Some(message.into())),
        LogOutput::StdErr { message } => {
            let end = &message[message.len().saturating_sub(ERRORS_BYTES_MAX)..];
            errors.extend(end);
            errors.drain(..errors.len().saturating_sub(ERRORS_BYTES_MAX));
            Ok(None)
        }
        // There is no terminal, so all that is said comes in frames.
        _ => Err(EngineError::Failed("it broke off in the output of a container".into()).into()),
    }
}
