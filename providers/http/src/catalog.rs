//! A broker's catalog, as far as it matters here, and the names that its services and plans have in Larder.

use serde::Deserialize;
use serde_json::Value;

/// The longest name in Larder, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// What `GET /v2/catalog` gave. Fields that this does not know are left out.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Catalog {
    pub(crate) services: Vec<Offering>,
}

/// A service offering.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Offering {
    pub(crate) id: String,
    name: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    bindable: bool,
    #[serde(default)]
    plan_updateable: bool,
    pub(crate) plans: Vec<Plan>,
}

/// A plan of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Plan {
    pub(crate) id: String,
    name: String,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) free: Option<bool>,
    bindable: Option<bool>,
    plan_updateable: Option<bool>,
    #[serde(default)]
    schemas: Value,
    /// In seconds.
    pub(crate) maximum_polling_duration: Option<u32>,
    pub(crate) maintenance_info: Option<MaintenanceInfo>,
}

/// Which version of a plan is meant.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct MaintenanceInfo {
    pub(crate) version: String,
}

impl Catalog {
    /// The plan of these names, with its service.
    pub(crate) fn find(&self, service: &str, plan: &str) -> Option<(&Offering, &Plan)> {
        let offering = self.services.iter().find(|offering| offering.name().is_ok_and(|name| name == service))?;
        Some((offering, offering.plans.iter().find(|own| own.name().is_ok_and(|name| name == plan))?))
    }
}

impl Offering {
    /// Its name in Larder.
    pub(crate) fn name(&self) -> Result<String, String> {
        sanitised(&self.name)
    }

    /// Whether addons of this plan get credentials.
    pub(crate) fn is_bindable(&self, plan: &Plan) -> bool {
        plan.bindable.unwrap_or(self.bindable)
    }

    /// Whether an instance of this plan can get another one.
    pub(crate) fn is_updateable(&self, plan: &Plan) -> bool {
        plan.plan_updateable.unwrap_or(self.plan_updateable)
    }
}

impl Plan {
    /// Its name in Larder.
    pub(crate) fn name(&self) -> Result<String, String> {
        sanitised(&self.name)
    }

    /// The schema of the parameters of a new instance, if the broker tells one.
    pub(crate) fn parameters(&self) -> Option<&Value> {
        self.schemas.pointer("/service_instance/create/parameters")
    }
}

/// A name in Larder's grammar, `[a-z0-9][a-z0-9-]{0,62}`: whatever doesn't fit becomes a dash.
fn sanitised(name: &str) -> Result<String, String> {
    let fitting = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name_in_larder: String = name.chars().map(fitting).collect();
    let mut name_in_larder = name_in_larder.trim_matches('-').to_owned();
    name_in_larder.truncate(NAME_BYTES_MAX);
    if name_in_larder.is_empty() {
        Err(format!("{name:?} has neither a letter nor a digit"))
    } else {
        Ok(name_in_larder)
    }
}

/// Refuses two that have one name, since nobody could tell which is meant.
pub(crate) fn all_differ(what: &str, names: &[String]) -> Result<(), String> {
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(format!("two {what} of the catalog would both be called {name:?} here; leave one of them out"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_to_fit() {
        for (name, in_larder) in [("p-mysql", "p-mysql"), ("My SQL_8.0!", "my-sql-8-0"), ("--é9", "9")] {
            assert_eq!(sanitised(name).unwrap(), in_larder);
        }
        assert_eq!(sanitised(&"x".repeat(100)).unwrap().len(), 63);
        assert!(sanitised("日本").is_err());
    }

    #[test]
    fn a_clash_is_told() {
        let names = ["a", "b", "a"].map(str::to_owned);
        assert!(all_differ("services", &names).unwrap_err().contains("\"a\""));
        assert!(all_differ("services", &names[..2]).is_ok());
    }
}
