//! What Larder is about, without any of the machinery: names, the addon state machine, what guests may
//! answer, and the ports through which the rest of the host reaches stores, sandboxes and clocks.
//!
//! Nothing here does I/O, reads a clock or takes a lock. Every other crate depends on this one, so it
//! depends on almost nothing.

pub mod addon;
pub mod audit;
pub mod config;
pub mod docker;
pub mod engines;
pub mod failure;
pub mod grace;
pub mod grants;
pub mod history;
pub mod ids;
pub mod limits;
pub mod manifest;
pub mod names;
pub mod network;
pub mod node;
pub mod operation;
pub mod options;
pub mod ports;
pub mod provider;
pub mod quota;
pub mod redact;
pub mod retry;
pub mod secret;
pub mod time;
pub mod transfer;
pub mod transition;
pub mod variables;
pub mod work;

pub use addon::{Addon, AddonRecord, AddonSpec, AddonState, Cleanup, ComponentKind, ProvisionType, Role};
pub use grace::Grace;
pub use ids::{AddonId, Digest, InstallationId, OperationId};
pub use names::{
    AddonName, AppName, EngineName, NameError, NetworkName, NodeName, PlanName, ProviderName, ServiceName,
};
pub use secret::SecretString;
pub use time::{StoreTime, WallTime};
pub use transition::{Event, Illegal, Next, Step, Transition, Write, transition};
pub use variables::VariableName;
