//! Leasing due work, round robin over providers: one piece each in turn, beginning after the provider that was served last. So
//! a provider with a million pieces waits for its turn like one with a single piece.
//!
//! The index `work_open` is ordered by provider, by engine, and then by when a piece can be leased: one seek for each engine that its
//! addons are on finds a provider's earliest pieces, however many it has. All that is read, is read for all pieces at once: a server of
//! databases is asked a few times, whether one piece is leased or a hundred.

use std::collections::VecDeque;

use larder_domain::ports::{Storage, StoreError};
use larder_domain::work::{LEASE_MS, Lease};
use larder_domain::{AddonId, Event, Next, StoreTime};
use larder_domain::{ProviderName, ids::NodeId};

use super::plan;
use super::queue::{self, Head, Piece, Queue};
use crate::sql::addons::{Brought, SealedRecord, step};
use crate::sql::database::Conn;
use crate::sql::error::{Failure, Result};
use crate::sql::nodes;
use crate::sql::tx::{Memory, Tx};

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

/// Leases up to `count_max` pieces.
pub(super) fn lease_due(
    tx: &mut Tx<'_>,
    owner: NodeId,
    count_max: usize,
    saturated: &[ProviderName],
) -> Result<Vec<SealedLease>> {
    let Some(elsewhere) = nodes::engines_to_leave(tx.conn, owner, tx.now)? else { return Ok(vec![]) };
    let left = count_max.min(LEASES_PER_CALL_MAX);
    let mut round = Round { owner, elsewhere, left, passes_left: PASSED_PER_CALL_MAX, leased: vec![] };
    let Memory { agenda, served, .. } = &mut *tx.memory;
    let (mut hungry, mut heads) = agenda.due(tx.conn, tx.now, served.as_ref())?;
    hungry.retain(|provider| !saturated.contains(provider));
    while round.goes_on() && !hungry.is_empty() {
        hungry = round.serve(tx, hungry, heads.take())?;
    }
    Ok(round.leased)
}

/// When this node can lease the earliest piece of all providers but the saturated ones.
pub(super) fn next_due(
    conn: &Conn,
    owner: NodeId,
    now: StoreTime,
    saturated: &[ProviderName],
) -> Result<Option<StoreTime>> {
    let Some(elsewhere) = nodes::engines_to_leave(conn, owner, now)? else { return Ok(None) };
    let heads = queue::heads(conn)?.into_iter();
    let own = heads.filter(|head| !saturated.contains(&head.provider) && !elsewhere.contains(&head.engine));
    Ok(own.map(|head| head.open_at).min())
}

/// One call's leasing.
struct Round {
    owner: NodeId,
    /// Engines that are others' to work on.
    elsewhere: Vec<String>,
    left: usize,
    passes_left: usize,
    leased: Vec<SealedLease>,
}

impl Round {
    const fn goes_on(&self) -> bool {
        self.left > 0 && self.passes_left > 0
    }

    /// Gives each of these providers its turns. Those that may have more due work, whose turn it is first.
    fn serve(
        &mut self,
        tx: &mut Tx<'_>,
        hungry: Vec<ProviderName>,
        heads: Option<Vec<Head>>,
    ) -> Result<Vec<ProviderName>> {
        let share = self.left.div_ceil(hungry.len());
        let places = queue::places(tx.conn, &hungry, heads)?;
        let mut circle: VecDeque<Queue> =
            queue::of_all(tx.conn, &hungry, &places, &self.elsewhere, tx.now, share)?.into();
        let (mut chosen, mut sated, chosen_max) = (vec![], vec![], self.left.min(self.passes_left));
        while chosen.len() < chosen_max
            && let Some(mut queue) = circle.pop_front()
        {
            match queue.due.pop_front() {
                Some(piece) => {
                    chosen.push(piece);
                    circle.push_back(queue);
                }
                None => sated.push(queue),
            }
        }
        for queue in circle.iter().chain(&sated) {
            tx.memory.agenda.set(&queue.provider, queue.earliest());
        }
        if chosen.is_empty() {
            return Ok(vec![]);
        }
        let leased = self.lease_all(tx, chosen);
        if leased.is_err() {
            // What was chosen is still to be had.
            tx.memory.agenda.forget();
        }
        let are_known = leased?;
        let hungry = circle.into_iter().chain(sated).filter(|queue| !are_known || queue.may_have_more(tx.now));
        let mut hungry: Vec<_> = hungry.map(|queue| queue.provider).collect();
        if !are_known {
            // Not all had the turns that they were chosen for.
            let last = hungry.iter().position(|provider| tx.memory.served.as_ref() == Some(provider));
            hungry.rotate_left(last.map_or(0, |last| last + 1));
        }
        Ok(hungry)
    }

