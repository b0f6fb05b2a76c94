//! `larder addon import`.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use clap::{Args, ValueHint};
use futures_util::stream;
use reqwest::{Body, Method};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{WhichArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};
use crate::cli::progress::{Counter, Spinner};

const CHUNK_BYTES: usize = 64 * 1024;

/// What to import, and where.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// The file to read, or `-` for standard input: as an export gave it, or packed by gzip or bzip2.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

type Source = Pin<Box<dyn AsyncRead + Send>>;

pub(crate) async fn run(context: &Context, args: &ImportArgs) -> Result<()> {
    let source = open(&args.file).await?;
    let id = reference::find(&context.api, &args.which.addon, args.which.app.as_deref()).await?;
    let spinner = Spinner::counting(context.out, &format!("importing `{}`", args.file.display()));
    let body = chunks(source, spinner.counter());
    let call = Call::new(Method::POST, &["v1", "addons", &id, "imports"]).data(body);
    let answer = context.api.call(call).await?.body;
    drop(spinner);
    if context.out.json {
        return context.out.json(&answer);
    }
    let addon: Addon = model::read(&answer)?;
    context.out.done(&format!("`{}` has taken in `{}`", addon.label(), args.file.display()))
}

async fn open(path: &Path) -> Result<Source> {
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

/// The data piece by piece, so that their size doesn't matter here.
fn chunks(source: Source, counter: Counter) -> Body {
    Body::wrap_stream(stream::try_unfold((source, counter), |(mut source, counter)| async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = source.read(&mut chunk).await?;
        chunk.truncate(read);
        counter.count(read);
        Ok::<_, io::Error>((read > 0).then_some((chunk, (source, counter))))
    }))
}
