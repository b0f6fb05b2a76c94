//! Leasing due work, round robin over providers: one piece each in turn, beginning after the provider that was served last. So
//! a provider with a million pieces waits for its turn like one with a single piece.
//!
//! The index `work_open` is ordered by provider and then by when a piece can be leased: one seek finds a provider's earliest
//! piece, however many it has.

use std::collections::VecDeque;

use larder_domain::ports::{Storage, StoreError};
use larder_domain::work::{LEASE_MS, Lease, Subject, WorkKind};
use larder_domain::{AddonId, Event, Next, StoreTime};
use larder_domain::{ProviderName, ids::NodeId};

use super::plan;
use crate::sql::addons::{Brought, SealedRecord, step};
use crate::sql::database::Conn;
use crate::sql::error::{Failure, Result};
use crate::sql::rows::Columns;
use crate::sql::tx::{Memory, Tx, find};

/// Pieces of work that one call leases at most.
const LEASES_PER_CALL_MAX: usize = 1_024;
/// Pieces that one call puts to rest or plans anew on its way to those that it leases.
const PASSED_PER_CALL_MAX: usize = 1_024;
/// How long work is put off about which the store holds something unreadable, in milliseconds.
const UNREADABLE_WAIT_MS: u64 = 60_000;

/// A lease, with what its holder needs to begin; still sealed.
pub(super) enum SealedLease {
    Addon { lease: Lease, record: Box<SealedRecord>, next: Next },
    Other(Lease),
}

/// The earliest piece of a provider's work.
pub(super) struct Head {
    pub(super) provider: ProviderName,
    pub(super) open_at: StoreTime,
    kind: WorkKind,
    subject: Subject,
}

/// Leases up to `count_max` pieces.
pub(super) fn lease_due(
    tx: &mut Tx<'_>,
    owner: NodeId,
    count_max: usize,
    saturated: &[ProviderName],
) -> Result<Vec<SealedLease>> {
    let left = count_max.min(LEASES_PER_CALL_MAX);
    let mut round = Round { owner, left, passes_left: PASSED_PER_CALL_MAX, leased: vec![] };
    let Memory { agenda, served, .. } = &mut *tx.memory;
    let hungry = agenda.due(tx.conn, tx.now, served.as_ref())?.filter(|provider| !saturated.contains(provider));
    let mut circle: VecDeque<ProviderName> = hungry.cloned().collect();
    while round.goes_on()
        && let Some(provider) = circle.pop_front()
    {
        if round.serve(tx, &provider)? {
            circle.push_back(provider);
        }
    }
    Ok(round.leased)
}

/// When the earliest piece can be leased of all providers but the saturated ones.
pub(super) fn next_due(conn: &Conn, saturated: &[ProviderName]) -> Result<Option<StoreTime>> {
    let (mut at, mut earliest) = (String::new(), None);
    while let Some(head) = next_head(conn, &at)? {
        at = head.provider.as_str().to_owned();
        if !saturated.contains(&head.provider) {
            earliest = Some(earliest.map_or(head.open_at, |e: StoreTime| e.min(head.open_at)));
        }
    }
    Ok(earliest)
}

/// One call's leasing.
struct Round {
    owner: NodeId,
    left: usize,
    passes_left: usize,
    leased: Vec<SealedLease>,
}

impl Round {
    const fn goes_on(&self) -> bool {
        self.left > 0 && self.passes_left > 0
    }

    /// Leases one piece of a provider's due work, past those that turn out to need nothing now. False if there is none.
    fn serve(&mut self, tx: &mut Tx<'_>, provider: &ProviderName) -> Result<bool> {
        while self.goes_on() {
            let head = head_of(tx.conn, provider)?;
            tx.memory.agenda.set(provider, head.as_ref().map(|head| head.open_at));
            let Some(due) = head.filter(|head| head.open_at <= tx.now) else { return Ok(false) };
            let leased = match due.subject {
                Subject::Addon(id) if due.kind == WorkKind::Addon => self.lease_addon(tx, due, id)?,
                _ => Some(SealedLease::Other(self.lease(tx, due)?)),
            };
            if let Some(leased) = leased {
                self.left -= 1;
                self.leased.push(leased);
                tx.memory.served = Some(provider.clone());
                return Ok(true);
            }
            self.passes_left -= 1;
        }
        Ok(false)
    }

    /// Wakes an addon and leases its step. An addon that needs none now is put to rest, or planned for later.
    fn lease_addon(&self, tx: &mut Tx<'_>, head: Head, id: AddonId) -> Result<Option<SealedLease>> {
        let (record, next) = match wake(tx, id) {
            Err(Failure(
                error @ (StoreError::Corrupt(_) | StoreError::Missing(_) | StoreError::Storage(Storage::Damaged)),
            )) => {
                // One row that can't be read must not hold up all the others for ever.
                tracing::error!(%error, addon = %id, "work was put off, as the store can't read what it is about");
                plan::free(tx, head.kind, &head.subject, &head.provider, tx.now.plus_ms(UNREADABLE_WAIT_MS))?;
                return Ok(None);
            }
            other => other?,
        };
        match next {
            Next::Do(_) => {
                let lease = self.lease(tx, head)?;
                return Ok(Some(SealedLease::Addon { lease, record: Box::new(record), next }));
            }
            Next::At(due) => plan::free(tx, head.kind, &head.subject, &head.provider, due)?,
            Next::Rest | Next::Unchanged => plan::rest(tx, head.kind, &head.subject)?,
        }
        Ok(None)
    }

    fn lease(&self, tx: &mut Tx<'_>, head: Head) -> Result<Lease> {
        let Head { provider, kind, subject, .. } = head;
        let (token, until) = (tx.next_token(), tx.now.plus_ms(LEASE_MS));
        tx.execute(
            "UPDATE work SET lease_owner = ?1, lease_until = ?2, lease_token = ?3, token = ?3, poked = FALSE
             WHERE subject = ?4 AND kind = ?5",
            (self.owner.0.as_bytes(), until.0, token.0, subject.to_string(), kind.as_str()),
        )?;
        Ok(Lease { kind, subject, provider, owner: self.owner, token, until })
    }
}

/// Tells an addon that a worker is there for it.
fn wake(tx: &mut Tx<'_>, id: AddonId) -> Result<(SealedRecord, Next)> {
    let mut record = SealedRecord::load(tx.conn, id)?.ok_or(StoreError::Missing("addon"))?;
    let (progress, next) = step(tx, &record.progress, &Event::Woken, &Brought::default())?;
    (record.progress, record.updated_at) = (progress, tx.wall);
    Ok((record, next))
}

/// The earliest piece of the first provider whose name comes after this one.
pub(super) fn next_head(conn: &Conn, after: &str) -> Result<Option<Head>> {
    let sql = "SELECT provider, open_at, kind, subject FROM work WHERE provider > ? ORDER BY provider, open_at, subject, kind LIMIT 1";
    find(conn, sql, [after], read_head)
}

/// The earliest piece of a provider.
fn head_of(conn: &Conn, provider: &ProviderName) -> Result<Option<Head>> {
    let sql =
        "SELECT provider, open_at, kind, subject FROM work WHERE provider = ? ORDER BY open_at, subject, kind LIMIT 1";
    find(conn, sql, [provider.as_str()], read_head)
}

fn read_head(row: &mut Columns<'_>) -> Result<Head> {
    Ok(Head {
        provider: row.parsed("a provider's name")?,
        open_at: row.time()?,
        kind: row.named("a kind of work", WorkKind::from_name)?,
        subject: row.parsed("a subject of work")?,
    })
}
