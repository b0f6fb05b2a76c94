//! Applying an event: read the row, ask the state machine, write its answer. It all happens within one job of the one
//! writer, so nobody can come between.

use larder_domain::history::Entry;
use larder_domain::operation::Health;
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::LogLine;
use larder_domain::ports::store::{Applied, Fence};
use larder_domain::work::{Subject, WorkKind};
use larder_domain::{AddonId, AddonState, Digest, Event, Next, PlanName, Step, Transition, Write, transition};

use super::progress::Progress;
use super::{family, history, operation, protect};
use crate::sql::claims;
use crate::sql::error::{Failure, Result};
use crate::sql::objects::{self, SealedObject};
use crate::sql::quotas;
use crate::sql::tally::{self, Counts};
use crate::sql::tx::Tx;
use crate::sql::work::plan;

/// What comes with an event. Its secrets were sealed by whoever asked, so that the writer need not.
#[derive(Debug, Default)]
pub(in crate::sql) struct Brought {
    /// What happened before the event, and is not stored yet.
    pub(super) preceded_by: Option<Event>,
    /// Whether variables that are to be set after the event are so with it.
    pub(super) sets_variables: bool,
    /// The configuration that the event brings.
    pub(super) config: Option<Vec<u8>>,
    /// The provider's whole state.
    pub(super) state: Option<Vec<u8>>,
    /// The parameters that an operation is to give the addon.
    pub(super) parameters: Option<Vec<u8>>,
    /// Where a transfer's data come from or go.
    pub(super) transfer: Option<Vec<u8>>,
    /// All objects that the addon is to have, and the version that says so.
    pub(super) objects: Option<(Digest, Vec<SealedObject>)>,
    /// All passwords that its provider was given so far.
    pub(super) issued: Option<Vec<u8>>,
    /// Whether deleting it is refused from then on.
    pub(super) protected: Option<bool>,
    pub(super) notes: Vec<Entry>,
    pub(super) log: Vec<LogLine>,
}

/// Applies an event and plans what comes next.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    addon: AddonId,
    event: &Event,
    fence: &Fence,
    brought: &Brought,
) -> Result<Applied> {
    let subject = Subject::Addon(addon);
    let (before, is_poked) = match fence {
        Fence::Lease(lease) if lease.subject != subject => return Err(StoreError::Fenced.into()),
        Fence::Lease(lease) => Progress::load_under(tx, lease)?,
        Fence::User => (Progress::load(tx, addon)?.ok_or(StoreError::Missing("addon"))?, false),
    };
    let (mut after, mut next) = match &brought.preceded_by {
        Some(earlier) => {
            let (after, _) = advance(tx, &before, earlier, &Brought::default())?;
            advance(tx, &after, event, brought)?
        }
        None => advance(tx, &before, event, brought)?,
    };
    if brought.sets_variables && next == Next::Do(Step::SetVariables) {
        (after, next) = advance(tx, &after, &Event::VariablesSet, &Brought::default())?;
    }
    save(tx, &before, &mut after, brought)?;
    if let Some(protected) = brought.protected {
        protect::set(tx, &protect::load(tx, addon)?, protected)?;
    }
    match fence {
        Fence::Lease(lease) => plan::after_result(tx, lease, is_poked, next)?,
        Fence::User => plan::after_wish(tx, WorkKind::Addon, &subject, &after.provider, next)?,
    }
    Ok(Applied { addon: after.addon, updated_at: tx.wall, next })
}

/// Applies an event and writes all of its answer but the plan.
pub(in crate::sql) fn step(
    tx: &mut Tx<'_>,
    before: &Progress,
    event: &Event,
    brought: &Brought,
) -> Result<(Progress, Next)> {
    let (mut after, next) = advance(tx, before, event, brought)?;
    save(tx, before, &mut after, brought)?;
    Ok((after, next))
}

/// Writes the addon's row as it is after one or more events, and tells those that are a part of it.
fn save(tx: &mut Tx<'_>, before: &Progress, after: &mut Progress, brought: &Brought) -> Result<()> {
    after.save(tx, before)?;
    family::tell_children(tx, before, after, brought.config.is_some())
}

/// Applies an event and writes all of its answer but the plan and the addon's row.
fn advance(tx: &mut Tx<'_>, before: &Progress, event: &Event, brought: &Brought) -> Result<(Progress, Next)> {
    let Transition { addon, writes, next } = decide(tx, before, event)?;
    let mut after = Progress { addon, ..before.clone() };
    let moves = moves(before, &after, &writes);
    let held = if moves { quotas::held(tx, before)? } else { vec![] };
    refuse_full(tx, before, &held, &writes)?;
    let is_kept = !writes.contains(&Write::DropResults);
    // Before the writes, one of which may be to forget it.
    if let Some(state) = brought.state.as_ref().filter(|_| is_kept) {
        keep_state(tx, after.addon.id, state)?;
    }
    if let Some(issued) = &brought.issued {
        tx.write("UPDATE addon_detail SET issued = ? WHERE addon = ?", (issued, after.addon.id.0.as_bytes()))?;
    }
    if let Some((by, wanted)) = brought.objects.as_ref().filter(|_| is_kept) {
        objects::want(tx, after.addon.id, &after.provider, *by, wanted)?;
    }
    for note in &brought.notes {
        history::record(tx, &mut after, note)?;
    }
    for write in writes {
        perform(tx, &mut after, write, brought)?;
    }
    history::append(tx, &mut after, &brought.log)?;
    tally::change(tx, &after, Counts::of(&before.addon))?;
    if moves {
        quotas::rebook(tx, &after.provider, &held, &quotas::held(tx, &after)?)?;
    }
    Ok((after, next))
}

