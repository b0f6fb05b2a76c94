//! `larder serve`: puts the parts together, starts them in order, and stops them in the opposite one.
//!
//! This is the only place that knows every concrete type.

pub(crate) mod database;
mod engines;
mod files;
mod http;
mod limits;
mod shipped;
mod shutdown;
mod transfers;

use std::io::{self, ErrorKind, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use larder_api::{ApiConfig, Tokens, UploadLimits};
use larder_control::worker::watch_engines;
use larder_control::{Control, NoSink, Worker, WorkerConfig};
use larder_domain::ports::Storage;
use larder_domain::quota::APP_ADDONS_MAX;
use larder_sandbox::{ArtefactDir, Compile, Roots, Sandbox, SandboxConfig};
use larder_store::{KeyfileSealer, OpenError, SqlStore};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use files::DataDir;
use shutdown::Signals;

use crate::backup::DataSource;
use crate::cli::duration;
use crate::keys::{OwnKeys, SharedKeys};

/// How long open connections may go on after a shutdown was asked for.
const CONNECTION_GRACE: Duration = Duration::from_secs(2);

/// How long exports and imports may take to be ended at a shutdown.
const TRANSFER_GRACE: Duration = Duration::from_secs(5);

/// What is logged unless `LARDER_LOG` says otherwise. The libraries warn of each broken answer that a guest gets: what guests meet
/// with is in their addons' histories, and they could fill the log with it.
const LOGGED: &str = "info,wasmtime_wasi_http=error,wasmtime_wasi=error";

/// What `larder serve` can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, env = "LARDER_LISTEN", default_value = "127.0.0.1:7117")]
    pub(crate) listen: SocketAddr,
    /// Host names beside the listen address by which clients may call this server
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    /// Authorities in PEM that TLS connections of providers, and to the database, trust beside the platform's
    #[arg(long, value_name = "FILE", env = "LARDER_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// How long what a deleted addon holds is kept, and the addon can be had back: like 24h or 7d, at most 30d; 0 for not at all
    #[arg(long, value_name = "DURATION", env = "LARDER_DELETE_GRACE", default_value = "0", value_parser = duration::parse_grace)]
    pub(crate) delete_grace: Duration,
    /// How many live addons an app may have that has no quota of its own (`larder app quota`)
    #[arg(long, value_name = "COUNT", env = "LARDER_ADDONS_PER_APP_MAX", default_value_t = APP_ADDONS_MAX, value_parser = clap::value_parser!(u64).range(..=u64::from(u32::MAX)))]
    pub(crate) addons_per_app_max: u64,
    #[command(flatten)]
    pub(crate) database: database::DatabaseArgs,
    #[command(flatten)]
    pub(crate) engine: engines::EngineArgs,
    #[command(flatten)]
    pub(crate) transfers: transfers::TransferArgs,
    /// How to write the log
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// How the server writes its log to standard error.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Whatever kept it from starting, with what to do about it.
pub(crate) async fn run(data_dir: PathBuf, args: ServeArgs) -> anyhow::Result<()> {
    start_log(args.log_format);
    limits::raise_open_files();
    let engines = engines::configured(args.engine)?;
    let dir = DataDir::prepare(&data_dir)?;
    dir.refuse_losses()?;
    let sealer = Arc::new(KeyfileSealer::from_file_or_create(&dir.key_file())?);
    let artefacts = ArtefactDir { path: dir.artefacts(), key: sealer.derived_key("artefacts")? };
    // This very program, even if its file has been replaced since.
    let itself = Compile::InChild(PathBuf::from("/proc/self/exe"));
    let roots = args.ca_file.as_deref().map(authorities).transpose()?.unwrap_or_default();
    let opened = database::open(args.database, &dir, &roots, sealer.clone())?;
    let token = dir.admin_token()?;
    let config = SandboxConfig { artefacts: Some(artefacts), roots, ..SandboxConfig::compiling(itself) };
    let sandbox = Arc::new(Sandbox::new(config)?);
    let store = Arc::clone(&opened.store);
    let control = engines.given_to(Control::new(store.clone(), sandbox, Arc::new(NoSink)));
    let control = with_upkeep(control, &dir, store, sealer).await?;
    let control = control.with_delete_grace(args.delete_grace);
    let control = control.with_transfers(args.transfers.limits()).with_app_addons_max(args.addons_per_app_max);

    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        anyhow::anyhow!(
            "can't listen on {}: {error}; choose another address with --listen, or port 0 for any free one",
            args.listen
        )
    })?;
    let address = listener.local_addr()?;
    // Before anything is done about an engine: it may be one that this node must not touch.
    control.announce(format!("http://{address}")).await?;
    let (stop, stopped) = watch::channel(false);
    let mut worker = tokio::spawn(Worker::new(control.clone(), WorkerConfig::default()).run(stopped.clone()));

    let engine_watch = tokio::spawn(watch_engines(control.clone(), stopped.clone()));

    let uploads = UploadLimits { folder: dir.uploads()?, ..UploadLimits::default() };
    let config = ApiConfig::new(Tokens::admin(&token), address, args.allow_host);
    let config = config.with_uploads(uploads).stopped_by(stopped.clone());
    let router = larder_api::router(control.clone(), config);
    let mut server = tokio::spawn(http::serve(listener, router, http::Limits::default(), stopped));
    shipped::install(&control, &dir).await?;
    dir.announce(address)?;
    tracing::info!(url = %format!("http://{address}"), data_dir = %dir.path().display(), "serving");

    // Neither part ends by itself unless it is broken, and one without the other is no server.
    let mut signals = Signals::watch();
    let broken = tokio::select! {
        _ = signals.next() => None,
        ended = &mut worker => Some(("worker", ended)),
        ended = &mut server => Some(("HTTP server", ended)),
    };
    tracing::info!("stopping; another signal ends the server at once");
    drop(tokio::spawn(signals.end_at_next()));
    dir.retract();
    stop.send_replace(true);
    if let Some((part, ended)) = broken {
        ended.with_context(|| format!("the {part} broke down"))?;
        anyhow::bail!("the {part} ended by itself");
    }
    // Their clients would wait for ever, and their containers be left.
    let _ended = timeout(TRANSFER_GRACE, control.end_transfers()).await;
    let stopped_in_time = timeout(CONNECTION_GRACE, server).await.is_ok();
    if !stopped_in_time {
        tracing::info!("closing connections that are still open");
    }
    let worked = worker.await.context("the worker broke down");
    engine_watch.await.context("the watch of the engines broke down")?;
    worked
}

