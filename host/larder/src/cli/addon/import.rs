//! `larder addon import`.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use clap::{Args, ValueHint};
use reqwest::Method;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncRead;

use super::{WhichArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::api::upload::pieces;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};
use crate::cli::progress::Spinner;

/// What to import, and where.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// The file to read, or `-` for standard input: as an export gave it, or packed by gzip or bzip2.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// Where data come from.
pub(crate) type Source = Pin<Box<dyn AsyncRead + Send>>;

pub(crate) async fn run(context: &Context, args: &ImportArgs) -> Result<()> {
    let source = open(&args.file).await?;
    let id = reference::find(&context.api, &args.which.addon, args.which.app.as_deref()).await?;
    let answer = send(context, &id, source, &format!("importing `{}`", args.file.display())).await?;
    if context.out.json {
        return context.out.json(&answer);
    }
    let addon: Addon = model::read(&answer)?;
    context.out.done(&format!("`{}` has taken in `{}`", addon.label(), args.file.display()))
}

/// Has an addon take data in; the addon as it is then. `told` is what people read meanwhile.
pub(crate) async fn send(context: &Context, id: &str, source: Source, told: &str) -> Result<Value> {
    let spinner = Spinner::counting(context.out, told);
    let counter = spinner.counter();
    let body = pieces(source, move |bytes| counter.count(bytes));
    let call = Call::new(Method::POST, &["v1", "addons", id, "imports"]).data(body);
    Ok(context.api.call(call).await?.body)
}

/// Opens a file, or standard input for `-`.
pub(crate) async fn open(path: &Path) -> Result<Source> {
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(Failure::usage("data are not typed").or_help("name a file, or send the data through a pipe"));
        }
        return Ok(Box::pin(tokio::io::stdin()));
    }
    let unreadable =
        |error: io::Error| Failure::new(Kind::Failed, "unreadable", format!("`{}`: {error}", path.display()));
    let file = File::open(path).await.map_err(unreadable)?;
    if file.metadata().await.map_err(unreadable)?.is_dir() {
        return Err(Failure::usage(format!("`{}` is no file", path.display())));
    }
    Ok(Box::pin(file))
}
