//! What takes time: addons that are updated, those that somebody waits for, and the data with which new ones begin.
//!
//! Each of them may fail without the others, so all is tried and told. The first failure is the command's.

mod load;

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::carry_out::located;
use super::plan::Plan;
use super::report::{Change, Report};
use super::update::Update;
use crate::cli::addon::{update, wait};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};
use crate::cli::out;

/// How long to wait for what has to be waited for, unless somebody says how long.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// All that is waited for is waited for within one span of time.
#[derive(Debug)]
pub(crate) struct FollowUp<'a> {
    context: &'a Context,
    timeout: Duration,
    deadline: Instant,
    first: Option<Failure>,
}

/// An update that the server has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    /// Which row of the report is about it.
    row: usize,
    operation: String,
}

impl<'a> FollowUp<'a> {
    pub(crate) fn new(context: &'a Context, timeout: Option<Duration>) -> Self {
        let timeout = timeout.unwrap_or(PATIENCE);
        Self { context, timeout, deadline: Instant::now() + timeout, first: None }
    }

    /// The failure that decides the exit code: that of what came before, or else the first one here.
    pub(crate) fn result(mut self, before: Result<()>) -> Result<()> {
        match (before, self.first.take()) {
            (Ok(()), first) => first.map_or(Ok(()), Err),
            (Err(before), first) => {
                first.iter().for_each(|failure| out::failure(failure, self.context.out.json));
                Err(before)
            }
        }
    }

    /// Asks for all updates; `file` is the file's name in messages.
    pub(crate) async fn begin(&mut self, plan: &Plan, file: &str, report: &mut Report) -> Vec<Begun> {
        let mut begun = Vec::new();
        for app in &plan.apps {
            for update in &app.update {
                match self.begin_one(&app.app, update, report).await {
                    Ok(operation) => begun.extend(operation),
                    Err(failure) => {
                        report.updated(Change::Failed, &app.app, &update.addon, &update.changes);
                        self.failed(located(failure, file, update.wanted.line));
                    }
                }
            }
        }
        begun
    }

    async fn begin_one(&self, app: &str, update: &Update, report: &mut Report) -> Result<Option<Begun>> {
        let mut update = update.clone();
        if update.is_operation() && !update.addon.is_settled() {
            let addon = self.settled(&update.addon.id).await?.1;
            wait::outcome(&addon, self.timeout)?;
            match Update::of(&update.wanted, &addon) {
                Some(still) => update = still,
                None => {
                    report.addon(Change::Unchanged, app, &addon);
                    return Ok(None);
                }
            }
        }
        let call = Call::new(Method::PATCH, &["v1", "addons", &update.addon.id]).json(&update.body());
        let addon: Addon = model::read(&self.context.api.call(call).await?.body)?;
        report.updated(Change::Updated, app, &addon, &update.changes);
        // What it shows may be an earlier one, where there was nothing to do but to protect it.
        let earlier = update.addon.operation.map(|operation| operation.id);
        let operation = addon.operation.map(|operation| operation.id).filter(|id| Some(id) != earlier.as_ref());
        Ok(operation.map(|operation| Begun { row: report.rows.len() - 1, operation }))
    }

    /// Waits for updates.
    pub(crate) async fn updates(&mut self, begun: &[Begun], report: &mut Report) {
        for Begun { row, operation } in begun {
            let Some(row) = report.rows.get_mut(*row) else { continue };
            if let Err(failure) = self.update(&mut row.addon, operation).await {
                if failure.kind == Kind::AddonFailed {
                    row.change = Change::Failed;
                }
                self.failed(failure);
            }
        }
    }

    async fn update(&self, shown: &mut Value, operation: &str) -> Result<()> {
        let (answer, addon) = self.settled(&model::read::<Addon>(shown)?.id).await?;
        *shown = answer;
        match addon.state.as_str() {
            "ready" => update::outcome(&addon, Some(operation), self.timeout).map(drop),
            _ => wait::outcome(&addon, self.timeout),
        }
    }

    /// Waits for addons that are neither updated nor to be filled, whose turn is another one.
    pub(crate) async fn wait_for_all(&mut self, report: &mut Report) {
        for row in report.awaited() {
            if let Err(failure) = self.ready(&mut row.addon).await {
                self.failed(failure);
            }
        }
    }

    async fn ready(&self, shown: &mut Value) -> Result<()> {
        let addon: Addon = model::read(shown)?;
        if addon.state == "ready" {
            return Ok(());
        }
        let (answer, addon) = self.settled(&addon.id).await?;
        *shown = answer;
        wait::outcome(&addon, self.timeout)
    }

    /// Loads the data with which new addons begin, each once it is ready.
    pub(crate) async fn load(&mut self, report: &mut Report) {
        for row in report.rows.iter_mut().filter(|row| row.change == Change::Created) {
            let label = row.label();
            let Some(data) = &mut row.data else { continue };
            let loaded = match self.ready(&mut row.addon).await {
                Ok(()) => load::load(self.context, &row.addon, &label, &data.file).await,
                Err(failure) => Err(load::failed(failure, &label, &data.file)),
            };
            match loaded {
                Ok(answer) => (row.addon, data.is_loaded) = (answer, true),
                Err(failure) => self.failed(failure),
            }
        }
    }

    async fn settled(&self, id: &str) -> Result<(Value, Addon)> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        wait::until_settled(self.context, id, left).await
    }

    fn failed(&mut self, failure: Failure) {
        match self.first {
            None => self.first = Some(failure),
            Some(_) => out::failure(&failure, self.context.out.json),
        }
    }
}
