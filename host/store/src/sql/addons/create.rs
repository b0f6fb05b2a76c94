//! Creating an addon: all or nothing.

use larder_domain::history::Entry;
use larder_domain::ports::store::{CreateRefusal, Idempotency, NewAddon};
use larder_domain::work::{Subject, WorkKind};
use larder_domain::{AddonId, AddonSpec, EngineName};
use serde_json::json;

use super::progress::Progress;
use super::record::{self, SealedParts, SealedRecord};
use super::{family, history};
use crate::sql::claims::{self, Taken};
use crate::sql::error::{Result, Stop};
use crate::sql::purge::IDEMPOTENCY_KEPT_MS;
use crate::sql::tally::{self, Counts};
use crate::sql::tx::Tx;
use crate::sql::work::plan;
use crate::sql::{engines, networks, quotas};

/// What came of it, before anything sealed is opened.
pub(super) enum Outcome {
    /// It is there.
    New(Settled),
    Replayed(Box<SealedRecord>),
}

/// What was decided of a new addon in the transaction that made it.
pub(super) struct Settled {
    /// The addon that it is a part of.
    pub(super) parent: Option<AddonId>,
    pub(super) engine: Option<EngineName>,
}

pub(super) fn create(
    tx: &mut Tx<'_>,
    new: &NewAddon,
    parts: &SealedParts,
    server_parts: Option<&SealedParts>,
) -> Result<Outcome, Stop<CreateRefusal>> {
    let NewAddon { spec, addon, reserve, idempotency, server, engine: placement, app_addons_max, .. } = new;
    if let Some(idempotency) = idempotency
        && let Some(earlier) = replay(tx, idempotency)?
    {
        return Ok(Outcome::Replayed(Box::new(earlier)));
    }
    // Before anything is written: a refusal after that is dear for all jobs of its group.
    if let Some(full) = quotas::exceeded(tx, spec, *app_addons_max)? {
        return Err(Stop::Refused(CreateRefusal::Quota(full)));
    }
    let parent = match (server, server_parts) {
        (Some(server), Some(parts)) => Some(family::server(tx, server, parts)?),
        _ => spec.parent,
    };
    if let Some(parent) = parent
        && !family::is_live(tx, parent)?
    {
        return Err(Stop::Refused(CreateRefusal::ParentGone));
    }
    let engine = engines::choose(tx, parent, placement.as_ref())?;
    if let (Some(engine), Some(placement)) = (&engine, placement)
        && placement.is_wished
        && !placement.allows(engine)
    {
        return Err(Stop::Refused(CreateRefusal::ParentElsewhere(engine.clone())));
    }
    let spec = &AddonSpec { parent, ..spec.clone() };
    let mut progress = Progress::new(addon.clone(), spec.app.clone(), spec.provider.clone());
    progress.entries = 1;
    if !record::insert(tx, spec, engine.as_ref(), &progress, parts)? {
        return Err(Stop::Refused(CreateRefusal::NameTaken));
    }
    if !tally::change(tx, &progress, Counts::NONE)?
        && let Some(app) = &spec.app
    {
        return Err(Stop::Refused(CreateRefusal::NoApp(app.clone())));
    }
    quotas::take(tx, spec)?;
    if let Some(app) = &spec.app
        && let Err(Taken { variable, owner }) = claims::claim(tx, app.as_str(), spec.id, reserve.iter())?
    {
        return Err(Stop::Refused(CreateRefusal::VariableTaken { variable, owner }));
    }
    if let Some(parent) = parent {
        networks::joined(tx, spec.app.as_ref(), parent)?;
    }
    history::insert(tx, spec.id, progress.entries, &created(spec, engine.as_ref()))?;
    plan::begin(tx, WorkKind::Addon, &Subject::Addon(spec.id), &spec.provider)?;
    if let Some(idempotency) = idempotency {
        remember(tx, idempotency, spec.id)?;
    }
    Ok(Outcome::New(Settled { parent, engine }))
}

fn created(spec: &AddonSpec, engine: Option<&EngineName>) -> Entry {
    let AddonSpec { name, provider, service, plan, .. } = spec;
    let data = json!({ "name": name, "provider": provider, "service": service, "plan": plan, "engine": engine });
    Entry::with("created", format!("asked for {service}, plan {plan}"), data)
}

/// The addon that the same request made before.
pub(super) fn replay(tx: &Tx<'_>, idempotency: &Idempotency) -> Result<Option<SealedRecord>, Stop<CreateRefusal>> {
    let Idempotency { key, body } = idempotency;
    let earlier = tx.find("SELECT body, addon, since FROM idempotency WHERE key = ?", [key], |row| {
        Ok((row.take::<[u8; 32]>()?, AddonId(row.uuid()?), row.time()?))
    })?;
    let Some((earlier_body, addon, since)) = earlier else { return Ok(None) };
    if tx.now.since_ms(since) >= IDEMPOTENCY_KEPT_MS {
        tx.write("DELETE FROM idempotency WHERE key = ?", [key])?;
        return Ok(None);
    }
    if earlier_body != *body {
        return Err(Stop::Refused(CreateRefusal::IdempotencyMismatch));
    }
    Ok(SealedRecord::load(tx.conn, addon)?)
}

fn remember(tx: &Tx<'_>, idempotency: &Idempotency, addon: AddonId) -> Result<()> {
    tx.write(
        "INSERT INTO idempotency (key, body, addon, since) VALUES (?, ?, ?, ?)",
        (&idempotency.key, idempotency.body, addon.0.as_bytes(), tx.now.0),
    )?;
    Ok(())
}
