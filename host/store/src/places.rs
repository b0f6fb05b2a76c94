//! The place of every sealed value. A value opens only for the place it was sealed for, so nobody who can write to the
//! database can move one app's secret into another app. Changing a place makes what was sealed for it unreadable.

use larder_domain::docker::LocalName;
use larder_domain::{AddonId, AppName, EngineName, ProviderName, VariableName};

/// Where a store keeps a value that proves that the key is the right one.
pub(crate) const KEY_CHECK: &str = "installation/key_check";

/// A key on its way to other nodes.
pub(crate) fn key(name: &str) -> String {
    format!("key/{name}")
}

pub(crate) fn parameters(addon: AddonId) -> String {
    format!("addon/{addon}/parameters")
}

pub(crate) fn seed(addon: AddonId) -> String {
    format!("addon/{addon}/seed")
}

pub(crate) fn config(addon: AddonId) -> String {
    format!("addon/{addon}/config")
}

pub(crate) fn issued(addon: AddonId) -> String {
    format!("addon/{addon}/issued")
}

pub(crate) fn guest_state(addon: AddonId) -> String {
    format!("addon/{addon}/state")
}

pub(crate) fn transfer(addon: AddonId) -> String {
    format!("addon/{addon}/transfer")
}

pub(crate) fn document(addon: AddonId, object: &LocalName) -> String {
    format!("addon/{addon}/object/{object}")
}

pub(crate) fn variable(app: &AppName, name: &VariableName) -> String {
    format!("app/{app}/variable/{name}")
}

pub(crate) fn options(provider: &ProviderName) -> String {
    format!("provider/{provider}/options")
}

pub(crate) fn engine(name: &EngineName) -> String {
    format!("engine/{name}/definition")
}
