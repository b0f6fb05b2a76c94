//! The order of things: first the instance, then the binding; and backwards. Each call asks the broker once, since a call may take
//! 30 seconds and an answer 20.

use larder_sdk::http::Response;
use larder_sdk::{Addon, Failure, Progress, json, secrets};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer;
use crate::broker::{Broker, Thing};
use crate::catalog::{Offering, Plan};
use crate::offer::{Settings, UNSET};
use crate::part::{AT_ONCE, Outcome, Work};
use crate::record::{self, Part, Record, Terms};

/// What binding gave.
#[derive(Deserialize)]
struct Binding {
    #[serde(default)]
    credentials: Map<String, Value>,
}

/// Asks for the instance.
pub(crate) fn begin(addon: &Addon) -> Result<(), Failure> {
    let settings: Settings = secrets::options()?;
    let mut record = match Record::load()? {
        Some(record) => record,
        None => begun(addon, &settings)?,
    };
    let broker = Broker::of(settings)?;
    make_instance(addon, &broker, &mut record).map(drop)
}

/// What is remembered from now on.
fn begun(addon: &Addon, settings: &Settings) -> Result<Record, Failure> {
    let (service, plan) = (addon.service(), addon.plan());
    let catalog = settings.catalog.as_ref().ok_or_else(|| Failure::rejected(UNSET))?;
    let found = catalog.find(&service, &plan);
    let (offering, plan) = found.ok_or_else(|| Failure::rejected(format!("the catalog has no {service}, {plan}")))?;
    Ok(Record::new(offering.id.clone(), terms(offering, plan)))
}

pub(crate) fn terms(offering: &Offering, plan: &Plan) -> Terms {
    Terms {
        plan_id: plan.id.clone(),
        is_bindable: offering.is_bindable(plan),
        maintenance_version: plan.maintenance_info.as_ref().map(|info| info.version.clone()),
    }
}

/// The next step towards an addon that is ready.
pub(crate) fn make(addon: &Addon) -> Result<Progress, Failure> {
    let mut record = Record::load()?.ok_or_else(|| Failure::failed("it was never begun"))?;
    let broker = Broker::set()?;
    if record.instance != Part::Made {
        return Ok(progress(make_instance(addon, &broker, &mut record)?, "The service instance is made"));
    }
    let (id, generation) = (addon.id(), addon.generation());
    if !record.terms.is_bindable || record::credentials(generation)?.is_some() {
        return Ok(Progress::Done);
    }
    if *record.binding(generation) == Part::Made {
        let answer = broker.binding(generation, &id, &record)?;
        return fetched(generation, &answer);
    }
    let body = binding_body(addon, &record);
    let done = Work { broker: &broker, thing: Thing::Binding(generation), id: &id, record: &mut record }.make(&body);
    record.save()?;
    match done? {
        Outcome::Done(Some(said)) => bound(generation, Value::Object(said)),
        outcome => Ok(progress(outcome, "The binding is made")),
    }
}

fn make_instance(addon: &Addon, broker: &Broker, record: &mut Record) -> Result<Outcome, Failure> {
    let (id, body) = (addon.id(), instance_body(addon, record)?);
    let done = Work { broker, thing: Thing::Instance, id: &id, record }.make(&body);
    record.adopt_change();
    record.save()?;
    done
}

/// The next step towards nothing being left.
pub(crate) fn remove(addon: &Addon) -> Result<Progress, Failure> {
    let Some(mut record) = Record::load()? else { return Ok(Progress::Done) };
    if record::credentials(addon.generation())?.is_some() {
        record.suspect(addon.generation().saturating_add(1));
    }
    let thing = match (record.oldest_binding(), &record.instance) {
        (None, Part::None) => return Ok(Progress::Done),
        (None, _) => Thing::Instance,
        (Some(generation), _) => Thing::Binding(generation),
    };
    let (id, broker) = (addon.id(), Broker::set()?);
    let done = Work { broker: &broker, thing, id: &id, record: &mut record }.remove();
    record.save()?;
    match (done?, thing) {
        (Outcome::Done(_), Thing::Instance) => Ok(Progress::Done),
        (outcome, _) => Ok(progress(outcome, "The binding is removed")),
    }
}

pub(crate) fn progress(outcome: Outcome, done: &str) -> Progress {
    match outcome {
        Outcome::Done(_) => Progress::pending(AT_ONCE, done),
        Outcome::Pending(after, message) => Progress::pending(after, message),
    }
}

fn fetched(generation: u32, answer: &Response) -> Result<Progress, Failure> {
    match answer.status {
        200 => bound(generation, answer.json()?),
        // Not there yet, or not now.
        404 | 500.. => {
            Ok(Progress::pending(answer::again_after(answer), "The broker does not tell the credentials yet"))
        }
        _ => Err(answer::refusal(answer)),
    }
}

fn bound(generation: u32, said: Value) -> Result<Progress, Failure> {
    let odd = |_| Failure::failed("the broker's binding has no object as its credentials");
    let Binding { credentials } = serde_json::from_value(said).map_err(odd)?;
    record::keep_credentials(generation, &credentials)?;
    Ok(Progress::Done)
}

fn instance_body(addon: &Addon, record: &Record) -> Result<Value, Failure> {
    let mut body = json!({
        "service_id": record.service_id,
        "plan_id": record.terms.plan_id,
        "context": { "platform": "larder", "instance_name": addon.name() },
        "organization_guid": "larder",
        "space_guid": addon.app().unwrap_or_else(|| "larder".to_owned()),
    });
    let parameters: Map<String, Value> = addon.parameters()?;
    if !parameters.is_empty() {
        body["parameters"] = Value::Object(parameters);
    }
    if let Some(version) = &record.terms.maintenance_version {
        body["maintenance_info"] = json!({ "version": version });
    }
    Ok(body)
}

fn binding_body(addon: &Addon, record: &Record) -> Value {
    let mut body = json!({
        "service_id": record.service_id,
        "plan_id": record.terms.plan_id,
        "context": { "platform": "larder" },
    });
    if let Some(app) = addon.app() {
        body["bind_resource"] = json!({ "app_guid": app });
    }
    body
}
