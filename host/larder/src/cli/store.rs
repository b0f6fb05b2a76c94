//! `larder store`: where the server keeps everything. These commands need a data directory and no server.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueHint};
use larder_domain::NodeName;
use larder_domain::SecretString;
use larder_store::sql::{AdoptError, Progress, RelocateError, Relocated, Relocation, Return};
use larder_store::{Clock as _, KeyfileSealer, OpenError, Server, SystemClock, Time};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::args::Global;
use super::failure::{Failure, Kind, Result};
use super::progress::Spinner;
use super::table::Table;
use super::text;
use crate::data_dir::KEY_FILE;
use crate::serve::{authorities, database};

/// What a data directory is called by here.
const SQLITE: &str = "sqlite:";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Move everything from a data directory to a database of a PostgreSQL server, which is empty, or back; servers are stopped meanwhile.
    Migrate(MigrateArgs),
}

/// What to move.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Where it is: a data directory, like sqlite:/var/lib/larder, or a database, like --to.
    #[arg(long, value_name = "sqlite:DIR|URL", env = "LARDER_DATABASE", hide_env_values = true, value_parser = place, value_hint = ValueHint::DirPath)]
    from: Place,

    /// Where it is to go: a database, like postgres://larder:PASSWORD@db.internal/larder, or a data directory; other users of this machine can
    /// read command lines, so prefer the variable for a database.
    #[arg(long, value_name = "URL|sqlite:DIR", env = "LARDER_DATABASE", hide_env_values = true, value_parser = place)]
    to: Place,

    /// Authorities in PEM that the connection to the database trusts beside the platform's.
    #[arg(long, value_name = "FILE", env = "LARDER_CA_FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
}

/// Where an installation can be.
#[derive(Debug, Clone)]
enum Place {
    Directory(PathBuf),
    Database(SecretString),
}

/// Anything: what a parser refuses is shown, and there may be a password in it.
fn place(text: &str) -> Result<Place, Infallible> {
    Ok(match text.strip_prefix(SQLITE) {
        Some(path) => Place::Directory(path.into()),
        None => Place::Database(SecretString::new(text)),
    })
}

/// A directory and a database, and which of them everything goes to.
struct Way<'a> {
    dir: &'a Path,
    database: &'a SecretString,
    is_back: bool,
}

fn way(args: &MigrateArgs) -> anyhow::Result<Way<'_>> {
    let way = match (&args.from, &args.to) {
        (Place::Directory(dir), Place::Database(database)) => Way { dir, database, is_back: false },
        (Place::Database(database), Place::Directory(dir)) => Way { dir, database, is_back: true },
        _ => anyhow::bail!(
            "one of --from and --to is a data directory, written sqlite:DIRECTORY, like sqlite:/var/lib/larder, and the other one a database"
        ),
    };
    anyhow::ensure!(
        !way.dir.as_os_str().is_empty(),
        "write sqlite:DIRECTORY, with the data directory, like sqlite:/var/lib/larder"
    );
    let named = if way.is_back { "--from" } else { "--to" };
    database::refuse_other_schemes(way.database).with_context(|| format!("{named} can't be used"))?;
    Ok(way)
}

pub(crate) fn run(global: &Global, command: &StoreCommand) -> Result<()> {
    match command {
        StoreCommand::Migrate(args) => migrate(global, args),
    }
}

fn migrate(global: &Global, args: &MigrateArgs) -> Result<()> {
    let (out, started) = (global.out(), Instant::now());
    let way = way(args).map_err(unusable)?;
    let Way { dir, is_back, .. } = way;
    let (server, sealer) = (server(&way, args).map_err(unusable)?, key(dir)?);
    let spinner =
        Spinner::start(out, if is_back { "looking at the database" } else { "looking at the data directory" });
    let mut told = |progress: Progress<'_>| spinner.say(&doing(progress));
    let (at, sealer) = (SystemClock::new().wall(), &sealer);
    let moved = match is_back {
        false => Relocation { dir, server, sealer, at }.run(&mut told),
        true => Return { server, dir, sealer, at }.run(&mut told),
    };
    drop(spinner);
    let moved = moved.map_err(|error| failed(dir, error))?;
    let seconds = started.elapsed().as_secs_f64();
    if out.json {
        return out.json(&for_programs(&way, &moved, seconds));
    }
    if !out.quiet {
        out.text(&tables(&moved))?;
    }
    let rows = text::count(moved.tables.iter().map(|(_, rows)| rows).sum(), "row");
    let (of, to) = (moved.installation, &moved.to);
    out.done(&format!("moved the installation {of} to {to}: {rows}, read back and found the same, in {seconds:.1} s"))?;
    let dir = dir.display();
    if is_back {
        out.note(&format!("next: larder --data-dir {dir} serve, without --database"));
        out.note(
            "note: what was moved is in the database still, as it was, and no server starts on it any more. Drop the database when you are sure",
        );
        return Ok(());
    }
    if moved.altered > 0 {
        let texts = text::count(moved.altered, "text");
        out.note(&format!(
            "note: {texts} had the character 0, for which PostgreSQL has no room: U+FFFD stands in its place"
        ));
    }
    out.note(&format!("next: LARDER_DATABASE=postgres://… larder --data-dir {dir} serve"));
    out.note(&format!(
        "note: keep `{dir}`: the key and the administrator's token are there. `{dir}/larder.db` is what was moved, as it was; without \
         --database the server does not start from it any more. Remove it, with `larder.db-wal` and `larder.db-shm`, when you are sure"
    ));
    Ok(())
}

