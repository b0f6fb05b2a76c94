//! `larder restore`: the one command that needs a data directory and no server.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::json;

use super::args::Global;
use super::failure::{Failure, Kind, Result};
use super::progress::Spinner;
use crate::backup::restore::{Restore, RestoreError, Restored};
use crate::data_dir;

/// What to restore, and how.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup, or `-` for standard input. It goes to where `larder serve` would keep its data: see --data-dir.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The file with the key that the backup needs [default: `sealing.key` in the data directory].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,

    /// Move aside what is in the data directory.
    #[arg(long)]
    replace: bool,

    /// Only look whether it could be restored: the whole backup and the key.
    #[arg(long, conflicts_with = "replace")]
    check: bool,
}

pub(crate) fn run(global: &Global, args: &RestoreArgs) -> Result<()> {
    let out = global.out();
    let dir = data_dir::resolve(global.data_dir.as_deref());
    let spinner = Spinner::counting(out, "restoring");
    let counter = spinner.counter();
    let mut source = open(&args.file).map_err(|error| failed(&RestoreError::Unreadable(error)))?;
    let scratch =
        args.check.then(tempfile::tempdir).transpose().map_err(|error| failed(&RestoreError::Unreadable(error)))?;
    let restore = Restore {
        dir: &dir,
        key: args.key.as_deref(),
        replace: args.replace,
        check: scratch.as_ref().map(|dir| dir.path()),
    };
    let restored = restore.run(&mut *source, &mut |bytes| counter.count(bytes));
    drop(spinner);
    let Restored { header, aside } = restored.map_err(|error| failed(&error))?;
    if out.json {
        let dir = (!args.check).then_some(&dir);
        return out.json(&json!({
            "data_dir": dir, "aside": aside, "made_at": header.made_at, "larder": header.larder,
            "installation": header.installation, "schema": header.schema, "keys": header.keys,
        }));
    }
    let (of, at) = (&header.installation, &header.made_at);
    if args.check {
        return out.done(&format!("the backup is whole, and the key fits: installation {of}, of {at}"));
    }
    out.done(&format!("restored the installation {of}, of {at}, to `{}`", dir.display()))?;
    if let Some(aside) = aside {
        out.note(&format!("note: what was there is in `{}` now", aside.display()));
    }
    out.note(&format!("next: larder --data-dir {} serve, and then larder doctor", dir.display()));
    out.note(
        "note: never serve this and the installation that the backup is of at the same time with the same Docker engines: each would \
         take the other's containers for its own",
    );
    Ok(())
}

fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(File::open(file)?))
}

fn failed(error: &RestoreError) -> Failure {
    let (code, help) = error.told();
    let kind = if code == "key_missing" { Kind::Usage } else { Kind::Failed };
    Failure::new(kind, code, error.to_string()).or_help(help)
}
