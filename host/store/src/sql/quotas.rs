//! How many live addons there may be, and how many of a plan there are. Both are looked up by key, in the transaction that takes the
//! place: nothing is counted by looking at addons.

use std::collections::BTreeMap;

use larder_domain::addon::{ProvisionType, Role};
use larder_domain::audit::{Action, Actor};
use larder_domain::ports::StoreError;
use larder_domain::quota::{AppUse, PlanQuota, Quota, QuotaExceeded};
use larder_domain::{AddonSpec, AppName, PlanName, ProviderName};
use serde_json::json;

use super::addons::Progress;
use super::audit;
use super::database::Conn;
use super::error::Result;
use super::rows::Columns;
use super::tx::{Tx, find, list};

macro_rules! select_quotas {
    () => {
        "SELECT plan_quota.provider, plan_quota.plan, addons_max, CASE WHEN live > 0 THEN live ELSE 0 END FROM plan_quota
         LEFT JOIN plan_tally ON plan_tally.provider = plan_quota.provider AND plan_tally.plan = plan_quota.plan"
    };
}

/// Why there is no place for this addon; none if there is one.
pub(super) fn exceeded(tx: &Tx<'_>, spec: &AddonSpec, app_addons_max: u64) -> Result<Option<QuotaExceeded>> {
    if let Some(app) = &spec.app
        && let Some(AppUse { addons: used, addons_max }) = app_use(tx.conn, app)?
        && used >= addons_max.unwrap_or(app_addons_max)
    {
        let limit = addons_max.unwrap_or(app_addons_max);
        return Ok(Some(QuotaExceeded { quota: Quota::App(app.clone()), limit, used }));
    }
    if counts(spec) { exceeded_plan(tx, &spec.provider, &spec.plan) } else { Ok(None) }
}

/// Why there is no place in the plan.
pub(super) fn exceeded_plan(tx: &Tx<'_>, provider: &ProviderName, plan: &PlanName) -> Result<Option<QuotaExceeded>> {
    let sql = concat!(select_quotas!(), " WHERE plan_quota.provider = ? AND plan_quota.plan = ?");
    let quota = tx.find(sql, (provider.as_str(), plan.as_str()), read_quota)?;
    Ok(quota.filter(|(_, quota)| quota.used >= quota.limit).map(|(provider, PlanQuota { plan, limit, used })| {
        QuotaExceeded { quota: Quota::Plan(provider, plan), limit, used }
    }))
}

/// Whether an addon takes a place in its plan.
fn counts(spec: &AddonSpec) -> bool {
    spec.role == Role::User && spec.provision_type != ProvisionType::Shared
}

/// Books the place of a new addon.
pub(super) fn take(tx: &Tx<'_>, spec: &AddonSpec) -> Result<()> {
    if counts(spec) { book(tx, &spec.provider, &spec.plan, 1) } else { Ok(()) }
}

/// The plans in which an addon has a place: its own, and the one that an update under way is to take it to.
pub(super) fn held(tx: &Tx<'_>, progress: &Progress) -> Result<Vec<PlanName>> {
    if progress.addon.state.is_terminal() {
        return Ok(vec![]);
    }
    let sql = "SELECT plan FROM addon_detail WHERE addon = ?1 AND role = 'user' AND provision_type <> 'shared'
               UNION SELECT new_plan FROM operation_detail JOIN addon_detail ON addon_detail.addon = operation_detail.addon
               WHERE operation_detail.addon = ?1 AND new_plan IS NOT NULL AND role = 'user' AND provision_type <> 'shared' ORDER BY 1";
    list(tx.conn, sql, [progress.addon.id.0.as_bytes()], |row| row.parsed("a plan's name"))
}

/// Books what an addon holds now and did not hold before, and the other way round.
pub(super) fn rebook(tx: &Tx<'_>, provider: &ProviderName, before: &[PlanName], now: &[PlanName]) -> Result<()> {
    for plan in before.iter().filter(|plan| !now.contains(plan)) {
        book(tx, provider, plan, -1)?;
    }
    for plan in now.iter().filter(|plan| !before.contains(plan)) {
        book(tx, provider, plan, 1)?;
    }
    Ok(())
}

fn book(tx: &Tx<'_>, provider: &ProviderName, plan: &PlanName, by: i64) -> Result<()> {
    tx.write(
        "INSERT INTO plan_tally (provider, plan, live) VALUES (?, ?, ?)
         ON CONFLICT (provider, plan) DO UPDATE SET live = plan_tally.live + excluded.live",
        (provider.as_str(), plan.as_str(), by),
    )?;
    Ok(())
}

/// How many addons an app has and may have; none if there is no such app.
pub(super) fn app_use(conn: &Conn, app: &AppName) -> Result<Option<AppUse>> {
    find(conn, "SELECT live_addons, addons_max FROM app WHERE name = ?", [app.as_str()], read_use)
}

/// The columns `live_addons` and `addons_max`.
pub(super) fn read_use(row: &mut Columns<'_>) -> Result<AppUse> {
    Ok(AppUse { addons: row.take()?, addons_max: row.take()? })
}

pub(super) fn set_of_app(tx: &Tx<'_>, app: &AppName, addons_max: Option<u64>) -> Result<()> {
    if tx.execute("UPDATE app SET addons_max = ? WHERE name = ?", (addons_max, app.as_str()))? == 0 {
        return Err(StoreError::Missing("app").into());
    }
    audit::note_of_all(tx, Actor::Admin, Action::QuotaSet, &json!({ "app": app, "addons_max": addons_max }))
}

/// The quotas of all plans.
pub(super) fn of_all(conn: &Conn) -> Result<Vec<(ProviderName, PlanQuota)>> {
    let sql = concat!(select_quotas!(), " ORDER BY plan_quota.provider, plan_quota.plan");
    list(conn, sql, (), read_quota)
}

fn read_quota(row: &mut Columns<'_>) -> Result<(ProviderName, PlanQuota)> {
    let provider = row.parsed("a provider's name")?;
    Ok((provider, PlanQuota { plan: row.parsed("a plan's name")?, limit: row.take()?, used: row.take()? }))
}

/// The quotas of a provider's plans.
pub(super) fn of_provider(conn: &Conn, provider: &ProviderName) -> Result<Vec<PlanQuota>> {
    let sql = concat!(select_quotas!(), " WHERE plan_quota.provider = ? ORDER BY plan_quota.plan");
    list(conn, sql, [provider.as_str()], |row| Ok(read_quota(row)?.1))
}

/// Replaces them all.
pub(super) fn set_of_provider(tx: &Tx<'_>, provider: &ProviderName, quotas: &BTreeMap<PlanName, u64>) -> Result<()> {
    tx.write("DELETE FROM plan_quota WHERE provider = ?", [provider.as_str()])?;
    for (plan, limit) in quotas {
        let row = (provider.as_str(), plan.as_str(), *limit);
        tx.write("INSERT INTO plan_quota (provider, plan, addons_max) VALUES (?, ?, ?)", row)?;
    }
    audit::note(tx, Actor::Admin, Action::QuotaSet, provider, &json!(quotas))
}
