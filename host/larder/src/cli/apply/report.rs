//! What an application did, or would do: a line for each item. The API has no single answer for it, so the JSON is ours.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::plan::Plan;
use super::update::Changed;
use super::wanted::WantedAddon;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon};
use crate::cli::table::Table;

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Updated,
    /// An update that failed: the addon is as it was.
    Failed,
    Set,
    Unchanged,
    Left,
    Deleted,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Failed => "failed",
            Self::Set => "set",
            Self::Unchanged => "unchanged",
            Self::Left => "left",
            Self::Deleted => "deleted",
        }
    }
}

/// One item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) change: Change,
    pub(crate) kind: &'static str,
    pub(crate) app: String,
    /// The variable's or the addon's name; empty for an app.
    pub(crate) name: String,
    /// The addon as the server showed it; `null` for other items, and for an addon that is not there yet.
    pub(crate) addon: Value,
    /// What is updated.
    pub(crate) updates: Vec<Changed>,
    /// What a new addon begins with.
    pub(crate) data: Option<Data>,
    /// Where a new addon is, or is to be.
    pub(crate) engine: Option<String>,
}

/// A new addon's initial data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) file: PathBuf,
    pub(crate) is_loaded: bool,
}

/// All items so far.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) is_dry_run: bool,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// What would be done.
    pub(crate) fn of_plan(plan: &Plan) -> Self {
        let mut report = Self { is_dry_run: true, rows: Vec::new() };
        for app in &plan.apps {
            report.app(&app.app, app.is_new);
            for addon in &app.delete {
                report.addon(Change::Deleted, &app.app, addon);
            }
            for variable in &app.set {
                report.variable(Change::Set, &app.app, &variable.name);
            }
            for addon in &app.create {
                let engine = addon.engine.as_ref().map(|engine| engine.wish.to_string());
                let (name, service) = (addon.name.clone(), addon.service.clone());
                let named = Addon { name, service, engine, ..Addon::default() };
                report.created(&app.app, &named, Data::of(addon, true));
            }
            for update in &app.update {
                report.updated(Change::Updated, &app.app, &update.addon, &update.changes);
            }
        }
        report.rest(plan);
        report
    }

    /// What a plan leaves as it is.
    pub(crate) fn rest(&mut self, plan: &Plan) {
        for app in &plan.apps {
            for name in &app.set_already {
                self.variable(Change::Unchanged, &app.app, name);
            }
            for addon in &app.unchanged {
                self.addon(Change::Unchanged, &app.app, addon);
            }
            for addon in &app.left {
                self.addon(Change::Left, &app.app, addon);
            }
        }
    }

    pub(crate) fn app(&mut self, app: &str, is_new: bool) {
        let change = if is_new { Change::Created } else { Change::Unchanged };
        self.row(change, "app", app, "");
    }

    pub(crate) fn variable(&mut self, change: Change, app: &str, name: &str) {
        self.row(change, "variable", app, name);
    }

    /// An addon as far as a plan knows it.
    pub(crate) fn addon(&mut self, change: Change, app: &str, addon: &Addon) {
        let shown = json!({"id": addon.id, "service": addon.service, "state": addon.state});
        let given = shown.as_object().into_iter().flatten().filter(|(_, value)| *value != "");
        let shown: Map<String, Value> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.row(change, "addon", app, &addon.name).addon = Value::Object(shown);
    }

    /// A new addon, which may have data to begin with.
    pub(crate) fn created(&mut self, app: &str, addon: &Addon, data: Option<Data>) {
        self.addon(Change::Created, app, addon);
        if let Some(row) = self.rows.last_mut() {
            row.data = data;
            row.engine.clone_from(&addon.engine);
        }
    }

    /// An addon that is changed, or was to be.
    pub(crate) fn updated(&mut self, change: Change, app: &str, addon: &Addon, changes: &[Changed]) {
        self.addon(change, app, addon);
        if let Some(row) = self.rows.last_mut() {
            row.updates = changes.to_vec();
        }
    }

    fn row(&mut self, change: Change, kind: &'static str, app: &str, name: &str) -> &mut Row {
        let (app, name) = (app.to_owned(), name.to_owned());
        let (addon, updates) = (Value::Null, Vec::new());
        self.rows.push_mut(Row { change, kind, app, name, addon, updates, data: None, engine: None })
    }

    /// The rows of addons that are there and belong to the file. Those that are updated, or have data to load, are
    /// awaited anyway.
    pub(crate) fn awaited(&mut self) -> impl Iterator<Item = &mut Row> {
        let is_addon = |row: &&mut Row| row.kind == "addon" && row.data.is_none();
        self.rows.iter_mut().filter(is_addon).filter(|row| matches!(row.change, Change::Created | Change::Unchanged))
    }

    /// Shows it.
    pub(crate) fn print(&self, context: &Context) -> Result<()> {
        if self.is_dry_run {
            context.out.note("this is what would be done; nothing was changed");
        }
        context.out.result(&self.json(), || Ok(self.table()))
    }

    fn json(&self) -> Value {
        let items = self.rows.iter().map(|row| {
            let mut item = json!({"change": row.change.as_str(), "kind": row.kind, "app": row.app});
            if let Some(fields) = item.as_object_mut() {
                if !row.name.is_empty() {
                    fields.insert("name".to_owned(), row.name.as_str().into());
                }
                let told = row.addon.as_object().into_iter().flatten();
                let told = told.filter(|(field, _)| matches!(field.as_str(), "id" | "service" | "state"));
                fields.extend(told.map(|(field, value)| (field.clone(), value.clone())));
                fields.extend(row.more());
            }
            item
        });
        json!({"dry_run": self.is_dry_run, "items": items.collect::<Vec<_>>()})
    }

    fn table(&self) -> String {
        let mut table = Table::new(["CHANGE", "KIND", "NAME", "SERVICE", "STATE", "ID", "WHAT"]);
        for row in &self.rows {
            let addon: Addon = model::read(&row.addon).unwrap_or_default();
            table.row([
                row.change.as_str(),
                row.kind,
                &row.label(),
                &addon.service,
                &addon.state,
                &addon.id,
                &row.what(),
            ]);
        }
        if table.is_empty() { String::new() } else { table.render() }
    }
}

