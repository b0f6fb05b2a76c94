//! A command in a running container: fed, read, and asked for its exit code when it has nothing more to say.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::{Stream, StreamExt as _};
use larder_domain::ports::engine::{EngineError, Exec, ExecOutput};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::engine::check_name;
use crate::error::Trouble;
use crate::wire::Session;

/// The time between two questions for an exit code: at first, and at most.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(10);
const ASK_AGAIN_MAX: Duration = Duration::from_millis(500);

/// Tells the engine of the command; it does not run yet.
pub(crate) async fn create(session: &Session, full_name: &str, exec: &Exec) -> Result<String, Trouble> {
    let env = exec.env.iter().map(|(name, value)| format!("{name}={}", value.reveal()));
    let config = ExecConfig {
        cmd: Some(exec.command.iter().map(|word| word.reveal().to_owned()).collect()),
        env: Some(env.collect()),
        user: exec.user.clone(),
        attach_stdin: Some(!exec.stdin.is_empty()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        privileged: Some(false),
        tty: Some(false),
        ..ExecConfig::default()
    };
    let created = session.docker.create_exec(full_name, config).await?;
    check_name(&created.id).map_err(|_| EngineError::Failed("it names a command by what is no name".into()))?;
    Ok(created.id)
}

/// Runs the command to its end. Who does not wait so long leaves it running in the container.
pub(crate) async fn run(session: &Session, id: &str, exec: &Exec) -> Result<ExecOutput, Trouble> {
    session.go_on();
    let StartExecResults::Attached { output, input } = session.docker.start_exec(id, None).await? else {
        return Err(EngineError::Failed("it runs the command out of sight".into()).into());
    };
    let mut kept = Kept { bytes_max: exec.output_bytes_max, ..Kept::default() };
    // Both at once: a command may answer before it has read everything, and may never read everything.
    tokio::select! {
        read = read(session, output, &mut kept) => read?,
        never = feed(input, &exec.stdin) => match never {},
    }
    session.go_on();
    let code = exit_code(session, id).await?;
    let (stdout, stderr) = (kept.stdout.into(), kept.stderr.into());
    Ok(ExecOutput { code, stdout, stderr, truncated: kept.truncated })
}

/// Never ends, so that the command's standard input is held until its output is at its end.
async fn feed(mut input: Pin<Box<dyn AsyncWrite + Send>>, stdin: &[u8]) -> Infallible {
    if !stdin.is_empty() {
        // A command that does not want to read its input may still say why.
        let _ = input.write_all(stdin).await;
        let _ = input.shutdown().await;
    }
    std::future::pending().await
}

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

async fn read(session: &Session, mut output: Output, kept: &mut Kept) -> Result<(), Trouble> {
    while let Some(piece) = output.next().await {
        session.go_on();
        match piece? {
            LogOutput::StdOut { message } => kept.truncated |= keep(&mut kept.stdout, &message, kept.bytes_max),
            LogOutput::StdErr { message } => kept.truncated |= keep(&mut kept.stderr, &message, kept.bytes_max),
            // There is no terminal, so all that is said comes in frames.
            _ => return Err(EngineError::Failed("it broke off in the output of a command".into()).into()),
        }
    }
    Ok(())
}

#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    bytes_max: usize,
    truncated: bool,
}

/// Keeps the beginning; tells whether there was more.
fn keep(kept: &mut Vec<u8>, piece: &[u8], bytes_max: usize) -> bool {
    let room = bytes_max.saturating_sub(kept.len());
    kept.extend_from_slice(&piece[..piece.len().min(room)]);
    piece.len() > room
}

/// The end of the output comes a little before the exit code, or long before it if the command has closed its output.
async fn exit_code(session: &Session, id: &str) -> Result<i64, Trouble> {
    let mut pause = ASK_AGAIN_MIN;
    loop {
        let exec = session.docker.inspect_exec(id).await?;
        session.go_on();
        if let (Some(false), Some(code)) = (exec.running, exec.exit_code) {
            return Ok(code);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(ASK_AGAIN_MAX);
    }
}
