//! When each provider's earliest piece of work can be leased, remembered by the writer: so that nobody looks for due work
//! where there can be none, however many providers wait for something.
//!
//! A time that is too early costs one look into the database, which sets it right; it is never too late. Whatever may make
//! work due earlier is therefore heard of here; and when a job is rolled back, everything is forgotten and read anew.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use larder_domain::{ProviderName, StoreTime};

use super::lease::next_head;
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

    /// The providers that may have due work, beginning after the one that was served last.
    pub(super) fn due(
        &mut self,
        conn: &Conn,
        now: StoreTime,
        served: Option<&ProviderName>,
    ) -> Result<impl Iterator<Item = &ProviderName>> {
        if self.earliest.is_none() {
            self.earliest = Some(read(conn)?);
        }
        let after = served.map_or(Unbounded, Excluded);
        let known = self.earliest.iter();
        let circle = known.flat_map(move |all| {
            let rest = all.iter().take_while(move |(provider, _)| served.is_some_and(|served| *provider <= served));
            all.range::<ProviderName, _>((after, Unbounded)).chain(rest)
        });
        Ok(circle.filter(move |(_, from)| **from <= now).map(|(provider, _)| provider))
    }
}

/// One seek for each provider and engine.
fn read(conn: &Conn) -> Result<BTreeMap<ProviderName, StoreTime>> {
    let mut earliest = BTreeMap::new();
    let mut last = (String::new(), String::new());
    while let Some(head) = next_head(conn, (&last.0, &last.1))? {
        last = (head.provider.as_str().to_owned(), head.engine);
        let time: &mut StoreTime = earliest.entry(head.provider).or_insert(head.open_at);
        *time = head.open_at.min(*time);
    }
    Ok(earliest)
}
