//! What the API shows. Types of their own, so that nothing of the domain is told just because it is there.

mod addon;
mod app;
mod audit;
mod catalog;
mod engine;
mod history;
mod key;
mod node;
mod provider;

pub(crate) use addon::{AddonConfigView, AddonView, AddonsView};
pub(crate) use app::{AppConfigView, AppEngineView, AppNameView, AppNetworkView, AppQuotaView, AppView, AppsView};
pub(crate) use audit::AuditView;
pub(crate) use catalog::CatalogView;
pub(crate) use engine::{EngineView, PrunedView};
pub(crate) use history::{EventView, EventsView, LogView};
pub(crate) use key::KeyView;
pub(crate) use node::NodeView;
pub(crate) use provider::{ProviderView, ProvidersView, VersionView};
