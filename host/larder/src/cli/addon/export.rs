//! `larder addon export`.
//!
//! A file gets its name when all of it is there: whatever breaks off leaves nothing that looks like a whole.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use reqwest::header::{CONTENT_DISPOSITION, HeaderMap};
use reqwest::{Method, Response};
use serde_json::json;

use super::{WhichArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::progress::Spinner;
use crate::cli::{target_file, text};

/// What a file is called whose server gave it no name that can be used.
const NAMELESS: &str = "export.bin";
/// The longest name that is taken from a server, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// What to export, and whereto.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// The file to write, or `-` for standard output [default: the server's name for it, in the current directory].
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(context: &Context, args: &ExportArgs) -> Result<()> {
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && io::stdout().is_terminal() {
        let failure = Failure::usage("data are not written to a terminal");
        return Err(failure.or_help("name a file with --output, or send them into a pipe"));
    }
    // What can be refused is refused before anything runs.
    args.output.iter().filter(|_| !to_stdout).try_for_each(|path| target_file::check(path, args.force))?;
    let id = reference::find(&context.api, &args.which.addon, args.which.app.as_deref()).await?;
    let spinner = Spinner::counting(context.out, "waiting for the first data");
    let call = Call::new(Method::POST, &["v1", "addons", &id, "exports"]).endless();
    let mut response = context.api.send(call).await?;
    if to_stdout {
        spinner.say("exporting");
        copy(&mut response, &mut io::stdout().lock(), &spinner).await?;
        return Ok(());
    }
    let path = args.output.clone().unwrap_or_else(|| name_of(response.headers()).into());
    target_file::check(&path, args.force)?;
    spinner.say(&format!("exporting to `{}`", path.display()));
    let bytes = to_file(&mut response, &path, args.force, &spinner).await?;
    drop(spinner);
    if context.out.json {
        return context.out.json(&json!({ "file": path, "bytes": bytes }));
    }
    context.out.done(&format!("wrote {} to `{}`", text::bytes(bytes), path.display()))
}

async fn to_file(response: &mut Response, path: &Path, force: bool, spinner: &Spinner) -> Result<u64> {
    let mut file = target_file::begin(path, ".larder-export-")?;
    let bytes = copy(response, &mut file, spinner).await?;
    target_file::finish(file, path, force)?;
    Ok(bytes)
}

/// Writes all of the body; how many bytes that were.
async fn copy(response: &mut Response, to: &mut impl Write, spinner: &Spinner) -> Result<u64> {
    let (counter, mut bytes) = (spinner.counter(), 0);
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => {
                to.write_all(&piece).map_err(lost)?;
                counter.count(piece.len());
                bytes += piece.len() as u64;
            }
            Ok(None) => {
                to.flush().map_err(lost)?;
                return Ok(bytes);
            }
            Err(_) => {
                let detail = format!("the export broke off after {}", text::bytes(bytes));
                let failure = Failure::new(Kind::Unreachable, "export_incomplete", detail);
                return Err(failure.or_help("`larder addon show` says why its operation failed; then export again"));
            }
        }
    }
}

/// Also where a reader has seen enough: what it has is not all of the data, and a script that keeps it is to know.
fn lost(error: io::Error) -> Failure {
    let failure = Failure::new(Kind::Failed, "output_lost", format!("the data could not be written: {error}"));
    failure.or_help("what was written is not whole: remove it, see to it that there is room, and export again")
}

/// The server's name for the file, if it is one that leads nowhere else.
fn name_of(headers: &HeaderMap) -> String {
    let header = headers.get(CONTENT_DISPOSITION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = header.split_once("filename=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_name = is_plain && (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with(['.', '-']);
    if is_name { name.to_owned() } else { NAMELESS.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_name_leads_nowhere_else() {
        let name = |header: &str| {
            let headers = [(CONTENT_DISPOSITION, header.parse().unwrap())].into_iter().collect();
            name_of(&headers)
        };
        assert_eq!(name("attachment; filename=\"demo-db-20260131T080910Z.sql\""), "demo-db-20260131T080910Z.sql");
        for bad in ["", "../x", "/etc/passwd", ".bashrc", "-rf", "a b", "a\\b"] {
            assert_eq!(name(&format!("attachment; filename=\"{bad}\"")), NAMELESS, "{bad}");
        }
        assert_eq!(name("attachment"), NAMELESS);
        assert_eq!(name_of(&HeaderMap::new()), NAMELESS);
    }
}