/// Whether the addon may have places in other plans afterwards.
fn moves(before: &Progress, after: &Progress, writes: &[Write]) -> bool {
    let is_of_operation =
        |write: &Write| matches!(write, Write::BeginOperation(_) | Write::AdoptChange | Write::ForgetOperation);
    before.addon.state.is_terminal() != after.addon.state.is_terminal() || writes.iter().any(is_of_operation)
}

/// Refuses an update to a plan that is full, before anything is written.
fn refuse_full(tx: &Tx<'_>, before: &Progress, held: &[PlanName], writes: &[Write]) -> Result<()> {
    let wishes = writes.iter().filter_map(|write| match write {
        Write::BeginOperation(wish) => wish.change.as_ref(),
        _ => None,
    });
    // Who has no place in any plan takes none in another.
    for change in wishes.filter(|change| !held.is_empty() && !held.contains(&change.plan)) {
        if let Some(full) = quotas::exceeded_plan(tx, &before.provider, &change.plan)? {
            return Err(StoreError::Quota(full).into());
        }
    }
    Ok(())
}

/// Adds a line to an addon's history, if there is such an addon.
pub(in crate::sql) fn note(tx: &mut Tx<'_>, addon: AddonId, entry: &Entry) -> Result<()> {
    let Some(before) = Progress::load(tx, addon)? else { return Ok(()) };
    let mut after = before.clone();
    history::record(tx, &mut after, entry)?;
    after.save(tx, &before)
}

/// Stores what the host has seen of how a ready addon does. Of others there is nothing to say.
pub(super) fn note_health(tx: &mut Tx<'_>, addon: AddonId, health: Health) -> Result<()> {
    let Some(before) = Progress::load(tx, addon)? else { return Ok(()) };
    if before.addon.state == AddonState::Ready {
        step(tx, &before, &Event::HealthNoted(health), &Brought::default())?;
    }
    Ok(())
}

/// Asks the state machine. A configuration is accepted only if its names can be had: they are claimed here, before anything
/// else is written, and if one is taken, it is the refusal that happened and not the acceptance.
fn decide(tx: &Tx<'_>, before: &Progress, event: &Event) -> Result<Transition> {
    let accepted = transition(&before.addon, event.clone(), tx.now)?;
    let config = accepted.writes.iter().find_map(|write| match write {
        Write::KeepConfig(config) | Write::ReplaceConfig(config) => Some(config),
        _ => None,
    });
    if let (Some(app), Some(config)) = (&before.app, config)
        && let Err(taken) = claims::claim(tx, app.as_str(), before.addon.id, config.variables.iter().map(|v| &v.name))?
    {
        let refused = Event::ConfigRefused { code: "variable_taken", reason: taken.reason() };
        return Ok(transition(&before.addon, refused, tx.now)?);
    }
    Ok(accepted)
}

fn perform(tx: &mut Tx<'_>, after: &mut Progress, write: Write, brought: &Brought) -> Result<()> {
    let id = after.addon.id;
    let key = id.0.as_bytes();
    match write {
        Write::Record(entry) => history::record(tx, after, &entry)?,
        Write::KeepConfig(_) => keep_config(tx, id, brought)?,
        Write::ReplaceConfig(config) => {
            keep_config(tx, id, brought)?;
            operation::release_unused(tx, id, &config)?;
            operation::go_on(tx, id)?;
        }
        // The app sees the kept configuration itself, so this shows and hides it: no value is stored twice.
        Write::AttachVariables => after.attached = true,
        Write::ReleaseVariables => {
            after.attached = false;
            claims::release(tx, id)?;
        }
        Write::WakeObjects => objects::wake(tx, id)?,
        Write::ForgetState => {
            tx.write("DELETE FROM guest_state WHERE addon = ?", [key])?;
        }
        Write::ForgetConfig => {
            tx.write("UPDATE addon_detail SET config = NULL, issued = NULL WHERE addon = ?", [key])?;
        }
        Write::BeginOperation(wish) => operation::begin(tx, id, &wish, brought.parameters.as_deref())?,
        Write::AdoptChange => operation::adopt(tx, id)?,
        Write::KeepTransfer(_) => {
            operation::keep_transfer(tx, id, brought.transfer.as_deref())?;
            operation::go_on(tx, id)?;
        }
        Write::UndoOperation => operation::undo(tx, after)?,
        // They were not written.
        Write::DropResults => {}
        Write::ForgetOperation => operation::forget(tx, id)?,
    }
    Ok(())
}

fn keep_config(tx: &Tx<'_>, addon: AddonId, brought: &Brought) -> Result<()> {
    let config = brought.config.as_ref().ok_or_else(|| Failure::corrupt("a configuration that was not sealed"))?;
    tx.write("UPDATE addon_detail SET config = ? WHERE addon = ?", (config, addon.0.as_bytes()))?;
    Ok(())
}

/// Stores all of a provider's state.
pub(super) fn keep_state(tx: &Tx<'_>, addon: AddonId, sealed: &[u8]) -> Result<()> {
    tx.write_about(
        addon,
        "INSERT INTO guest_state (addon, value) VALUES (?, ?) ON CONFLICT (addon) DO UPDATE SET value = excluded.value",
        (addon.0.as_bytes(), sealed),
    )?;
    Ok(())
}
