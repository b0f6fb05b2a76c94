//! Another plan, other parameters, and new credentials for an addon that is ready. Each call asks the broker once here, too.
//!
//! New credentials are a further binding; when the old ones end, the older ones are removed. If a rotation fails, the host brings back what
//! was remembered before, and nobody knows of the binding that it may have made. The next one has the same number: it removes that binding
//! first, since what is half made, or was made for another plan, can't be asked for again. So does whoever removes the addon.

use larder_sdk::{Addon, Failure, Progress, json, secrets};
use serde_json::{Map, Value};

use crate::broker::{Broker, Thing};
use crate::catalog::{Offering, Plan};
use crate::offer::{Settings, UNSET};
use crate::part::{Outcome, Work};
use crate::record::{self, Record};
use crate::work::{progress, terms};

/// Asks for the other plan or the other parameters.
pub(crate) fn update(addon: &Addon) -> Result<String, Failure> {
    let (mut record, settings) = (load()?, secrets::options::<Settings>()?);
    let (service, plan) = (addon.service(), addon.plan());
    let catalog = settings.catalog.as_ref().ok_or_else(|| Failure::rejected(UNSET))?;
    let find = |plan: &str| {
        let found = catalog.find(&service, plan);
        found.ok_or_else(|| Failure::rejected(format!("the catalog has no {service}, {plan}")))
    };
    let (offering, new) = find(&plan)?;
    let previous = addon.previous_plan().unwrap_or_else(|| plan.clone());
    if previous != plan {
        check(offering, find(&previous)?.1, &previous)?;
    }
    record.change = Some(terms(offering, new));
    let (id, body) = (addon.id(), update_body(addon, &record, new)?);
    let broker = Broker::of(settings)?;
    let done = Work { broker: &broker, thing: Thing::Instance, id: &id, record: &mut record }.change(&body);
    // Whatever else the broker says, what it has is as it was: the next request must ask for the whole change again.
    if let Ok(Outcome::Done(_)) = done {
        record.adopt_change();
    }
    record.save()?;
    done.map(|_| "The broker was asked to change it".to_owned())
}

fn check(offering: &Offering, from: &Plan, name: &str) -> Result<(), Failure> {
    if offering.is_updateable(from) {
        return Ok(());
    }
    Err(Failure::rejected(format!("the broker does not give addons of the plan {name} another one: make a new addon")))
}

/// What is left out stays.
fn update_body(addon: &Addon, record: &Record, plan: &Plan) -> Result<Value, Failure> {
    let mut body = json!({
        "service_id": record.service_id,
        "context": { "platform": "larder", "instance_name": addon.name() },
        "previous_values": { "service_id": record.service_id, "plan_id": record.terms.plan_id },
    });
    if plan.id != record.terms.plan_id {
        body["plan_id"] = json!(plan.id);
    }
    let parameters: Map<String, Value> = addon.parameters()?;
    if addon.previous_parameters()?.is_none_or(|previous: Map<String, Value>| previous != parameters) {
        body["parameters"] = Value::Object(parameters);
    }
    if let Some(info) = &plan.maintenance_info {
        body["maintenance_info"] = json!({ "version": info.version });
    }
    Ok(body)
}

/// Makes room for a further binding, which is asked for by `provision_complete`.
pub(crate) fn begin_rotation(addon: &Addon) -> Result<String, Failure> {
    let mut record = load()?;
    if !record.terms.is_bindable {
        return Err(Failure::rejected("the broker gives no credentials for this plan, so there is nothing to rotate"));
    }
    let generation = addon.generation();
    record.suspect(generation);
    let (id, broker) = (addon.id(), Broker::set()?);
    let done = Work { broker: &broker, thing: Thing::Binding(generation), id: &id, record: &mut record }.remove();
    record.save()?;
    done.map(|_| "A further binding is asked for".to_owned())
}

/// A step towards there being no older binding.
pub(crate) fn end_rotation(addon: &Addon) -> Result<Progress, Failure> {
    let mut record = load()?;
    let Some(generation) = record.oldest_binding().filter(|oldest| *oldest < addon.generation()) else {
        return Ok(Progress::Done);
    };
    let (id, broker) = (addon.id(), Broker::set()?);
    let done = Work { broker: &broker, thing: Thing::Binding(generation), id: &id, record: &mut record }.remove();
    record.save()?;
    let done = done?;
    if matches!(done, Outcome::Done(_)) {
        record::forget_credentials(generation)?;
    }
    Ok(progress(done, "The old binding is removed"))
}

fn load() -> Result<Record, Failure> {
    Record::load()?.ok_or_else(|| Failure::failed("it was never begun"))
}
