//! When each provider's earliest piece of work can be leased, remembered by the writer: so that nobody looks for due work
//! where there can be none, however many providers wait for something.
//!
//! A time that is too early costs one look into the database, which sets it right; it is never too late. Whatever may make
//! work due earlier is therefore heard of here; and when a job is rolled back, everything is forgotten and read anew.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use larder_domain::{ProviderName, StoreTime};

use super::queue::{Head, heads};
use crate::sql::database::Conn;
use crate::sql::error::Result;

#[derive(Debug, Default)]
pub(in crate::sql) struct Agenda {
    /// None until it is read.
    earliest: Option<BTreeMap<ProviderName, StoreTime>>,
}

impl Agenda {
    /// Work of this provider may be leased from then on.
    pub(super) fn hear(&mut self, provider: &ProviderName, from: StoreTime) {
        let Some(earliest) = &mut self.earliest else { return };
        match earliest.get_mut(provider) {
            Some(time) => *time = from.min(*time),
            None => drop(earliest.insert(provider.clone(), from)),
        }
    }

    /// The database says when this provider's earliest work can be leased, or that it has none.
    pub(super) fn set(&mut self, provider: &ProviderName, from: Option<StoreTime>) {
        let Some(earliest) = &mut self.earliest else { return };
        match (earliest.get_mut(provider), from) {
            (Some(time), Some(from)) => *time = from,
            (None, Some(from)) => drop(earliest.insert(provider.clone(), from)),
            (_, None) => drop(earliest.remove(provider)),
        }
    }

    /// What was heard may not have happened.
    pub(in crate::sql) fn forget(&mut self) {
        self.earliest = None;
    }

    /// The providers that may have due work, beginning after the one that was served last; and all heads, if they had to be read.
    pub(super) fn due(
        &mut self,
        conn: &Conn,
        now: StoreTime,
        served: Option<&ProviderName>,
    ) -> Result<(Vec<ProviderName>, Option<Vec<Head>>)> {
        let read = if self.earliest.is_none() { Some(heads(conn)?) } else { None };
        let earliest = self.earliest.get_or_insert_with(|| earliest_of(read.as_deref().unwrap_or_default()));
        let after = earliest.range::<ProviderName, _>((served.map_or(Unbounded, Excluded), Unbounded));
        let rest = earliest.iter().take_while(|(provider, _)| served.is_some_and(|served| *provider <= served));
        let due = after.chain(rest).filter(|(_, from)| **from <= now).map(|(provider, _)| provider.clone());
        Ok((due.collect(), read))
    }
}

fn earliest_of(heads: &[Head]) -> BTreeMap<ProviderName, StoreTime> {
    let mut earliest = BTreeMap::new();
    for head in heads {
        let time: &mut StoreTime = earliest.entry(head.provider.clone()).or_insert(head.open_at);
        *time = head.open_at.min(*time);
    }
    earliest
}
