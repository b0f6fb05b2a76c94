//! On which Docker engine an addon is to be: a name or labels, as `larder addon create --engine` takes them.
//!
//! An addon never changes its engine, so for one that is there the wish has to fit the engine that it is on. Which engines
//! have which labels is asked only if a file wishes for an engine.

use larder_domain::engines::{EngineLabels, EngineWish};

use super::fields::Fields;
use super::mistake::{Code, Mistakes};
use super::plan::Plan;
use super::wanted::Target;
use crate::cli::api::Api;
use crate::cli::api::call::Call;
use crate::cli::failure::Result;
use crate::cli::model::{self, Engine};

/// The key under which both forms of a file name the engine.
pub(crate) const KEY: &str = "engine";
/// What the server calls an engine that it isn't told of any more, though addons are on it.
const UNCONFIGURED: &str = "unconfigured";

/// A wish for an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedEngine {
    pub(crate) line: usize,
    pub(crate) wish: EngineWish,
    /// The engines that fit; none before they were asked for.
    pub(crate) fitting: Vec<String>,
}

impl WantedEngine {
    /// Whether an addon that is on this engine is where it is to be. One that is there by its name is, also if the server
    /// is not told of that engine any more.
    pub(crate) fn is(&self, engine: Option<&str>) -> bool {
        match &self.wish {
            EngineWish::Named(wanted) => engine == Some(wanted.as_str()),
            EngineWish::Labelled(_) => engine.is_some_and(|engine| self.fitting.iter().any(|name| name == engine)),
        }
    }
}

/// The engine that an addon is to be on, if the file says so.
pub(crate) fn named(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<WantedEngine> {
    let (key, _) = fields.get(KEY)?;
    match fields.text(KEY, mistakes)?.parse() {
        Ok(wish) => Some(WantedEngine { line: key.line, wish, fitting: Vec::new() }),
        Err(error) => {
            mistakes.add_as(Code::InvalidEngine, key.line, format!("`{KEY}`: {error}"));
            None
        }
    }
}

/// Asks which engines fit what the targets wish for.
pub(crate) async fn look_up(api: &Api, targets: &mut [Target]) -> Result<()> {
    let addons = targets.iter_mut().flat_map(|target| &mut target.section.addons);
    let mut wanted = addons.filter_map(|addon| addon.engine.as_mut()).peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let answer = api.call(Call::get(&["v1", "engines"])).await?.body;
    let engines: Vec<Engine> = model::read_list(&answer, "engines")?;
    for wanted in wanted {
        let fits = |engine: &&Engine| engine.state != UNCONFIGURED && fits(&wanted.wish, engine);
        wanted.fitting = engines.iter().filter(fits).map(|engine| engine.name.clone()).collect();
    }
    Ok(())
}

/// A name or a label that this program can't read is one that nobody can wish for by it.
fn fits(wish: &EngineWish, engine: &Engine) -> bool {
    let label = |(key, value): (&String, &String)| Some((key.parse().ok()?, value.parse().ok()?));
    let labels: EngineLabels = engine.labels.iter().filter_map(label).collect();
    engine.name.parse().is_ok_and(|name| wish.fits(&name, &labels))
}

/// Finds what is to be created where there is no place for it.
pub(crate) fn check(plan: &Plan, mistakes: &mut Mistakes) {
    for addon in plan.apps.iter().flat_map(|app| &app.create) {
        if let Some(engine) = addon.engine.as_ref().filter(|engine| engine.fitting.is_empty()) {
            let what = format!("no engine fits `{}`, on which the addon `{}` is to be", engine.wish, addon.name);
            mistakes.add_as(Code::EngineUnfit, engine.line, what);
        }
    }
}
