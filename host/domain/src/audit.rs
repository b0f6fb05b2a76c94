//! The audit log: what was done to providers and to the installation as a whole, and what opens the way to deleting an addon; when,
//! and by whom. For whoever has to answer for an installation.
//!
//! What a provider was refused at run time stands in its addon's history, which is bounded for each addon: here, a hostile one
//! could push out the very grants that it lives by.

use serde_json::Value;

use crate::addon::named;
use crate::names::ProviderName;
use crate::time::WallTime;

/// How many entries are kept; the oldest go first.
pub const AUDIT_ENTRIES_MAX: u64 = 100_000;

named! {
    /// Who did it.
    Actor {
        /// Whoever holds the admin token.
        Admin = "admin",
        /// The host by itself: a check ended, or a grant let a waiting version serve.
        Host = "host",
    }
}

named! {
    /// What was done.
    Action {
        /// A component was stored as a version, or its check asked for again.
        Uploaded = "uploaded",
        /// A version passed its checks.
        Accepted = "accepted",
        /// A version did not.
        Refused = "refused",
        /// A version serves from now on.
        Activated = "activated",
        /// The provider may do something more.
        Granted = "granted",
        /// The provider may do something no longer.
        Revoked = "revoked",
        /// The provider's limits were set anew.
        Limited = "limited",
        /// How many addons there may be was set anew: of the provider's plans, or of an app.
        QuotaSet = "quota_set",
        /// The provider's options were set anew; their values are not told.
        Configured = "configured",
        /// The provider went, with its versions and grants.
        Removed = "removed",
        /// Deleting an addon of the provider's is refused from now on.
        Protected = "protected",
        /// It is no longer.
        Unprotected = "unprotected",
        /// A copy of everything was asked for.
        BackedUp = "backed_up",
        /// What follows goes on from a backup.
        Restored = "restored",
        /// Everything was moved to another database, where what follows goes on.
        Moved = "moved",
        /// Everything is to be sealed with a new key.
        KeyAdded = "key_added",
        /// Nothing needs the keys of before any more, and they are gone.
        KeyRotated = "key_rotated",
        /// An engine was added, or what is said of one that was is something else now.
        EngineAdded = "engine_added",
        /// One that was added is none of the installation's any more.
        EngineForgotten = "engine_forgotten",
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Later ones have higher numbers.
    pub id: u64,
    /// When.
    pub at: WallTime,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To which provider; none for what was done to the installation. It may be gone by now.
    pub provider: Option<ProviderName>,
    /// The particulars: an object.
    pub data: Value,
}