impl Data {
    /// Those that were found for an addon, if it is to have any.
    pub(crate) fn of(addon: &WantedAddon, is_loaded: bool) -> Option<Self> {
        let file = addon.initial_data.as_ref()?.file.clone()?;
        Some(Self { file, is_loaded })
    }
}

impl Row {
    /// How people call the item.
    pub(crate) fn label(&self) -> String {
        match self.kind {
            "app" => self.app.clone(),
            "variable" => format!("{} {}", self.app, self.name),
            _ => format!("{}/{}", self.app, self.name),
        }
    }

    /// What is updated or loaded, and where it is, for people.
    fn what(&self) -> String {
        let updates = self.updates.iter().map(Changed::text);
        let data = self.data.as_ref().map(|data| {
            let what = if data.is_loaded { "data from" } else { "not loaded:" };
            format!("{what} {}", data.file.display())
        });
        let engine = self.engine.as_ref().map(|engine| format!("on {engine}"));
        updates.chain(engine).chain(data).collect::<Vec<_>>().join(", ")
    }

    /// The same for programs.
    fn more(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if !self.updates.is_empty() {
            fields.insert("updates".to_owned(), self.updates.iter().map(Changed::json).collect());
        }
        if let Some(engine) = &self.engine {
            fields.insert("engine".to_owned(), engine.as_str().into());
        }
        if let Some(Data { file, is_loaded }) = &self.data {
            let data = json!({"file": file.display().to_string(), "loaded": is_loaded});
            fields.insert("initial_data".to_owned(), data);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_a_line_and_an_object() {
        let mut report = Report { is_dry_run: false, rows: Vec::new() };
        report.app("web.blue", true);
        report.variable(Change::Set, "web.blue", "MODE");
        let addon = Addon { id: "7".into(), name: "db".into(), service: "postgres".into(), ..Addon::default() };
        report.addon(Change::Left, "web.blue", &Addon { state: "ready".into(), ..addon });
        let old = Addon { id: "8".into(), name: "mail".into(), service: "mysql".into(), ..Addon::default() };
        let plan = Changed { field: "plan".into(), values: Some(("small".into(), "large".into())) };
        let password = Changed { field: "parameters.password".into(), values: None };
        report.updated(Change::Updated, "web.blue", &old, &[plan, password]);
        let new = Addon {
            id: "9".into(),
            name: "new".into(),
            service: "mysql".into(),
            engine: Some("rack-2".into()),
            ..Addon::default()
        };
        report.created("web.blue", &new, Some(Data { file: "d/x.sql".into(), is_loaded: false }));
        let expected = "\
CHANGE   KIND      NAME           SERVICE   STATE  ID  WHAT
created  app       web.blue       -         -      -   -
set      variable  web.blue MODE  -         -      -   -
left     addon     web.blue/db    postgres  ready  7   -
updated  addon     web.blue/mail  mysql     -      8   plan small -> large, parameters.password
created  addon     web.blue/new   mysql     -      9   on rack-2, not loaded: d/x.sql
";
        assert_eq!(report.table(), expected);
        let expected = json!({"dry_run": false, "items": [
            {"change": "created", "kind": "app", "app": "web.blue"},
            {"change": "set", "kind": "variable", "app": "web.blue", "name": "MODE"},
            {"change": "left", "kind": "addon", "app": "web.blue", "name": "db", "id": "7", "service": "postgres",
                "state": "ready"},
            {"change": "updated", "kind": "addon", "app": "web.blue", "name": "mail", "id": "8", "service": "mysql",
                "updates": [{"field": "plan", "from": "small", "to": "large"}, {"field": "parameters.password"}]},
            {"change": "created", "kind": "addon", "app": "web.blue", "name": "new", "id": "9", "service": "mysql",
                "engine": "rack-2", "initial_data": {"file": "d/x.sql", "loaded": false}},
        ]});
        assert_eq!(report.json(), expected);
    }
}
