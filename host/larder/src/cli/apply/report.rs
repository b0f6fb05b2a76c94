//! What an application did, or would do: a line for each item. The API has no single answer for it, so the JSON is ours.

use serde_json::{Map, Value, json};

use super::plan::Plan;
use crate::cli::context::Context;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon};
use crate::cli::table::Table;

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Set,
    Unchanged,
    Left,
    Deleted,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
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
                let named = Addon { name: addon.name.clone(), service: addon.service.clone(), ..Addon::default() };
                report.addon(Change::Created, &app.app, &named);
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
        self.rows.push(Row { change, kind: "app", app: app.to_owned(), name: String::new(), addon: Value::Null });
    }

    pub(crate) fn variable(&mut self, change: Change, app: &str, name: &str) {
        let (app, name) = (app.to_owned(), name.to_owned());
        self.rows.push(Row { change, kind: "variable", app, name, addon: Value::Null });
    }

    /// An addon as far as a plan knows it.
    pub(crate) fn addon(&mut self, change: Change, app: &str, addon: &Addon) {
        let shown = json!({"id": addon.id, "service": addon.service, "state": addon.state});
        let given = shown.as_object().into_iter().flatten().filter(|(_, value)| *value != "");
        let shown: Map<String, Value> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        let (app, name) = (app.to_owned(), addon.name.clone());
        self.rows.push(Row { change, kind: "addon", app, name, addon: Value::Object(shown) });
    }

    /// The rows of addons that are there and belong to the file.
    pub(crate) fn awaited(&mut self) -> impl Iterator<Item = &mut Row> {
        let concerned =
            |row: &&mut Row| row.kind == "addon" && matches!(row.change, Change::Created | Change::Unchanged);
        self.rows.iter_mut().filter(concerned)
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
            }
            item
        });
        json!({"dry_run": self.is_dry_run, "items": items.collect::<Vec<_>>()})
    }

    fn table(&self) -> String {
        let mut table = Table::new(["CHANGE", "KIND", "NAME", "SERVICE", "STATE", "ID"]);
        for row in &self.rows {
            let name = match row.kind {
                "app" => row.app.clone(),
                "variable" => format!("{} {}", row.app, row.name),
                _ => format!("{}/{}", row.app, row.name),
            };
            let addon: Addon = model::read(&row.addon).unwrap_or_default();
            table.row([row.change.as_str(), row.kind, &name, &addon.service, &addon.state, &addon.id]);
        }
        if table.is_empty() { String::new() } else { table.render() }
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
        let expected = "\
CHANGE   KIND      NAME           SERVICE   STATE  ID
created  app       web.blue       -         -      -
set      variable  web.blue MODE  -         -      -
left     addon     web.blue/db    postgres  ready  7
";
        assert_eq!(report.table(), expected);
        let expected = json!({"dry_run": false, "items": [
            {"change": "created", "kind": "app", "app": "web.blue"},
            {"change": "set", "kind": "variable", "app": "web.blue", "name": "MODE"},
            {"change": "left", "kind": "addon", "app": "web.blue", "name": "db", "id": "7", "service": "postgres",
                "state": "ready"},
        ]});
        assert_eq!(report.json(), expected);
    }
}
