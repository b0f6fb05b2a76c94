//! Engines that are added while the host runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use larder_containers::fake::{Call, FakeEngine};
use larder_control::{Code, Control, ControlError, EngineMaker, EngineReport, EngineSource, EngineState, NamedEngine};
use larder_domain::engines::EngineDefinition;
use larder_domain::ports::engine::EngineError;
use larder_domain::{AddonState, EngineName};
use larder_store::SystemClock;
use serde_json::{Value, json};

use super::{made, named, on, report_of, silent, with_volume};
use crate::support::{TestHost, until};

/// Makes engines that are there already, by their urls.
#[derive(Default)]
struct Machines(Mutex<HashMap<String, Arc<FakeEngine>>>);

impl Machines {
    fn at(&self, url: &str) -> Arc<FakeEngine> {
        Arc::clone(self.0.lock().unwrap().entry(url.to_owned()).or_default())
    }
}

impl EngineMaker for Machines {
    fn make(&self, name: &EngineName, definition: &EngineDefinition) -> Result<NamedEngine, Vec<String>> {
        if definition.weight == Some(13) {
            return Err(vec!["`weight`: not that".into(), "nor anything else".into()]);
        }
        let labels: Vec<String> = definition.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let engine = named(name.as_str(), &labels.join(","), self.at(&definition.url));
        let settings = larder_control::EngineSettings { url: definition.url.clone(), ..engine.settings().clone() };
        Ok(NamedEngine::new(self.at(&definition.url), settings))
    }
}

const RACK: &str = "tcp://rack:2376";

async fn host(machines: &Arc<Machines>, own: Vec<NamedEngine>) -> TestHost {
    let maker: Arc<dyn EngineMaker> = machines.clone();
    let set_up = |control: Control| control.with_engines(own).with_engine_maker(maker);
    let host = TestHost::start_with(&["keeper"], Arc::new(SystemClock::new()), set_up).await;
    host.script.answers.lock().unwrap().insert("keeper".into(), Box::new(with_volume));
    host.grant("keeper").await;
    host
}

fn name(name: &str) -> EngineName {
    name.parse().unwrap()
}

async fn add(host: &TestHost, engine: &str, said: Value) -> Result<(bool, EngineReport), (Code, String)> {
    host.control.add_engine(&name(engine), said.into()).await.map_err(|error| match error {
        ControlError::Refused { code, message } => (code, message),
        other => panic!("{other:?}"),
    })
}

#[tokio::test]
async fn an_addon_that_waits_for_an_engine_gets_the_one_that_is_added() {
    let machines = Arc::new(Machines::default());
    let host = host(&machines, vec![]).await;
    let waiting = host.create("keeper", "one").await;
    assert_eq!(on(&waiting), "-");
    let (is_new, report) = add(&host, "rack", json!({ "url": RACK, "labels": { "disk": "hdd" } })).await.unwrap();
    assert!(is_new && report.source == Some(EngineSource::Added), "{report:?}");
    assert!(matches!(report.state, EngineState::Reachable { .. }));
    // Nobody waits until the next try.
    made(&machines.at(RACK), waiting.spec.id).await;
    assert_eq!(on(&host.settled(waiting.spec.id).await), "rack");

    // What is said of it can be changed, and counts at once.
    let refused = host.ask("keeper", "two", Some("disk=ssd")).await.unwrap_err();
    assert!(refused.to_string().contains("no engine fits"), "{refused}");
    let (is_new, _) = add(&host, "rack", json!({ "url": RACK, "labels": { "disk": "ssd" } })).await.unwrap();
    assert!(!is_new);
    let second = host.create_on("keeper", "two", "disk=ssd").await;
    made(&machines.at(RACK), second.spec.id).await;
    assert_eq!(report_of(&host, "rack").await.addons, 2);
}