    /// Leases these pieces, but for those that turn out to need nothing now. False if the rest has to be read anew.
    fn lease_all(&mut self, tx: &mut Tx<'_>, chosen: Vec<Piece>) -> Result<bool> {
        let ids: Vec<AddonId> = chosen.iter().filter_map(Piece::addon).collect();
        let mut records = SealedRecord::load_each_for_call(tx.conn, &ids)?.into_iter();
        for piece in chosen {
            let record = piece.addon().and_then(|id| Some((id, records.next()?)));
            let (leased, are_known) = match record {
                Some((id, record)) => self.lease_addon(tx, piece, id, record)?,
                None => (Some(SealedLease::Other(self.lease(tx, piece)?)), true),
            };
            match leased {
                Some(leased) => {
                    self.left -= 1;
                    self.leased.push(leased);
                }
                None => self.passes_left -= 1,
            }
            if !are_known {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Wakes an addon and leases its step. An addon that needs none now is put to rest, or planned for later. False if it may have told
    /// others what became of it.
    fn lease_addon(
        &self,
        tx: &mut Tx<'_>,
        piece: Piece,
        id: AddonId,
        record: Result<Option<SealedRecord>>,
    ) -> Result<(Option<SealedLease>, bool)> {
        let woken = record.and_then(|record| wake(tx, record.ok_or(StoreError::Missing("addon"))?));
        let (record, next, are_known) = match woken {
            Err(Failure(
                error @ (StoreError::Corrupt(_) | StoreError::Missing(_) | StoreError::Storage(Storage::Damaged)),
            )) => {
                // One row that can't be read must not hold up all the others for ever.
                tracing::error!(%error, addon = %id, "work was put off, as the store can't read what it is about");
                plan::free(
                    tx,
                    piece.kind,
                    &piece.subject,
                    &piece.provider,
                    tx.now.plus_ms(UNREADABLE_WAIT_MS),
                    piece.poked,
                )?;
                // It may have got half through.
                return Ok((None, false));
            }
            other => other?,
        };
        match next {
            Next::Do(_) => {
                let lease = self.lease(tx, piece)?;
                return Ok((Some(SealedLease::Addon { lease, record: Box::new(record), next }), are_known));
            }
            Next::At(due) => plan::free(tx, piece.kind, &piece.subject, &piece.provider, due, piece.poked)?,
            Next::Rest | Next::Unchanged => plan::rest(tx, piece.kind, &piece.subject)?,
        }
        Ok((None, are_known))
    }

    fn lease(&self, tx: &mut Tx<'_>, piece: Piece) -> Result<Lease> {
        let Piece { provider, kind, subject, .. } = piece;
        let (token, until) = (tx.next_token(), tx.now.plus_ms(LEASE_MS));
        plan::write_about(
            tx,
            &subject,
            "UPDATE work SET lease_owner = ?1, lease_until = ?2, lease_token = ?3, token = ?3, poked = FALSE
             WHERE subject = ?4 AND kind = ?5",
            (self.owner.0.as_bytes(), until.0, token.0, subject.to_string(), kind.as_str()),
        )?;
        tx.memory.ahead.forget_subject(&subject);
        tx.memory.agenda.hear(&provider, until);
        tx.memory.served = Some(provider.clone());
        Ok(Lease { kind, subject, provider, owner: self.owner, token, until })
    }
}

/// Tells an addon that a worker is there for it. False if others may have been told of that.
fn wake(tx: &mut Tx<'_>, mut record: SealedRecord) -> Result<(SealedRecord, Next, bool)> {
    let before = record.progress.addon.state;
    let (progress, next) = step(tx, &record.progress, &Event::Woken, &Brought::default())?;
    (record.progress, record.updated_at) = (progress, tx.wall);
    let is_as_before = record.progress.addon.state == before;
    Ok((record, next, is_as_before))
}
