//! Apps, and the variables that they see.

use std::sync::Arc;

use async_trait::async_trait;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{
    APP_VARIABLES_MAX, AppRefusal, AppStore, AppVariable, CASCADE_ADDONS_MAX, Cascade, ConfigPatch, PatchRefusal,
};
use larder_domain::quota::AppUse;
use larder_domain::{AddonId, AppName, VariableName};

use super::database::Conn;
use super::error::{Result as Outcome, Stop};
use super::rows::Columns;
use super::tx::{Tx, find, list};
use super::{PAGE_ROWS_MAX, SqlStore, addons, claims, quotas};
use crate::{codec, places};

#[async_trait]
impl AppStore for SqlStore {
    async fn create_app(&self, app: &AppName) -> Result<bool, StoreError> {
        let app = app.clone();
        let sql = "INSERT INTO app (name) VALUES (?) ON CONFLICT DO NOTHING";
        self.writer.run(move |tx| Ok(tx.execute(sql, [app.as_str()])? == 1)).await
    }

    async fn has_app(&self, app: &AppName) -> Result<bool, StoreError> {
        let app = app.clone();
        self.readers.read(move |conn| Ok(live_addons(conn, &app)?.is_some())).await
    }

    async fn app_use(&self, app: &AppName) -> Result<Option<AppUse>, StoreError> {
        let app = app.clone();
        self.readers.read(move |conn| quotas::app_use(conn, &app)).await
    }

    async fn set_app_quota(&self, app: &AppName, addons_max: Option<u64>) -> Result<(), StoreError> {
        let app = app.clone();
        self.writer.run(move |tx| quotas::set_of_app(tx, &app, addons_max)).await
    }

    async fn apps(&self, after: Option<AppName>, count_max: usize) -> Result<Vec<(AppName, AppUse)>, StoreError> {
        let query = move |conn: &Conn| {
            list(
                conn,
                "SELECT name, live_addons, addons_max FROM app WHERE name > ? ORDER BY name LIMIT ?",
                (after.as_ref().map_or("", AppName::as_str), count_max.min(PAGE_ROWS_MAX)),
                |row| Ok((row.parsed("an app's name")?, quotas::read_use(row)?)),
            )
        };
        self.readers.read(query).await
    }

    async fn delete_app(
        &self,
        app: &AppName,
        cascade: Option<Cascade>,
    ) -> Result<Result<Vec<AddonId>, AppRefusal>, StoreError> {
        let app = app.clone();
        self.writer.attempt(move |tx| delete(tx, &app, cascade)).await
    }

    async fn app_config(&self, app: &AppName) -> Result<Option<Vec<AppVariable>>, StoreError> {
        let query = {
            let app = app.clone();
            move |conn: &Conn| sealed_config(conn, &app)
        };
        let Some(SealedConfig { own, of_addons }) = self.readers.read(query).await? else { return Ok(None) };
        let mut variables = vec![];
        for (name, sealed) in own {
            let value = codec::decode_text(&self.sealer.open(&places::variable(app, &name), &sealed)?)?;
            // Nobody has said what it is, so nobody sees it by mistake.
            variables.push(AppVariable { name, value, secret: true, addon: None });
        }
        for (addon, sealed) in of_addons {
            let config = codec::decode_config(&self.sealer.open(&places::config(addon), &sealed)?)?;
            let named = config.variables.into_iter();
            variables.extend(named.map(|v| AppVariable {
                name: v.name,
                value: v.value,
                secret: v.secret,
                addon: Some(addon),
            }));
        }
        variables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(variables))
    }

    async fn patch_app_config(
        &self,
        app: &AppName,
        patch: ConfigPatch,
    ) -> Result<Result<(), PatchRefusal>, StoreError> {
        let sealer = Arc::clone(&self.sealer);
        let seal = |(name, value): (VariableName, Option<larder_domain::SecretString>)| {
            let sealed = value.map(|value| sealer.seal(&places::variable(app, &name), value.reveal().as_bytes()));
            Ok::<_, StoreError>((name, sealed.transpose()?))
        };
        let changes = patch.into_iter().map(seal).collect::<Result<Vec<_>, _>>()?;
        let app = app.clone();
        self.writer.attempt(move |tx| change_own(tx, &app, &changes)).await
    }
}

