//! Services: what a provider offers.

use serde::{Serialize, Serializer};

use super::Plan;
use crate::ProvisionType;

/// Something that can be had.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    name: String,
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    bindable: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    provision_types: Vec<ProvisionType>,
    variables: Variables,
    plans: Vec<Plan>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Variables {
    Names(Vec<String>),
    Any(&'static str),
}

impl Service {
    /// A service without plans, which sets no variables. Its name has 1 to 63 of a-z, 0-9 and '-'.
    #[must_use]
    pub fn new(name: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            tags: vec![],
            bindable: true,
            provision_types: vec![],
            variables: Variables::Names(vec![]),
            plans: vec![],
        }
    }

    /// Declares a variable that the service sets.
    #[must_use]
    pub fn variable(mut self, name: &str) -> Self {
        match &mut self.variables {
            Variables::Names(names) => names.push(name.to_owned()),
            Variables::Any(_) => {}
        }
        self
    }

    /// Declares that the service may set any variable. Rather declare each: then a name that is taken is found before
    /// anything is made.
    #[must_use]
    pub fn any_variables(self) -> Self {
        Self { variables: Variables::Any("any"), ..self }
    }

    /// Adds a plan. The first one is the default.
    #[must_use]
    pub fn plan(mut self, plan: Plan) -> Self {
        self.plans.push(plan);
        self
    }

    /// Adds a word to find the service by.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }

    /// Adds a way for addons to come by their resource. Only independent, if none is added.
    #[must_use]
    pub fn provision_type(mut self, provision_type: ProvisionType) -> Self {
        self.provision_types.push(provision_type);
        self
    }

    /// Says whether clients of a service broker may bind to it. They may, by default.
    #[must_use]
    pub fn bindable(self, bindable: bool) -> Self {
        Self { bindable, ..self }
    }
}

impl Serialize for ProvisionType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Independent => "independent",
            Self::Communal => "communal",
            Self::Shared => "shared",
        })
    }
}