fn server(way: &Way<'_>, args: &MigrateArgs) -> anyhow::Result<Server> {
    let roots = args.ca_file.as_deref().map(authorities).transpose()?.unwrap_or_default();
    let tls = roots.client_config().context("TLS can't be spoken")?;
    Ok(Server { url: way.database.clone(), tls, time: Time::Servers, node: NodeName::only(), home: Uuid::nil() })
}

fn key(dir: &Path) -> Result<KeyfileSealer> {
    let failed = |error| Failure::new(Kind::Failed, "key_unreadable", format!("{:#}", anyhow::Error::from(error)));
    KeyfileSealer::from_file(&dir.join(KEY_FILE)).map_err(failed).map_err(|failure| {
        failure.or_help("name the data directory with sqlite:DIR; the installation's sealing.key is in it")
    })
}

fn unusable(error: anyhow::Error) -> Failure {
    Failure::new(Kind::Usage, "usage", format!("{error:#}"))
}

fn doing(progress: Progress<'_>) -> String {
    let Progress { is_check, table, rows, of } = progress;
    format!("{} {table}: {rows} of {}", if is_check { "reading back" } else { "moving" }, text::count(of, "row"))
}

fn tables(moved: &Relocated) -> String {
    let mut table = Table::new(["TABLE", "ROWS"]);
    moved.tables.iter().for_each(|(name, rows)| table.row([name, &rows.to_string()]));
    table.render()
}

fn for_programs(way: &Way<'_>, moved: &Relocated, seconds: f64) -> Value {
    let tables: Map<String, Value> = moved.tables.iter().map(|(name, rows)| (name.clone(), json!(rows))).collect();
    // The login is nobody's business.
    let from = if way.is_back { json!("postgres") } else { json!(way.dir) };
    json!({
        "installation": moved.installation.to_string(), "from": from, "to": moved.to, "tables": tables, "altered": moved.altered,
        "seconds": seconds,
    })
}

fn failed(dir: &Path, error: RelocateError) -> Failure {
    let (code, help) = told(&error);
    let help = help.replace("DIR", &dir.display().to_string());
    Failure::new(Kind::Failed, code, format!("{:#}", anyhow::Error::from(error))).or_help(help)
}

/// What is about files that can't be read or written.
const UNREADABLE: (&str, &str) =
    ("unreadable", "see that you may read and write what is in the data directory, as the server's user or root");

/// A stable name for programs, and what a person can do, where one of the places can't be used at all.
const fn told_of_opening(error: &OpenError) -> (&'static str, &'static str) {
    match error {
        OpenError::InUse { .. } => ("in_use", "stop that server first"),
        OpenError::Moved { .. } => ("moved", "start the server with --database"),
        OpenError::MovedBack(_) => ("moved", "start the server on that directory, without --database"),
        OpenError::Server(_) => (
            "database_unreachable",
            "check the address, that the server runs, and --ca-file if its certificate is your own",
        ),
        _ => UNREADABLE,
    }
}