#[tokio::test]
async fn an_engine_that_was_added_is_there_after_a_restart() {
    let machines = Arc::new(Machines::default());
    let near = Arc::new(FakeEngine::default());
    let mut host = host(&machines, vec![named("near", "", near.clone())]).await;
    add(&host, "rack", json!({ "url": RACK })).await.unwrap();
    let id = host.create_on("keeper", "one", "rack").await.spec.id;
    assert_eq!(host.settled(id).await.addon.state, AddonState::Ready);
    let rack = machines.at(RACK);
    made(&rack, id).await;
    let maker: Arc<dyn EngineMaker> = machines.clone();
    host.over_to_with(vec![named("near", "", near)], |control| control.with_engine_maker(maker));
    host.control.announce("http://here".into()).await.unwrap();
    assert!(matches!(report_of(&host, "rack").await.state, EngineState::Reachable { .. }));
    assert_eq!(report_of(&host, "near").await.source, Some(EngineSource::File));
    let later = host.create_on("keeper", "two", "rack").await.spec.id;
    made(&rack, later).await;
    // It is watched: what is removed there is there again.
    until("a watch", || async { (rack.count(Call::Events) > 1).then_some(()) }).await;

    // Who is started with one of its name is not let in.
    host.over_to_with(vec![named("rack", "", rack)], |control| control);
    let refused = host.control.announce("http://here".into()).await.unwrap_err().to_string();
    assert!(refused.contains("`rack`") && refused.contains("leave it out"), "{refused}");
}

#[tokio::test]
async fn what_can_not_be_used_is_not_added() {
    let machines = Arc::new(Machines::default());
    let host = host(&machines, vec![named("near", "", Arc::new(FakeEngine::default()))]).await;
    let code = async |engine: &str, said: Value| add(&host, engine, said).await.map(drop).unwrap_err();
    let (found, why) = code("rack", json!({ "url": RACK, "weight": 13 })).await;
    assert_eq!((found, why.as_str()), (Code::InvalidDefinition, "`weight`: not that; nor anything else"));
    assert_eq!(code("rack", json!({ "url": RACK, "port": 1 })).await.0, Code::InvalidDefinition);
    let (found, why) = code("near", json!({ "url": RACK })).await;
    assert!(found == Code::EngineTaken && why.contains("started with an engine `near`"), "{why}");
    machines.at(RACK).fail(Call::Info, 1, &silent());
    let (found, why) = code("rack", json!({ "url": RACK })).await;
    assert!(found == Code::EngineUnusable && why.contains("nobody is there") && why.contains("add it again"), "{why}");
    machines.at(RACK).fail(Call::Info, 1, &EngineError::Refused("it speaks API 1.40".into()));
    assert_eq!(code("rack", json!({ "url": RACK })).await.0, Code::EngineUnusable);
    assert_eq!(host.control.engine_reports().await.unwrap().len(), 1, "nothing is kept of them");

    add(&host, "rack", json!({ "url": RACK })).await.unwrap();
    assert_eq!(code("other", json!({ "url": RACK })).await.0, Code::EngineTaken);
    let id = host.create_on("keeper", "one", "rack").await.spec.id;
    let (found, why) = code("rack", json!({ "url": "tcp://elsewhere:2376" })).await;
    assert!(found == Code::EngineInUse && why.contains("1 addons are on the engine"), "{why}");
    made(&machines.at(RACK), id).await;
    assert_eq!(machines.at("tcp://elsewhere:2376").volumes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_engine_that_was_added_is_given_up_when_nobody_is_on_it() {
    let machines = Arc::new(Machines::default());
    let host = host(&machines, vec![]).await;
    add(&host, "rack", json!({ "url": RACK })).await.unwrap();
    let rack = machines.at(RACK);
    let id = host.create("keeper", "one").await.spec.id;
    made(&rack, id).await;
    let refused = host.control.forget_engine(&name("rack")).await.unwrap_err().to_string();
    assert!(refused.contains("1 addons are on the engine `rack`") && refused.contains("--now"), "{refused}");
    host.control.drain_engine(&name("rack"), true).await.unwrap();
    assert!(host.ask("keeper", "two", None).await.is_err_and(|error| error.to_string().contains("is drained")));
    host.control.delete_addon_now(id, false).await.unwrap();
    until("its volume to be removed", || async { rack.volumes().is_empty().then_some(()) }).await;
    assert_eq!(host.control.forget_engine(&name("rack")).await.unwrap(), 0);
    assert_eq!(host.control.engine_reports().await.unwrap().len(), 0);
    let unknown = host.control.forget_engine(&name("rack")).await.unwrap_err();
    assert!(matches!(unknown, ControlError::Refused { code: Code::UnknownEngine, .. }));
    // It is watched no more, and what calls had of it is gone.
    host.script.last.lock().unwrap().clear();
    until("the watch to end", || async { (Arc::strong_count(&rack) == 2).then_some(()) }).await;
}