/// The number of an app's live addons; none if there is no such app.
fn live_addons(conn: &Conn, app: &AppName) -> Outcome<Option<u64>> {
    find(conn, "SELECT live_addons FROM app WHERE name = ?", [app.as_str()], |row| row.take())
}

/// With its live addons, if that is wished. Whoever creates one meanwhile comes before this or finds no app.
fn delete(tx: &mut Tx<'_>, app: &AppName, cascade: Option<Cascade>) -> Outcome<Vec<AddonId>, Stop<AppRefusal>> {
    let gone = match (live_addons(tx.conn, app)?.ok_or(StoreError::Missing("app"))?, cascade) {
        (0, _) => vec![],
        (live, None) => return Err(Stop::Refused(AppRefusal::InUse(live))),
        (live, Some(_)) if live > CASCADE_ADDONS_MAX as u64 => return Err(Stop::Refused(AppRefusal::TooMany(live))),
        (_, Some(Cascade { grace })) => addons::delete_all_of(tx, app, grace)?,
    };
    // A key must not bring back an addon of an app that is gone.
    tx.write("DELETE FROM idempotency WHERE addon IN (SELECT id FROM addon WHERE app = ?)", [app.as_str()])?;
    tx.write("DELETE FROM app WHERE name = ?", [app.as_str()])?;
    Ok(gone)
}

struct SealedConfig {
    own: Vec<(VariableName, Vec<u8>)>,
    of_addons: Vec<(AddonId, Vec<u8>)>,
}

fn sealed_config(conn: &Conn, app: &AppName) -> Outcome<Option<SealedConfig>> {
    if live_addons(conn, app)?.is_none() {
        return Ok(None);
    }
    let own = list(
        conn,
        "SELECT name, value FROM app_variable WHERE app = ? AND addon IS NULL",
        [app.as_str()],
        |row: &mut Columns<'_>| Ok((row.parsed("a variable's name")?, row.take()?)),
    )?;
    let of_addons = list(
        conn,
        "SELECT addon.id, addon_detail.config FROM addon JOIN addon_detail ON addon_detail.addon = addon.id
         WHERE addon.app = ? AND addon.live AND addon.attached AND addon_detail.config IS NOT NULL",
        [app.as_str()],
        |row| Ok((AddonId(row.uuid()?), row.take()?)),
    )?;
    Ok(Some(SealedConfig { own, of_addons }))
}

fn change_own(
    tx: &mut Tx<'_>,
    app: &AppName,
    changes: &[(VariableName, Option<Vec<u8>>)],
) -> Outcome<(), Stop<PatchRefusal>> {
    if live_addons(tx.conn, app)?.is_none() {
        return Err(Stop::Refused(PatchRefusal::NoApp));
    }
    for (variable, value) in changes {
        if let Some(Some(owner)) = claims::holder(tx, app.as_str(), variable)? {
            let variable = variable.clone();
            return Err(Stop::Refused(PatchRefusal::OwnedByAddon { variable, owner }));
        }
        let key = (app.as_str(), variable.as_str());
        match value {
            Some(value) => tx.execute(
                "INSERT INTO app_variable (app, name, value) VALUES (?, ?, ?) ON CONFLICT (app, name) DO UPDATE SET value = excluded.value",
                (key.0, key.1, value),
            )?,
            None => tx.execute("DELETE FROM app_variable WHERE app = ? AND name = ?", key)?,
        };
    }
    let own: Option<usize> =
        tx.find("SELECT count(*) FROM app_variable WHERE app = ? AND addon IS NULL", [app.as_str()], |row| row.take())?;
    if own.unwrap_or(0) > APP_VARIABLES_MAX {
        return Err(Stop::Refused(PatchRefusal::TooMany));
    }
    Ok(())
}
