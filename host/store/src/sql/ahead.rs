//! What a group's jobs are going to read of their addons, read for all of them at once: else a server of databases is asked once for each,
//! and holds up all other nodes meanwhile. Whatever changes what is read here (the row of an addon; whether a lease of its work is good, and
//! whether somebody has poked) has to say so ([`Ahead::forget`]), since jobs of one group may be about the same one.

use std::collections::HashMap;

use larder_domain::AddonId;
use larder_domain::work::{Lease, Subject, Token};

use super::addons::Progress;
use super::database::Conn;
use super::error::Result;

/// Addons as they stand within the transaction.
#[derive(Debug, Default)]
pub(super) struct Ahead(HashMap<AddonId, (Token, Known)>);

/// An addon, and whether somebody has poked since a lease of it began; nothing, if that lease is good for no more.
pub(super) type Known = (Progress, Option<bool>);

impl Ahead {
    /// Reads the addons of these leases.
    pub(super) fn read(conn: &Conn, leases: &[&Lease]) -> Result<Self> {
        let found = Progress::load_each_under(conn, leases)?;
        let known = leases.iter().zip(found).filter_map(|(lease, known)| match (&lease.subject, known) {
            (Subject::Addon(id), Some(known)) => Some((*id, (lease.token, known))),
            _ => None,
        });
        Ok(Self(known.collect()))
    }

    /// What is known of a lease's addon.
    pub(super) fn take(&mut self, lease: &Lease) -> Option<Known> {
        let Subject::Addon(id) = lease.subject else { return None };
        let (token, known) = self.0.remove(&id)?;
        (token == lease.token).then_some(known)
    }

    /// This addon is changed, or the work about it.
    pub(super) fn forget(&mut self, addon: AddonId) {
        self.0.remove(&addon);
    }

    /// The same of what a piece of work is about.
    pub(super) fn forget_subject(&mut self, subject: &Subject) {
        if let Subject::Addon(id) | Subject::Objects(id) = subject {
            self.forget(*id);
        }
    }

    /// Any may be changed.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}