/// What is done about the data directory as a whole.
async fn with_upkeep(
    control: Control,
    dir: &DataDir,
    store: Arc<SqlStore>,
    sealer: Arc<KeyfileSealer>,
) -> anyhow::Result<Control> {
    let backups = Arc::new(DataSource::new(dir.path(), Arc::clone(&store), Arc::clone(&sealer)));
    let control = control.with_backups(backups);
    sealer.tidy()?;
    if !store.is_embedded() {
        return Ok(control.with_keys(Arc::new(SharedKeys::start(store, sealer))));
    }
    let keys = OwnKeys::new(dir.path(), store, sealer);
    keys.go_on().await?;
    Ok(control.with_keys(Arc::new(keys)))
}

/// What a file of certificates adds to those that are trusted.
pub(crate) fn authorities(file: &Path) -> anyhow::Result<Roots> {
    Roots::from_pem_file(file).with_context(|| format!("{} can't be used as --ca-file", file.display()))
}

/// What is the matter with the disk, if that kept the server from starting.
pub(crate) fn storage(error: &anyhow::Error) -> Option<Storage> {
    error.chain().find_map(|cause| {
        let of_io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        match of_io {
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Some(Storage::Full),
            Some(ErrorKind::ReadOnlyFilesystem) => Some(Storage::ReadOnly),
            _ => cause.downcast_ref::<OpenError>().and_then(OpenError::storage),
        }
    })
}

fn start_log(format: LogFormat) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_from_env("LARDER_LOG").unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(coloured);
    // A logger that is there already belongs to whoever embeds the server, and stays.
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    drop(started);
}
