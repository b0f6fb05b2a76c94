//! Where the store is: in a file in the data directory, or in a database of a PostgreSQL server.

use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use larder_domain::{NodeName, SecretString};
use larder_sandbox::Roots;
use larder_store::{KeyfileSealer, Server, SqlStore, SystemClock, Time, claim};

use super::files::DataDir;

/// What can be said of the store.
#[derive(Debug, Clone, Args)]
pub(crate) struct DatabaseArgs {
    /// Keep everything in a database of a PostgreSQL server, like postgres://larder:PASSWORD@db.internal/larder, and not in the data directory
    #[arg(long, value_name = "URL", env = "LARDER_DATABASE", hide_env_values = true, value_parser = secret)]
    database: Option<SecretString>,
    /// What this server is called among those that share a database; the machine's name if it is not said
    #[arg(long, value_name = "NAME", env = "LARDER_NODE_NAME", requires = "database")]
    node_name: Option<NodeName>,
}

/// Anything: what a parser refuses is shown, and there may be a password in it.
pub(crate) fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::new(text))
}

/// The other form of addresses has words apart by blanks: of one with a mistake, a password's piece may be taken for an option, and told.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Whether it is an address of a database at all.
pub(crate) fn refuse_other_schemes(url: &SecretString) -> anyhow::Result<()> {
    let is_one = SCHEMES.iter().any(|scheme| url.reveal().starts_with(scheme));
    anyhow::ensure!(is_one, "an address like postgres://USER:PASSWORD@HOST/DATABASE is wanted");
    Ok(())
}

/// A store, and the claim on the data directory where the store itself has none.
pub(super) struct Opened {
    pub(super) store: Arc<SqlStore>,
    _claim: Option<File>,
}

/// Opens the store. From here on the data directory is this process's alone.
pub(super) fn open(
    args: DatabaseArgs,
    dir: &DataDir,
    roots: &Roots,
    sealer: Arc<KeyfileSealer>,
) -> anyhow::Result<Opened> {
    let clock = Arc::new(SystemClock::new());
    let Some(url) = args.database else {
        return Ok(Opened { store: Arc::new(SqlStore::open(dir.path(), sealer, clock)?), _claim: None });
    };
    refuse_other_schemes(&url).context("--database can't be used; leave it out to use the data directory")?;
    let claim = claim(dir.path())?;
    let tls = roots.client_config().context("TLS can't be spoken")?;
    let node = args.node_name.map_or_else(machine, Ok)?;
    let home = dir.node_id()?;
    let store = SqlStore::connect(Server { url, tls, time: Time::Servers, node, home }, sealer, clock)?;
    Ok(Opened { store: Arc::new(store), _claim: Some(claim) })
}

/// The machine's name up to its domain, as far as it can be a node's.
fn machine() -> anyhow::Result<NodeName> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_lowercase();
    let label = name.split('.').next().unwrap_or_default().replace('_', "-");
    label.parse().context("this machine's name can't be a node's; give one with --node-name")
}
