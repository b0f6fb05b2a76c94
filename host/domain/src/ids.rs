//! One type per kind of identifier, so that none can be taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::WallTime;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier. Version 7 (RFC 9562, section 5.7): ordered by time of creation, so
            /// that new rows stand together at the end of an index, however many old ones there are.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id! {
    /// Identifies an addon for ever. Providers see it in every call and every retry.
    AddonId
}
uuid_id! {
    /// Identifies one operation on an addon.
    OperationId
}
uuid_id! {
    /// Identifies one store and everything that was made from it.
    InstallationId
}
uuid_id! {
    /// Identifies one running `larder serve`; the owner of leases.
    NodeId
}

impl OperationId {
    /// When it was generated; the beginning of time if it was not generated here.
    #[must_use]
    pub fn generated_at(self) -> WallTime {
        let (seconds, nanos) = self.0.get_timestamp().map(|stamp| stamp.to_unix()).unwrap_or_default();
        let ms = seconds.saturating_mul(1000).saturating_add(u64::from(nanos) / 1_000_000);
        WallTime(i64::try_from(ms).unwrap_or_default())
    }
}

/// The SHA-256 of a component's bytes: the identity of a provider's version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A digest is 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is named by the 64 hexadecimal digits of its SHA-256")]
pub struct BadDigest;

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(BadDigest);
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| BadDigest)?;
        }
        Ok(Self(bytes))
    }
}
