//! What is due, and who may write about it: every change of a row of `work` but the leasing itself.
//!
//! A row's `token` rises with every lease and every user's wish; `lease_token` is the one that the holder was given. While the
//! two are the same, the holder may write. Once they differ, its lease is superseded: it may no longer write, but nobody else
//! may begin either before it says that its call has ended, or its lease runs out. So calls for one subject never overlap.
//!
//! A poke is less than a wish: something has changed that the work is to look at. The holder goes on and may write, and whatever
//! it plans, the work is due once more when its lease ends.

use larder_domain::ports::StoreError;
use larder_domain::work::{Lease, Subject, WorkKind};
use larder_domain::{AddonId, EngineName, Next, ProviderName, StoreTime};

use crate::sql::database::Binds;
use crate::sql::error::Result;
use crate::sql::tx::Tx;

/// Makes work due for a subject that has none.
pub(in crate::sql) fn begin(tx: &mut Tx<'_>, kind: WorkKind, subject: &Subject, provider: &ProviderName) -> Result<()> {
    wish(tx, kind, subject, provider, tx.now)
}

/// Finds a row if a token is still the one under which the subject is driven. It wants the subject, the kind and the token.
pub(in crate::sql) const HOLDS: &str =
    "SELECT 1 FROM work WHERE subject = ?1 AND kind = ?2 AND token = ?3 AND lease_token = ?3";

/// Whether a lease still lets its holder write. One that has run out does as long as nobody else took the work: there is no one whom it
/// could disturb.
pub(in crate::sql) fn is_held(tx: &Tx<'_>, lease: &Lease) -> Result<bool> {
    Ok(tx.find(HOLDS, (lease.subject.to_string(), lease.kind.as_str(), lease.token.0), |_| Ok(()))?.is_some())
}

/// Fails unless the lease is about this subject and still lets its holder write.
pub(in crate::sql) fn check_lease(tx: &Tx<'_>, lease: &Lease, subject: &Subject) -> Result<()> {
    if lease.subject == *subject && is_held(tx, lease)? { Ok(()) } else { Err(StoreError::Fenced.into()) }
}

/// Whether somebody has poked since the lease of an addon's work began, as a part of a query about the addon: nothing, unless it still lets
/// its holder write. It wants the lease's subject, kind and token as `?2`, `?3` and `?4`.
macro_rules! poked_under_lease {
    () => {
        "(SELECT poked FROM work WHERE subject = ?2 AND kind = ?3 AND token = ?4 AND lease_token = ?4)"
    };
}
pub(in crate::sql) use poked_under_lease;

/// Plans what a holder's result asks for. Whatever ends its turn ends its lease.
pub(in crate::sql) fn after_result(tx: &mut Tx<'_>, lease: &Lease, is_poked: bool, next: Next) -> Result<()> {
    match next {
        Next::Do(_) | Next::Unchanged => Ok(()),
        Next::At(due) => free(tx, lease.kind, &lease.subject, &lease.provider, due, is_poked),
        Next::Rest => rest(tx, lease.kind, &lease.subject),
    }
}

/// Plans what a user's wish asks for, and takes the right to write from whoever has it.
pub(in crate::sql) fn after_wish(
    tx: &mut Tx<'_>,
    kind: WorkKind,
    subject: &Subject,
    provider: &ProviderName,
    next: Next,
) -> Result<()> {
    tx.memory.poked.wish = true;
    match next {
        Next::Unchanged => Ok(()),
        Next::At(due) => wish(tx, kind, subject, provider, due),
        Next::Do(_) => wish(tx, kind, subject, provider, tx.now),
        Next::Rest => rest_unless_leased(tx, kind, subject, provider),
    }
}

/// Makes work due. A lease stays with its holder, superseded.
pub(in crate::sql) fn wish(
    tx: &mut Tx<'_>,
    kind: WorkKind,
    subject: &Subject,
    provider: &ProviderName,
    due: StoreTime,
) -> Result<()> {
    let token = tx.next_token();
    may_be_due(tx, provider, due);
    tx.memory.ahead.forget_subject(subject);
    let addon = match subject {
        Subject::Addon(id) | Subject::Objects(id) => Some(*id.0.as_bytes()),
        Subject::Version(..) => None,
    };
    tx.write(
        "INSERT INTO work (subject, kind, provider, engine, due, token)
         VALUES (?, ?, ?, coalesce((SELECT engine FROM addon_detail WHERE addon = ?), ''), ?, ?)
         ON CONFLICT (subject, kind) DO UPDATE SET due = excluded.due, token = excluded.token",
        (subject.to_string(), kind.as_str(), provider.as_str(), addon, due.0, token.0),
    )?;
    Ok(())
}

/// An addon is on this engine from now on, and so is all work about it.
pub(in crate::sql) fn pin(tx: &Tx<'_>, addon: AddonId, engine: &EngineName) -> Result<()> {
    for subject in [Subject::Addon(addon), Subject::Objects(addon)] {
        tx.write("UPDATE work SET engine = ? WHERE subject = ?", (engine.as_str(), subject.to_string()))?;
    }
    Ok(())
}

