//! What Larder does: the use cases behind the API, and the worker that drives addons.
//!
//! Everything here goes through the ports of `larder-domain`; there is no SQL, no HTTP and no wasm. A use case writes
//! an intent and returns; the worker, woken by that commit, makes it true.

mod activate;
mod addons;
mod apps;
mod aside;
mod backups;
mod checks;
mod containers;
mod control;
mod doctor;
mod engines;
mod environment;
mod error;
mod grants;
mod health;
mod keys;
mod metrics;
mod networks;
mod nodes;
mod offers;
mod options;
mod providers;
mod quotas;
mod restarts;
mod schema;
mod sink;
mod transfers;
mod troubles;
mod turns;
mod waiters;
mod whose;
pub mod worker;

pub use addons::{CreateAddon, NewAddonState, PatchAddon, WAIT_MS_MAX};
pub use apps::check_own_value;
pub use backups::BackupStream;
pub use containers::{EngineSettings, NamedEngine};
pub use control::Control;
pub use doctor::{EngineReport, EngineSource, EngineState, Pruned};
pub use engines::EngineMaker;
pub use environment::{EnvironmentVariable, SERVICES_VARIABLE};
pub use error::{Code, ControlError};
pub use networks::{Place, Reached};
pub use offers::{Offer, Offers};
pub use providers::Uploaded;
pub use sink::NoSink;
pub use transfers::{BrokeOff, BrokenBody, Exported, ImportBody, TransferLimits};
pub use troubles::Pauses;
pub use worker::{Worker, WorkerConfig};
