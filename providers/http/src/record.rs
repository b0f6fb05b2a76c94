//! What is remembered of an addon at the broker: enough to go on after a crash, and to remove all of it when the operator has
//! changed the catalog meanwhile.

use larder_sdk::{Failure, state};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const RECORD: &str = "record";
const CREDENTIALS: &str = "credentials";

/// An addon at the broker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What the broker calls the service and the plan.
    pub(crate) service_id: String,
    pub(crate) plan_id: String,
    pub(crate) is_bindable: bool,
    /// The version of the plan, if the broker counts them.
    pub(crate) maintenance_version: Option<String>,
    pub(crate) instance: Part,
    pub(crate) binding: Part,
}

/// One of the two things that an addon has there.
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

/// What the broker gave to the app, once it did.
pub(crate) fn credentials() -> Result<Option<Map<String, Value>>, Failure> {
    Ok(state::get_json(CREDENTIALS)?)
}

pub(crate) fn keep_credentials(credentials: &Map<String, Value>) -> Result<(), Failure> {
    Ok(state::set_json(CREDENTIALS, credentials)?)
}