/// Makes work due now: work that there is, or, for a provider, also work that there isn't. A holder that is at it goes on, and
/// the work is due again when its lease ends: it may have looked before this.
pub(in crate::sql) fn poke(
    tx: &mut Tx<'_>,
    kind: WorkKind,
    subject: &Subject,
    provider: Option<&ProviderName>,
) -> Result<()> {
    let sql = "UPDATE work SET due = CASE WHEN due < ?1 THEN due ELSE ?1 END, poked = lease_token IS NOT NULL
               WHERE subject = ?2 AND kind = ?3 RETURNING provider";
    tx.memory.ahead.forget_subject(subject);
    let poked = tx.find(sql, (tx.now.0, subject.to_string(), kind.as_str()), |row| {
        row.parsed::<ProviderName>("a provider's name")
    })?;
    match (poked, provider) {
        (Some(provider), _) => may_be_due(tx, &provider, tx.now),
        (None, Some(provider)) => wish(tx, kind, subject, provider, tx.now)?,
        (None, None) => {}
    }
    Ok(())
}

/// Makes all of a provider's work of a kind due now, as a user's wish about each.
pub(in crate::sql) fn wish_all(tx: &mut Tx<'_>, kind: WorkKind, provider: &ProviderName) -> Result<()> {
    let token = tx.next_token();
    may_be_due(tx, provider, tx.now);
    tx.memory.ahead.forget_all();
    tx.memory.poked.wish = true;
    tx.write(
        "UPDATE work SET due = CASE WHEN due < ?1 THEN due ELSE ?1 END, token = ?2 WHERE provider = ?3 AND kind = ?4",
        (tx.now.0, token.0, provider.as_str(), kind.as_str()),
    )?;
    Ok(())
}

/// Ends a lease and plans the next turn: when it was poked for, if somebody has poked meanwhile, which is good for one turn. Whoever says
/// `is_poked` has to be right or say too much, since others look for the work no earlier than they hear of here.
pub(in crate::sql) fn free(
    tx: &mut Tx<'_>,
    kind: WorkKind,
    subject: &Subject,
    provider: &ProviderName,
    due: StoreTime,
    is_poked: bool,
) -> Result<()> {
    tx.memory.ahead.forget_subject(subject);
    write_about(
        tx,
        subject,
        "UPDATE work SET due = CASE WHEN poked AND due < ?1 THEN due ELSE ?1 END, poked = FALSE, lease_owner = NULL, lease_until = NULL,
             lease_token = NULL WHERE subject = ?2 AND kind = ?3",
        (due.0, subject.to_string(), kind.as_str()),
    )?;
    may_be_due(tx, provider, if is_poked { due.min(tx.now) } else { due });
    Ok(())
}

/// Gives a lease back. A superseded one ends too, but the wish that superseded it has planned the next turn already.
pub(in crate::sql) fn release(tx: &mut Tx<'_>, lease: &Lease, due: StoreTime) -> Result<()> {
    // That plan may be of any time, so let somebody look.
    may_be_due(tx, &lease.provider, StoreTime::default());
    tx.memory.ahead.forget_subject(&lease.subject);
    tx.write(
        "UPDATE work SET due = CASE WHEN due < ?1 AND (token <> lease_token OR poked) THEN due ELSE ?1 END, poked = FALSE, lease_owner = NULL,
             lease_until = NULL, lease_token = NULL
         WHERE subject = ?2 AND kind = ?3 AND lease_token = ?4",
        (due.0, lease.subject.to_string(), lease.kind.as_str(), lease.token.0),
    )?;
    Ok(())
}

/// Runs a statement that reads and writes nothing but one row of `work`.
pub(super) fn write_about(tx: &Tx<'_>, subject: &Subject, sql: &str, binds: impl Binds) -> Result<()> {
    match subject {
        Subject::Addon(addon) | Subject::Objects(addon) => tx.write_about(*addon, sql, binds),
        Subject::Version(..) => tx.write(sql, binds),
    }
}

/// Tells those who look for due work that there may be some.
fn may_be_due(tx: &mut Tx<'_>, provider: &ProviderName, from: StoreTime) {
    tx.memory.agenda.hear(provider, from);
    if from <= tx.now {
        tx.memory.poked.work = true;
    } else {
        tx.memory.poked.plans = true;
    }
}

/// Ends a lease, if there is one, and all plans.
pub(in crate::sql) fn rest(tx: &mut Tx<'_>, kind: WorkKind, subject: &Subject) -> Result<()> {
    tx.memory.ahead.forget_subject(subject);
    tx.write("DELETE FROM work WHERE subject = ? AND kind = ?", (subject.to_string(), kind.as_str()))?;
    Ok(())
}

/// Ends a lease, and all plans but that of somebody who poked meanwhile.
pub(in crate::sql) fn rest_unless_poked(tx: &mut Tx<'_>, lease: &Lease) -> Result<()> {
    tx.memory.ahead.forget_subject(&lease.subject);
    let sql = "DELETE FROM work WHERE subject = ? AND kind = ? AND NOT poked";
    match tx.execute(sql, (lease.subject.to_string(), lease.kind.as_str()))? {
        0 => free(tx, lease.kind, &lease.subject, &lease.provider, tx.now, true),
        _ => Ok(()),
    }
}

/// Ends all plans. Under a lease the row stays, superseded and due: whoever leases it next finds that there is nothing to do.
fn rest_unless_leased(tx: &mut Tx<'_>, kind: WorkKind, subject: &Subject, provider: &ProviderName) -> Result<()> {
    may_be_due(tx, provider, tx.now);
    tx.memory.ahead.forget_subject(subject);
    let (text, now) = (subject.to_string(), tx.now.0);
    let token = tx.next_token();
    tx.write(
        "DELETE FROM work WHERE subject = ? AND kind = ? AND coalesce(lease_until, 0) <= ?",
        (&text, kind.as_str(), now),
    )?;
    tx.write(
        "UPDATE work SET due = ?, token = ? WHERE subject = ? AND kind = ?",
        (now, token.0, &text, kind.as_str()),
    )?;
    Ok(())
}