/// The same of all that can be in the way.
const fn told(error: &RelocateError) -> (&'static str, &'static str) {
    match error {
        RelocateError::Absent(_) => {
            ("no_installation", "name the data directory with --from: the folder with `larder.db`")
        }
        RelocateError::Open(error) => told_of_opening(error),
        RelocateError::Used(_) => (
            "not_empty",
            "name a data directory without `larder.db`, `larder.db-wal`, `larder.db-shm` and `larder.db-journal`, and with the installation's sealing.key",
        ),
        RelocateError::Empty => {
            ("no_installation", "check the address: is it the database that the server was started with?")
        }
        RelocateError::Alive(_) => ("in_use", "stop all servers; one that was killed is taken for gone after 15 s"),
        RelocateError::UnknownThere { .. } => (
            "outcome_unknown",
            "look into the database (`SELECT place FROM moved_to`): if there is such a table, remove DIR/moved-to-database and start the server on DIR; if there \
             is none, remove DIR/larder.db as well and try again",
        ),
        RelocateError::Source(AdoptError::Database(_)) | RelocateError::Read(_) => UNREADABLE,
        RelocateError::Source(AdoptError::Key(_)) => {
            ("wrong_key", "put the key with which the server ran into DIR/sealing.key")
        }
        RelocateError::Source(AdoptError::Newer { .. }) => {
            ("newer", "use the version of Larder that wrote it, or a newer one")
        }
        RelocateError::Source(AdoptError::Damaged(_) | AdoptError::Foreign) | RelocateError::Row { .. } => {
            ("damaged", "restore a backup to another directory, and move that one")
        }
        RelocateError::Older { .. } => (
            "older",
            "start this version of the server on DIR once, stop it, and move it then: it brings the database up to date",
        ),
        RelocateError::Rotating => (
            "rotating",
            "start the server on DIR without --database and wait until `larder key status` says that there is one key",
        ),
        RelocateError::RotatingThere => (
            "rotating",
            "start a server with --database and DIR as its data directory, wait until `larder key status` says that there is one key, and stop it then",
        ),
        RelocateError::Foreign => ("foreign", "make a database of its own: CREATE DATABASE larder"),
        RelocateError::Occupied { is_same: true } => {
            ("not_empty", "if it was moved before, start the server with --database; otherwise make another database")
        }
        RelocateError::Occupied { is_same: false } => {
            ("not_empty", "make a database of its own: CREATE DATABASE larder")
        }
        RelocateError::Unmarkable { .. } => {
            ("unreadable", "nothing was stored there; see that DIR can be written, and that its disk has room")
        }
        RelocateError::Unknown { .. } => (
            "outcome_unknown",
            "look into the database (`SELECT id FROM installation`): if there is one, start the server with --database; if there is none, remove \
             DIR/moved-to-database and try again",
        ),
        RelocateError::Target(_) => {
            ("database_failed", "nothing was stored there; see the log of the database's server, and try again")
        }
        RelocateError::Schema { .. } => ("other_schema", "use the version of Larder that the servers run"),
        RelocateError::Different(_)
        | RelocateError::Shape(_)
        | RelocateError::Lacking(_)
        | RelocateError::Made(_)
        | RelocateError::BrokenOff
        | RelocateError::Panicked => {
            ("mistake", "nothing was stored there, and DIR is as it was; this is a mistake of Larder's: report it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_both_is_a_data_directory() {
        let args = |from: &str, to: &str| {
            let (Ok(from), Ok(to)) = (place(from), place(to));
            MigrateArgs { from, to, ca_file: None }
        };
        let (dir, url) = ("sqlite:/var/lib/larder", "postgres://u:secret-word@db/larder");
        for (from, to, is_back) in [(dir, url, false), (url, dir, true)] {
            let args = args(from, to);
            let way = way(&args).unwrap();
            assert_eq!((way.dir, way.is_back), (Path::new("/var/lib/larder"), is_back));
        }
        for (from, to) in [
            (dir, dir),
            (url, url),
            ("/var/lib/larder", url),
            ("sqlite:", url),
            (dir, "mysql://secret-word@db"),
            (url, ""),
        ] {
            let said = format!("{:#}", way(&args(from, to)).map(drop).unwrap_err());
            assert!(
                !said.contains("secret-word") && (said.contains("sqlite:/var") || said.contains("postgres://")),
                "{said}"
            );
        }
    }

    #[test]
    fn what_was_moved_is_told_table_by_table() {
        let moved = Relocated {
            installation: larder_domain::InstallationId::generate(),
            tables: vec![("app".into(), 3), ("history".into(), 1200)],
            altered: 0,
            to: "postgres://db/larder".into(),
        };
        assert_eq!(tables(&moved), "TABLE    ROWS\napp      3\nhistory  1200\n");
        let told = for_programs(
            &Way { dir: Path::new("/data"), database: &SecretString::new(""), is_back: false },
            &moved,
            1.5,
        );
        assert_eq!((&told["tables"]["history"], &told["to"]), (&json!(1200), &json!("postgres://db/larder")));
        let progress = Progress { is_check: false, table: "history", rows: 1000, of: 1200 };
        assert_eq!(doing(progress), "moving history: 1000 of 1200 rows");
    }
}
