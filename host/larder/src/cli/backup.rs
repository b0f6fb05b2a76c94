//! `larder backup`.
//!
//! What comes is checked as it comes, to its last byte: a backup is not to be found broken on the day on which it is needed.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::api::call::Call;
use super::context::Context;
use super::failure::{Failure, Kind, Result};
use super::progress::Spinner;
use super::{target_file, text};
use crate::backup::{Broken, Header, Parser};

/// Where to write it.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to write, or `-` for standard output.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// A backup that came whole.
struct Got {
    header: Header,
    sum: String,
    bytes: u64,
}

pub(crate) async fn run(context: &Context, args: &BackupArgs) -> Result<()> {
    tokio::select! {
        done = back_up(context, args) => done,
        // What was begun is removed on the way out.
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::new(Kind::Failed, "interrupted", "the backup was interrupted; nothing of it is left"))
        }
    }
}

async fn back_up(context: &Context, args: &BackupArgs) -> Result<()> {
    let to_stdout = args.output == Path::new("-");
    if to_stdout && io::stdout().is_terminal() {
        let failure = Failure::usage("a backup is not written to a terminal");
        return Err(failure.or_help("name a file with --output, or send it into a pipe"));
    }
    if !to_stdout {
        target_file::check(&args.output, args.force)?;
    }
    let spinner = Spinner::counting(context.out, "the server copies its data");
    let mut response = context.api.send(Call::new(Method::POST, &["v1", "backups"]).endless()).await?;
    spinner.say("fetching the backup");
    let got = if to_stdout {
        copy(&mut response, &mut io::stdout().lock(), &spinner, &lost).await?
    } else {
        let mut file = target_file::begin(&args.output, ".larder-backup-")?;
        let unwritable = |error| target_file::unwritable(&args.output, &error);
        let got = copy(&mut response, &mut file, &spinner, &unwritable).await?;
        target_file::finish(file, &args.output, args.force)?;
        got
    };
    drop(spinner);
    tell(context, args, &got, to_stdout)
}

/// Writes all of the body, and looks whether it is a whole backup.
async fn copy(
    response: &mut Response,
    to: &mut impl Write,
    spinner: &Spinner,
    unwritable: &dyn Fn(io::Error) -> Failure,
) -> Result<Got> {
    let (counter, mut parser, mut bytes) = (spinner.counter(), Parser::new(), 0);
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => {
                parser.push(&piece, &mut |_, _| Ok(())).map_err(|broken| unfit(&broken))?;
                to.write_all(&piece).map_err(unwritable)?;
                counter.count(piece.len());
                bytes += piece.len() as u64;
            }
            Ok(None) => break,
            Err(_) => {
                let detail = format!("the backup broke off after {}", text::bytes(bytes));
                let failure = Failure::new(Kind::Unreachable, "backup_incomplete", detail);
                return Err(failure.or_help("see the server's log, and try again"));
            }
        }
    }
    to.flush().map_err(unwritable)?;
    let whole = parser.end().map_err(|broken| unfit(&broken))?;
    let sum = whole.sum.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Got { header: whole.header, sum, bytes })
}

fn unfit(broken: &Broken) -> Failure {
    let detail = format!("what the server sent is no backup that can be used: {broken}");
    Failure::new(Kind::Failed, "bad_answer", detail)
        .or_help("compare `larder --version` with the server's, and see what stands between")
}

/// Also where a reader has seen enough: what it has is no backup, and a script that keeps it is to know.
fn lost(error: io::Error) -> Failure {
    let failure = Failure::new(Kind::Failed, "output_lost", format!("the backup could not be written: {error}"));
    failure.or_help("what was written is no whole backup: remove it, see to it that there is room, and try again")
}

fn tell(context: &Context, args: &BackupArgs, got: &Got, to_stdout: bool) -> Result<()> {
    if !to_stdout && context.out.json {
        context.out.json(&described(&args.output, got))?;
    } else if !to_stdout {
        let written =
            format!("wrote {} to `{}`, of {}", text::bytes(got.bytes), args.output.display(), got.header.made_at);
        context.out.done(&written)?;
    }
    for line in what_else(&got.header) {
        context.out.note(&line);
    }
    Ok(())
}

fn described(file: &Path, got: &Got) -> Value {
    let Header { made_at, larder, installation, schema, keys, parts: _ } = &got.header;
    json!({
        "file": file, "bytes": got.bytes, "sha256": got.sum, "made_at": made_at, "larder": larder,
        "installation": installation, "schema": schema, "keys": keys,
    })
}

/// What a person has to keep beside.
fn what_else(header: &Header) -> [String; 2] {
    let keys = header.keys.join(", ");
    [
        format!(
            "note: it is of use only with the sealing key {keys}, which is not in it. Keep a copy of `sealing.key` from the server's data \
             directory too, somewhere else than backups: whoever has both can read every secret"
        ),
        "note: not in it are what containers have in their volumes (`larder addon export`), and files that `larder serve` was told of \
         (--engines, --ca-file)"
            .to_owned(),
    ]
}
