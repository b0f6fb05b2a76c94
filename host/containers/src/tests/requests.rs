//! What the engine is asked, word for word, and what its answers mean.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder_domain::OperationId;
use larder_domain::docker::ObjectKind;
use larder_domain::ports::engine::{ContainerState, Engine, EngineError, NewContainer, StreamThrough};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::server::{Answer, Asked, Server, whole};
use super::{container_spec, new_container, owner, patient, plain_spec};
use crate::DockerEngine;

fn answering(status: u16, value: Value) -> Server {
    Server::start(move |asked| (asked.what != "GET /version").then(|| Answer::Json(status, value.clone())))
}

fn saying(status: u16, message: &str) -> Server {
    answering(status, json!({"message": message}))
}

const WHOLE: &str = r#"{
    "name": "db", "image": "registry.example.com:5000/a/b:1",
    "command": ["serve", "--secret=x"], "entrypoint": ["/bin/run"], "env": {"A": "1"}, "user": "1000:1000",
    "memory_bytes": 16777216, "cpu_millis": 250, "pids": 20,
    "mounts": [{"volume": "data", "path": "/data"}, {"volume": "conf", "path": "/conf", "read_only": true}],
    "tmpfs": [{"path": "/tmp", "bytes": 1048576}], "ports": [5432, 80],
    "capabilities": ["CHOWN", "SETUID"], "read_only": true, "stop_s": 30
}"#;

/// What a container is that was made for a stream, beside what every one is.
#[tokio::test]
async fn a_container_for_a_stream_has_no_log_and_shares_a_network() {
    let server = answering(201, json!({ "Id": "i", "Warnings": [] }));
    let (owner, spec, operation) = (owner(), plain_spec(), OperationId::generate());
    let stream = Some(StreamThrough { operation, has_input: true, beside: Some("larder-x-db".into()) });
    let container = NewContainer { stream, ..new_container("c", &owner, &spec) };
    server.engine(patient()).create_container(container).await.unwrap();
    let body = server.asked().pop().unwrap().body;
    let host = &body["HostConfig"];
    assert_eq!((&host["NetworkMode"], &host["LogConfig"]["Type"]), (&json!("container:larder-x-db"), &json!("none")));
    assert_eq!((&body["OpenStdin"], &body["StdinOnce"], &body["Hostname"]), (&json!(true), &json!(true), &Value::Null));
    assert_eq!(body["Labels"]["larder.transfer"], json!(operation.to_string()));
    assert_eq!((&host["CapDrop"], &host["Privileged"]), (&json!(["ALL"]), &json!(false)));
}

#[tokio::test]
async fn a_container_gets_what_every_container_gets() {
    let server = answering(201, json!({"Id": "abc", "Warnings": []}));
    let (owner, spec) = (owner(), container_spec(WHOLE));
    let mut new = new_container("larder-x-db", &owner, &spec);
    new.labels.insert("larder.provider".into(), "pg".into());
    new.labels.insert("larder.addon".into(), "another".into());
    for volume in ["data", "conf"] {
        new.volumes.insert(volume.parse().unwrap(), format!("larder-x-{volume}"));
    }
    new.published.insert(5432, "127.0.0.1:20001".parse().unwrap());
    new.published.insert(80, "[::1]:20002".parse().unwrap());
    server.engine(patient()).create_container(new).await.unwrap();
    let asked = server.asked();
    let labels = |object: &str| {
        json!({
            "larder.installation": owner.installation.to_string(), "larder.addon": owner.addon.to_string(),
            "larder.object": object, "larder.revision": "3", "larder.transfer": "",
        })
    };
    let mut own_labels = labels("db");
    own_labels["larder.provider"] = json!("pg");
    let mount = |volume: &str, path: &str, read_only: bool| {
        json!({"Type": "volume", "Source": format!("larder-x-{volume}"), "Target": path, "ReadOnly": read_only,
            "VolumeOptions": {"Labels": labels(volume)}})
    };
    assert_eq!(asked[0].what, "POST /v1.41/containers/create");
    assert!(asked[0].query.starts_with("name=larder-x-db&"), "{}", asked[0].query);
    // The whole of it: what is not here is not asked for.
    let mut body = asked[0].body.clone();
    // A list with an order of chance.
    assert_eq!(body["ExposedPorts"].take(), json!({"5432/tcp": {}, "80/tcp": {}}));
    let expected = json!({
        "Image": "registry.example.com:5000/a/b:1", "Cmd": ["serve", "--secret=x"], "Entrypoint": ["/bin/run"],
        "Env": ["A=1"], "Hostname": "db", "User": "1000:1000", "Labels": own_labels, "StopTimeout": 30,
        "Tty": false, "OpenStdin": false, "ExposedPorts": null, "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "Memory": 16_777_216, "MemorySwap": 16_777_216, "NanoCpus": 250_000_000, "PidsLimit": 20,
            "CapDrop": ["ALL"], "CapAdd": ["CHOWN", "SETUID"], "SecurityOpt": ["no-new-privileges"],
            "Privileged": false, "ReadonlyRootfs": true, "IpcMode": "private", "CgroupnsMode": "private",
            "Ulimits": [{"Name": "nofile", "Soft": 16_384, "Hard": 16_384}],
            "Init": true, "RestartPolicy": {"Name": "no"}, "AutoRemove": false,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
            "Mounts": [mount("data", "/data", false), mount("conf", "/conf", true)],
            "Tmpfs": {"/tmp": "rw,nosuid,nodev,mode=1777,size=1048576"},
            "NetworkMode": "larder-net", "PublishAllPorts": false,
            "PortBindings": {
                "5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20001"}],
                "80/tcp": [{"HostIp": "::1", "HostPort": "20002"}],
            },
        },
    });
    assert_eq!(body, expected);
    assert!(asked[0].head.contains("host: localhost\r\n"), "{}", asked[0].head);
}

