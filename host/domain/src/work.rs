//! Due work: what a worker leases, does, and writes back under its token.

use std::fmt;
use std::str::FromStr;

use crate::addon::named;
use crate::ids::{AddonId, Digest, NodeId};
use crate::names::ProviderName;
use crate::time::StoreTime;

/// How long a lease lasts, in milliseconds.
pub const LEASE_MS: u64 = 15_000;
/// How often leases are renewed while their calls run, in milliseconds.
pub const LEASE_RENEWAL_MS: u64 = 5_000;

named! {
    /// What is to be done.
    WorkKind {
        /// The next step of an addon's life, its cleanup included.
        Addon = "addon",
        /// Make an addon's objects be what they are to be.
        Objects = "objects",
        /// Compile and check an uploaded version.
        CheckVersion = "check_version",
    }
}

/// Whom work is about, as typed text: `addon/<id>`, `objects/<id>`, `version/<provider>/<digest>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An addon.
    Addon(AddonId),
    /// An addon's objects on an engine.
    Objects(AddonId),
    /// A version of a provider.
    Version(ProviderName, Digest),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addon(id) => write!(f, "addon/{id}"),
            Self::Objects(id) => write!(f, "objects/{id}"),
            Self::Version(provider, digest) => write!(f, "version/{provider}/{digest}"),
        }
    }
}

/// A text that is no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no subject of work")]
pub struct BadSubject(String);

impl FromStr for Subject {
    type Err = BadSubject;

    fn from_str(text: &str) -> Result<Self, BadSubject> {
        let bad = || BadSubject(text.to_owned());
        let (kind, rest) = text.split_once('/').ok_or_else(bad)?;
        match (kind, rest.split_once('/')) {
            ("addon", None) => rest.parse().map(Self::Addon).map_err(|_| bad()),
            ("objects", None) => rest.parse().map(Self::Objects).map_err(|_| bad()),
            ("version", Some((provider, digest))) => {
                Ok(Self::Version(provider.parse().map_err(|_| bad())?, digest.parse().map_err(|_| bad())?))
            }
            _ => Err(bad()),
        }
    }
}

/// Rises with every lease of a piece of work and with every user's wish about its subject, so that whoever holds an older
/// one can no longer write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// The right to do one piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What to do.
    pub kind: WorkKind,
    /// Whom it is about.
    pub subject: Subject,
    /// Whose turn it is counted as.
    pub provider: ProviderName,
    /// Who holds the lease.
    pub owner: NodeId,
    /// Fences every write made under the lease.
    pub token: Token,
    /// When it ends unless it is renewed.
    pub until: StoreTime,
}
