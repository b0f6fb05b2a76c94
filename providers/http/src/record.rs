//! What is remembered of an addon at the broker: enough to go on after a crash, and to remove all of it when the operator has
//! changed the catalog meanwhile.

use std::collections::BTreeMap;

use larder_sdk::{Failure, state};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const RECORD: &str = "record";
const CREDENTIALS: &str = "credentials";

/// An addon at the broker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What the broker calls the service.
    pub(crate) service_id: String,
    #[serde(flatten)]
    pub(crate) terms: Terms,
    pub(crate) instance: Part,
    /// The first binding.
    binding: Part,
    /// Those that came by rotation, by their generation.
    #[serde(default)]
    further: BTreeMap<u32, Part>,
    /// What an update makes of the instance. Until it has, the broker knows it by its old plan.
    #[serde(default)]
    pub(crate) change: Option<Terms>,
}

/// What the broker calls a plan, and what of that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) plan_id: String,
    pub(crate) is_bindable: bool,
    /// The version of the plan, if the broker counts them.
    pub(crate) maintenance_version: Option<String>,
}

/// One of the things that an addon has there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// It is not there.
    #[default]
    None,
    /// The broker was asked for it, or to remove it, and nobody knows what became of that.
    Unsure,
    /// The broker is at it, under this name.
    Making(Option<String>),
    /// It is there.
    Made,
    /// The broker removes it, under this name.
    Removing(Option<String>),
}

impl Record {
    pub(crate) fn new(service_id: String, terms: Terms) -> Self {
        let (further, change) = (BTreeMap::new(), None);
        Self { service_id, terms, instance: Part::None, binding: Part::None, further, change }
    }

    /// The binding of a generation.
    pub(crate) fn binding(&mut self, generation: u32) -> &mut Part {
        if generation == 0 { &mut self.binding } else { self.further.entry(generation).or_default() }
    }

    /// There may be a binding of a generation that nothing is known of: a rotation that failed may have made it, and was forgotten.
    pub(crate) fn suspect(&mut self, generation: u32) {
        self.further.entry(generation).or_insert(Part::Unsure);
    }

    /// The oldest binding that there may be something of.
    pub(crate) fn oldest_binding(&self) -> Option<u32> {
        let first = [(&0, &self.binding)].into_iter();
        first.chain(&self.further).find(|(_, part)| **part != Part::None).map(|(generation, _)| *generation)
    }

    /// The broker has made of the instance what it was asked to.
    pub(crate) fn adopt_change(&mut self) {
        if self.instance == Part::Made
            && let Some(terms) = self.change.take()
        {
            self.terms = terms;
        }
    }

    pub(crate) fn load() -> Result<Option<Self>, Failure> {
        Ok(state::get_json(RECORD)?)
    }

    /// Kept together with the call's answer.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        Ok(state::set_json(RECORD, self)?)
    }

    /// Kept whatever comes: before the broker is asked for something that must not be forgotten.
    pub(crate) fn save_now(&self) -> Result<(), Failure> {
        self.save()?;
        Ok(state::checkpoint()?)
    }
}

/// What the broker gave to the app in a generation of credentials, once it did.
pub(crate) fn credentials(generation: u32) -> Result<Option<Map<String, Value>>, Failure> {
    Ok(state::get_json(&key(generation))?)
}

pub(crate) fn keep_credentials(generation: u32, credentials: &Map<String, Value>) -> Result<(), Failure> {
    Ok(state::set_json(&key(generation), credentials)?)
}

pub(crate) fn forget_credentials(generation: u32) -> Result<(), Failure> {
    Ok(state::delete(&key(generation))?)
}

fn key(generation: u32) -> String {
    if generation == 0 { CREDENTIALS.to_owned() } else { format!("{CREDENTIALS}-{generation}") }
}
