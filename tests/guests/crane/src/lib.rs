//! A provider that wants of a Docker engine whatever it is told to, within what its operator has it ask for.
//!
//! Options: `{"requests": [GRANT, …]}`. Parameters: `{"objects": [DOCUMENT, …], "exec": {"container": NAME, "command": DOCUMENT},
//! "deprovision": "trap" | "loop" | "lie", "late": [DOCUMENT, …], "settle": true, "export": STREAM, "import": STREAM}`, where a stream is `{"image": IMAGE, "script":
//! WORDS OF SH, "mount": VOLUME, "port": NUMBER, "env": {NAME: VALUE}, "extension": TEXT}`. Who lies says that nothing is left and wants the late objects in the same breath. It is ready when all its containers run, with `settle` for a second; how they do is in `CRANE_STATUS`, and what the
//! command said in `CRANE_SAID`.

use larder_sdk::docker::{self, Command, Container, Object, Status};
use larder_sdk::{
    Addon, Config, Failure, Manifest, Options, Plan, Progress, Provider, ProvisionType, Request, Service, Stream,
    Transfer, export, state,
};
use serde_json::{Map, Value, json};
use std::time::Duration;

struct Crane;

/// A document as somebody else wrote it.
struct Raw(Value);

impl Object for Raw {
    fn document(self) -> Value {
        self.0
    }
}

impl Provider for Crane {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        let options: Value = options.to()?;
        let service = Service::new("crane", "Whatever it is told")
            .variable("CRANE_STATUS")
            .variable("CRANE_SAID")
            .provision_type(ProvisionType::Independent)
            .plan(Plan::new("default", "As told").parameters(json!({ "type": "object" })).provision_deadline_s(60));
        let manifest = Manifest::new("0.1.0", "Lifts containers").options(json!({ "type": "object" })).service(service);
        let asked = options["requests"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(asked.fold(manifest, |manifest, value| manifest.request(Request::optional("docker", value, "to be tried"))))
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        for document in objects(addon)? {
            docker::ensure(Raw(document))?;
        }
        Ok("wanted".to_owned())
    }

    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        for name in containers(addon)? {
            match docker::inspect(&name)? {
                Status::Running { .. } => {}
                Status::Exited { code, out_of_memory, log } => {
                    return Err(Failure::failed(format!("{name} ended with {code} ({out_of_memory}): {log}")));
                }
                Status::Failed { reason } => return Err(Failure::failed(reason)),
                other => return Ok(Progress::pending(Duration::from_secs(1), format!("{other:?}"))),
            }
        }
        let parameters: Value = addon.parameters()?;
        if parameters["settle"] == true && state::get("seen")?.is_none() {
            state::set("seen", "yes")?;
            return Ok(Progress::pending(Duration::from_millis(800), "runs, and may end at once"));
        }
        Ok(Progress::Done)
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        let mut all = Map::new();
        for name in containers(addon)? {
            if let Status::Running { endpoints } = docker::inspect(&name)? {
                let places =
                    endpoints.iter().map(|e| (e.port.to_string(), json!(format!("{}:{}", e.host, e.published))));
                all.insert(name, Value::Object(places.collect()));
            }
        }
        let config = Config::new().variable("CRANE_STATUS", Value::Object(all).to_string());
        Ok(config.variable("CRANE_SAID", said(addon)?))
    }

    fn deprovision(addon: &Addon) -> Result<Progress, Failure> {
        let parameters: Value = addon.parameters()?;
        match parameters["deprovision"].as_str() {
            Some("trap") => core::arch::wasm32::unreachable(),
            Some("loop") => loop {
                core::hint::spin_loop();
            },
            Some("lie") => {
                for document in parameters["late"].as_array().into_iter().flatten() {
                    docker::ensure(Raw(document.clone()))?;
                }
                Ok(Progress::Done)
            }
            _ => Ok(Progress::Done),
        }
    }
}

/// What a command in a container says.
fn said(addon: &Addon) -> Result<String, Failure> {
    let parameters: Value = addon.parameters()?;
    let Some(container) = parameters["exec"]["container"].as_str() else { return Ok(String::new()) };
    let words = parameters["exec"]["command"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let output = docker::exec(container, Command::new(words))?;
    Ok(format!("{} {}", output.code, String::from_utf8_lossy(&output.stdout).trim()))
}

fn objects(addon: &Addon) -> Result<Vec<Value>, Failure> {
    let parameters: Value = addon.parameters()?;
    Ok(parameters["objects"].as_array().cloned().unwrap_or_default())
}

fn containers(addon: &Addon) -> Result<Vec<String>, Failure> {
    let is_container = |object: &&Value| object["kind"] == "container";
    let objects = objects(addon)?;
    let names = objects.iter().filter(is_container).filter_map(|object| object["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

impl Transfer for Crane {
    fn begin_export(addon: &Addon) -> Result<Stream, Failure> {
        stream(addon, "export")
    }

    fn begin_import(addon: &Addon) -> Result<Stream, Failure> {
        stream(addon, "import")
    }
}

fn stream(addon: &Addon, which: &str) -> Result<Stream, Failure> {
    let told = &addon.parameters::<Value>()?[which];
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    if told.is_null() {
        return Err(Failure::rejected(format!("nobody said what an {which} is")));
    }
    let mut container =
        Container::new("stream", text("image")).memory_mib(64).entrypoint(["/bin/sh", "-c"]).command([text("script")]);
    if let Some(volume) = told["mount"].as_str() {
        container = container.mount(volume, "/data");
    }
    if let Some(port) = told["port"].as_u64() {
        container = container.port(u16::try_from(port).unwrap_or_default());
    }
    for (name, value) in told["env"].as_object().into_iter().flatten() {
        container = container.env(name, value.as_str().unwrap_or_default());
    }
    let extension = told["extension"].as_str().unwrap_or("txt");
    Ok(Stream::through(container).of_type("text/plain; charset=utf-8", extension))
}

export!(Crane: transfer);