#[tokio::test]
async fn what_is_not_said_is_the_images_own() {
    let server = answering(201, json!({"Id": "abc", "Warnings": []}));
    let (owner, spec) = (owner(), plain_spec());
    server.engine(patient()).create_container(new_container("c", &owner, &spec)).await.unwrap();
    let body = &server.asked()[0].body;
    for absent in ["Cmd", "Entrypoint", "Env", "User", "ExposedPorts"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!((&body["HostConfig"]["CapAdd"], &body["HostConfig"]["PortBindings"]), (&json!([]), &json!({})));
}

#[tokio::test]
async fn a_volume_that_nobody_named_is_refused() {
    let server = answering(201, json!({"Id": "abc"}));
    let (owner, spec) = (owner(), container_spec(WHOLE));
    for path in [None, Some("/etc"), Some("../x")] {
        let mut new = new_container("c", &owner, &spec);
        new.volumes.insert("conf".parse().unwrap(), "conf".into());
        new.volumes.extend(path.map(|path| ("data".parse().unwrap(), path.to_owned())));
        let error = server.engine(patient()).create_container(new).await.unwrap_err();
        assert!(matches!(error, EngineError::Refused(_)), "{path:?}: {error:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn the_machines_network_is_refused() {
    let server = answering(201, json!({"Id": "abc"}));
    let (owner, spec) = (owner(), plain_spec());
    for network in ["host", "none", "bridge", "default", "container:abc", ""] {
        let mut new = new_container("c", &owner, &spec);
        new.network = network.into();
        let error = server.engine(patient()).create_container(new).await.unwrap_err();
        assert!(matches!(error, EngineError::Refused(_)), "{network}: {error:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_engine_may_listen_on_a_port() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let engine = DockerEngine::connect(&format!("tcp://{address}")).unwrap().with_bounds(patient());
    let asked = tokio::spawn(async move {
        let mut heads = vec![];
        for body in ["{\"ApiVersion\": \"1.45\"}", "{}"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            heads.push(String::from_utf8(head[..length].to_vec()).unwrap());
            stream.write_all(whole(200, body).as_bytes()).await.unwrap();
        }
        heads
    });
    assert_eq!(engine.has_image(&"redis:7".parse().unwrap()).await, Ok(true));
    let heads = asked.await.unwrap();
    assert!(heads[0].starts_with("GET /version HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("GET /v1.45/images/redis:7/json HTTP/1.1\r\n"), "{}", heads[1]);
    assert!(heads[1].contains(&format!("host: {address}\r\n")), "{}", heads[1]);
}

#[tokio::test]
async fn statuses_mean_what_was_asked() {
    let (owner, spec, image) = (owner(), plain_spec(), "redis:7".parse().unwrap());
    let new = || new_container("c", &owner, &spec);
    let create = async |status, text| saying(status, text).engine(patient()).create_container(new()).await.unwrap_err();
    assert!(matches!(create(404, "No such image: redis:7").await, EngineError::NoImage(_)));
    assert!(matches!(create(404, "network larder-net not found").await, EngineError::Failed(_)));
    assert!(matches!(create(409, "name is in use").await, EngineError::Conflict(_)));
    assert!(matches!(create(400, "invalid").await, EngineError::Refused(_)));

    let start = async |status, text| saying(status, text).engine(patient()).start("c").await;
    start(204, "").await.unwrap();
    start(304, "").await.unwrap();
    assert_eq!(start(404, "No such container: c").await, Err(EngineError::Missing));
    assert!(matches!(start(404, "network larder-net not found").await, Err(EngineError::NetworkGone(_))));
    let taken = "driver failed: Bind for 127.0.0.1:1 failed: port is already allocated";
    assert!(matches!(start(500, taken).await, Err(EngineError::AddressTaken(_))));
    let taken = "listen tcp4 127.0.0.1:1: bind: address already in use";
    assert!(matches!(start(500, taken).await, Err(EngineError::AddressTaken(_))));

    let server = saying(404, "no such thing");
    let gone = server.engine(patient());
    assert_eq!(gone.has_image(&image).await, Ok(false));
    assert_eq!(gone.state("c").await, Ok(None));
    gone.remove_container("c", Duration::ZERO).await.unwrap();
    gone.remove_volume("v").await.unwrap();
    assert_eq!(gone.last_words("c", 1, 1).await, Err(EngineError::Missing));
    assert_eq!(gone.exec("c", super::command(&["x"], Duration::from_secs(1))).await, Err(EngineError::Missing));
    let server = saying(409, "volume is in use");
    let used = server.engine(patient());
    assert!(matches!(used.remove_volume("v").await, Err(EngineError::Conflict(_))));
}

#[tokio::test]
async fn what_does_not_run_is_stopped() {
    for (status, is_stopped) in [(204, true), (304, true), (404, true), (500, false)] {
        let server = answering(status, json!({"message": "x"}));
        let stopped = server.engine(patient()).stop_container("c", Duration::from_millis(1500)).await;
        assert_eq!(stopped.is_ok(), is_stopped, "{status}: {stopped:?}");
        let asked = server.asked();
        assert!(asked.len() == 1 && asked[0].what == "POST /v1.41/containers/c/stop", "{asked:?}");
        assert!(asked[0].query.contains("t=2"), "{}", asked[0].query);
    }
}

#[tokio::test]
async fn removing_is_done_however_stopping_went() {
    for status in [204, 304, 404, 500] {
        let server = Server::start(move |asked| match asked.what.as_str() {
            "POST /v1.41/containers/c/stop" => Some(Answer::Json(status, json!({"message": "x"}))),
            "DELETE /v1.41/containers/c" => Some(Answer::Json(204, Value::Null)),
            _ => None,
        });
        server.engine(patient()).remove_container("c", Duration::from_millis(1500)).await.unwrap();
        let asked = server.asked();
        assert_eq!((asked[0].query.contains("t=2"), asked.len()), (true, 2), "{asked:?}");
        assert!(asked[1].query.contains("v=true") && asked[1].query.contains("force=true"), "{}", asked[1].query);
    }
}

#[tokio::test]
async fn the_newest_version_that_both_know_is_spoken_until_something_goes_wrong() {
    let server = Server::start(|asked| match asked.what.as_str() {
        "GET /version" => Some(Answer::Json(200, json!({"ApiVersion": "1.99", "MinAPIVersion": "1.44"}))),
        what if what.ends_with("/bad/json") => Some(Answer::Json(500, json!({"message": "x"}))),
        _ => None,
    });
    let engine = server.engine(patient());
    engine.state("a").await.unwrap();
    engine.state("a").await.unwrap();
    assert_eq!((server.asked_for_version(), server.asked()[0].what.as_str()), (1, "GET /v1.53/containers/a/json"));
    engine.state("bad").await.unwrap_err();
    engine.state("a").await.unwrap();
    assert_eq!(server.asked_for_version(), 2);
}

#[tokio::test]
async fn info_is_what_the_engine_says() {
    let server = Server::start(|asked| {
        let info = json!({"Driver": "overlay2", "MemoryLimit": true, "ServerVersion": "20.10.24"});
        (asked.what == "GET /v1.41/info").then_some(Answer::Json(200, info))
    });
    let info = server.engine(patient()).info().await.unwrap();
    assert_eq!((info.version.as_str(), info.api_version.as_str()), ("20.10.24", "1.41"));
    assert_eq!((info.storage_driver.as_str(), info.limits_memory), ("overlay2", true));
}

#[tokio::test]
async fn states_are_told_apart() {
    let state = async |state: Value| answering(200, json!({"State": state})).engine(patient()).state("c").await;
    assert_eq!(state(json!({"Status": "created"})).await, Ok(Some(ContainerState::Created)));
    assert_eq!(state(json!({"Status": "running"})).await, Ok(Some(ContainerState::Running)));
    let exited = json!({"Status": "exited", "ExitCode": 137, "OOMKilled": true});
    assert_eq!(state(exited).await, Ok(Some(ContainerState::Exited { code: 137, out_of_memory: true })));
    assert_eq!(state(json!({"Status": "paused"})).await, Ok(Some(ContainerState::Paused)));
    assert_eq!(state(json!({"Status": "removing"})).await, Ok(Some(ContainerState::Other("removing".into()))));
    assert!(matches!(state(json!({"Status": "dreaming"})).await, Err(EngineError::Failed(_))));
    assert!(matches!(state(Value::Null).await, Err(EngineError::Failed(_))));
}

#[tokio::test]
async fn why_a_container_was_killed_may_be_known_a_moment_later() {
    let looks = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let is_look = asked.what.ends_with("/json");
        let told = is_look && looks.fetch_add(1, Ordering::SeqCst) > 0;
        let state = json!({"Status": "exited", "ExitCode": 137, "OOMKilled": told});
        is_look.then(|| Answer::Json(200, json!({ "State": state })))
    });
    let state = server.engine(patient()).state("c").await;
    assert_eq!(state, Ok(Some(ContainerState::Exited { code: 137, out_of_memory: true })));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn only_what_is_ours_is_found() {
    let (ours, others) = (owner(), owner());
    let labels = |owner: &larder_domain::ports::engine::Owner| {
        json!({
            "larder.installation": owner.installation.to_string(), "larder.addon": owner.addon.to_string(),
            "larder.object": owner.name.to_string(), "larder.revision": owner.revision.to_string(),
        })
    };
    let mut partial = labels(&ours);
    partial["larder.revision"] = json!("three");
    let mut ended = labels(&ours);
    ended["larder.transfer"] = json!("");
    let volume = |name: &str, labels: Value| json!({"Name": name, "Driver": "local", "Mountpoint": "/x", "Labels": labels, "Options": null, "Scope": "local"});
    let containers = json!([
        {"Names": ["/mine"], "State": "running", "Labels": labels(&ours)},
        {"Names": ["/ended"], "State": "exited", "Labels": ended},
        {"Names": ["/partial"], "State": "running", "Labels": partial},
        {"Names": ["/others"], "State": "running", "Labels": labels(&others)},
        {"Names": ["/bare"], "State": "running", "Labels": null},
        {"Names": [], "State": "running", "Labels": labels(&ours)},
    ]);
    let volumes = json!({"Volumes": [volume("data", labels(&ours)), volume("bare", Value::Null)], "Warnings": null});
    let answer = move |asked: &Asked| match asked.what.as_str() {
        "GET /v1.41/containers/json" => Some(Answer::Json(200, containers.clone())),
        "GET /v1.41/volumes" => Some(Answer::Json(200, volumes.clone())),
        _ => None,
    };
    let server = Server::start(answer);
    let engine = server.engine(patient());
    let found = engine.objects(ours.installation, Some(ours.addon)).await.unwrap();
    let names: Vec<_> = found.iter().map(|f| (f.kind, f.full_name.as_str(), f.running)).collect();
    let (container, volume) = (ObjectKind::Container, ObjectKind::Volume);
    assert_eq!(names, [(container, "mine", true), (container, "ended", false), (volume, "data", false)]);
    assert_eq!(found[0].owner, ours);
    assert!(found.iter().all(|found| found.operation.is_none()), "of those that we make now, and of those before");
    let asked = server.asked();
    assert!(asked[0].query.contains("all=true"), "{}", asked[0].query);
    for asked in asked {
        let filter = [format!("larder.installation={}", ours.installation), format!("larder.addon={}", ours.addon)];
        assert!(filter.iter().all(|filter| asked.query.contains(filter)), "{}", asked.query);
    }
    assert!(engine.objects(owner().installation, None).await.unwrap().is_empty());
    let few = server.engine(crate::bounds::Bounds { objects: 5, ..patient() });
    assert!(matches!(few.objects(ours.installation, None).await, Err(EngineError::Failed(_))));
}

#[tokio::test]
async fn a_volume_that_is_anothers_is_a_conflict() {
    let (ours, mut later) = (owner(), owner());
    later.clone_from(&ours);
    later.revision += 1;
    let engine_of = |labels: Value| {
        answering(
            201,
            json!({"Name": "v", "Driver": "local", "Mountpoint": "/x", "Labels": labels, "Options": null, "Scope": "local"}),
        )
    };
    let labels = json!({
        "larder.installation": ours.installation.to_string(), "larder.addon": ours.addon.to_string(),
        "larder.object": "db", "larder.revision": "3",
    });
    let server = engine_of(labels);
    let engine = server.engine(patient());
    engine.create_volume("v", &ours).await.unwrap();
    engine.create_volume("v", &later).await.unwrap();
    assert!(matches!(engine.create_volume("v", &owner()).await, Err(EngineError::Conflict(_))));
    let bare = engine_of(json!({}));
    assert!(matches!(bare.engine(patient()).create_volume("v", &ours).await, Err(EngineError::Conflict(_))));
}

#[tokio::test]
async fn of_several_networks_the_first_stays() {
    let ours = owner().installation;
    let network = move |id: &str, created: &str, icc: &str, installation: String| {
        json!({"Name": "net", "Id": id, "Created": created, "Driver": "bridge",
            "Options": {"com.docker.network.bridge.enable_icc": icc}, "Labels": {"larder.installation": installation}})
    };
    // Looking first finds none; after the creation there are two.
    let looks = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |asked| match asked.what.as_str() {
        "GET /v1.41/networks" if looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
            Some(Answer::Json(200, json!([{"Name": "net-other", "Id": "z"}])))
        }
        "GET /v1.41/networks" => Some(Answer::Json(
            200,
            json!([
                network("mine", "2026-01-01T00:00:00.25Z", "false", ours.to_string()),
                network("first", "2026-01-01T00:00:00.2Z", "false", ours.to_string())
            ]),
        )),
        "POST /v1.41/networks/create" => Some(Answer::Json(201, json!({"Id": "mine", "Warning": ""}))),
        "DELETE /v1.41/networks/mine" => Some(Answer::Json(204, Value::Null)),
        _ => None,
    });
    server.engine(patient()).ensure_network(ours, "net").await.unwrap();
    let asked: Vec<_> = server.asked().into_iter().map(|asked| (asked.what, asked.body)).collect();
    assert_eq!(asked.last().unwrap().0, "DELETE /v1.41/networks/mine");
    let wanted = json!({"Name": "net", "Driver": "bridge", "Labels": {"larder.installation": ours.to_string()},
        "Options": {"com.docker.network.bridge.enable_icc": "false"}});
    assert_eq!(asked[1].1, wanted);

    for (icc, installation) in [("true", ours.to_string()), ("false", owner().installation.to_string())] {
        let one = network("a", "2026", icc, installation);
        let server = answering(200, json!([one]));
        let error = server.engine(patient()).ensure_network(ours, "net").await.unwrap_err();
        assert!(matches!(error, EngineError::Conflict(_)), "{error:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn networks_of_others_are_not_removed_and_used_ones_stay() {
    let ours = owner().installation;
    for (status, is_conflict) in [(204, false), (404, false), (403, true)] {
        let network = |id: &str, name: &str, labels: Value| json!({ "Name": name, "Id": id, "Labels": labels });
        let list = json!([
            network("unlabelled", "net", Value::Null),
            network("anothers", "net", json!({ "larder.installation": owner().installation.to_string() })),
            network("longer", "net-2", json!({ "larder.installation": ours.to_string() })),
            network("mine", "net", json!({ "larder.installation": ours.to_string() })),
        ]);
        let server = Server::start(move |asked| match asked.what.as_str() {
            "GET /v1.41/networks" => Some(Answer::Json(200, list.clone())),
            "DELETE /v1.41/networks/mine" => Some(Answer::Json(status, json!({ "message": "active endpoints" }))),
            _ => None,
        });
        let removed = server.engine(patient()).remove_network(ours, "net").await;
        assert_eq!(matches!(removed, Err(EngineError::Conflict(_))), is_conflict, "{removed:?}");
        assert_eq!(removed.is_ok(), !is_conflict, "{removed:?}");
        let asked: Vec<String> = server.asked().into_iter().map(|asked| asked.what).collect();
        assert_eq!(asked, ["GET /v1.41/networks", "DELETE /v1.41/networks/mine"]);
    }
}
