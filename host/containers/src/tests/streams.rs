//! Answers that come piece by piece: the output of commands, logs, pulls and events.

use std::time::Duration;

use larder_domain::SecretString;
use larder_domain::docker::Image;
use larder_domain::ports::engine::{Engine, EngineError, ExecOutput};
use serde_json::{Value, json};

use super::server::{Answer, Asked, Server, chunked};
use super::{command, owner, patient};

/// A piece of output as the engine frames it.
fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

/// An engine that runs one command, and says for the first `runs` questions that it still runs.
fn running(output: Vec<u8>, runs: usize) -> Server {
    let asks = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |asked| match asked.what.as_str() {
        "POST /v1.41/containers/c/exec" => Some(Answer::Json(201, json!({"Id": "e1"}))),
        "POST /v1.41/exec/e1/start" => Some(Answer::Upgrade(output.clone())),
        "GET /v1.41/exec/e1/json" if asks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < runs => {
            Some(Answer::Json(200, json!({"Running": true, "ExitCode": null})))
        }
        "GET /v1.41/exec/e1/json" => Some(Answer::Json(200, json!({"Running": false, "ExitCode": 3}))),
        _ => None,
    })
}

#[tokio::test]
async fn a_command_is_fed_and_heard() {
    let server = running([frame(1, b"out"), frame(2, b"err"), frame(1, b"put")].concat(), 3);
    let mut exec = command(&["psql", "-c", "x"], Duration::from_secs(5));
    exec.stdin = b"password\n".to_vec().into();
    exec.env.insert("A".into(), SecretString::new("1"));
    exec.user = Some("1000".into());
    let output = server.engine(patient()).exec("c", exec).await.unwrap();
    let expected =
        ExecOutput { code: 3, stdout: b"output".to_vec().into(), stderr: b"err".to_vec().into(), truncated: false };
    assert_eq!((output, server.fed()), (expected, b"password\n".to_vec()));
    let wanted = json!({"AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": false,
        "Privileged": false, "Cmd": ["psql", "-c", "x"], "Env": ["A=1"], "User": "1000"});
    assert_eq!(server.asked()[0].body, wanted);
}

/// An engine with a container of which these are the streams.
fn attached(output: Vec<u8>) -> Server {
    Server::start(move |asked| match asked.what.as_str() {
        "POST /v1.41/containers/c/attach" => Some(Answer::Upgrade(output.clone())),
        _ => None,
    })
}

#[tokio::test]
async fn what_a_container_prints_comes_piece_by_piece_and_of_its_errors_the_end_is_kept() {
    let errors = [b"first ".repeat(1000), b"last \x1b[1mwords".to_vec()].concat();
    let server = attached([frame(1, b"one"), frame(2, &errors), frame(1, b"two")].concat());
    let mut streams = server.engine(patient()).attach("c", false).await.unwrap();
    assert_eq!(streams.read().await.unwrap(), Some(b"one".to_vec()));
    assert_eq!(streams.read().await.unwrap(), Some(b"two".to_vec()));
    assert_eq!(streams.read().await.unwrap(), None);
    let kept = streams.last_errors();
    assert!(kept.len() <= 6144 && kept.ends_with("first last [1mwords"), "{kept}");
    let query = &server.asked()[0].query;
    assert!(query.contains("stdout=true") && query.contains("stderr=true") && !query.contains("stdin=true"), "{query}");
}

#[tokio::test]
async fn a_container_is_fed_to_its_end() {
    let server = attached(frame(2, b"done"));
    let mut streams = server.engine(patient()).attach("c", true).await.unwrap();
    assert_eq!(streams.write(b"some").await, Ok(true));
    assert_eq!(streams.write(b"thing").await, Ok(true));
    streams.finish().await.unwrap();
    assert_eq!((server.fed(), streams.last_errors().as_str()), (b"something".to_vec(), "done"));
    assert_eq!(streams.write(b"more").await, Ok(false), "it was told that there is no more");
}

#[tokio::test]
async fn streams_that_are_none_are_a_failure() {
    let answer = Server::start(|_| Some(Answer::Json(409, json!({ "message": "is paused" }))));
    assert!(answer.engine(patient()).attach("c", false).await.is_err());
    let engine = attached(vec![]).engine(patient());
    assert!(matches!(engine.attach("../c", false).await, Err(EngineError::Refused(_))));
}

#[tokio::test]
async fn of_much_output_the_beginning_is_kept() {
    let pieces: Vec<Vec<u8>> =
        (0..300).map(|_| frame(1, &[b'x'; 16 * 1024])).chain([frame(2, &[b'y'; 1000])]).collect();
    let output = running(pieces.concat(), 0);
    let output = output.engine(patient()).exec("c", command(&["yes"], Duration::from_secs(20))).await.unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len(), output.truncated), (1000, 1000, true));
}

#[tokio::test]
async fn output_that_is_no_output_is_a_failure() {
    for bad in [b"no frames".to_vec(), vec![1, 0, 0, 0, 0, 0, 0, 9, b'x'], vec![1, 0, 0]] {
        let server = running(bad.clone(), 0);
        let error = server.engine(patient()).exec("c", command(&["x"], Duration::from_secs(5))).await.unwrap_err();
        assert!(matches!(error, EngineError::Failed(_)), "{bad:?}: {error:?}");
    }
    let huge = [vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], vec![b'x'; 3 * 1024 * 1024]].concat();
    let error =
        running(huge, 0).engine(patient()).exec("c", command(&["x"], Duration::from_secs(5))).await.unwrap_err();
    assert!(matches!(&error, EngineError::Failed(text) if text.contains("longer than")), "{error:?}");
    let elsewhere = Server::start(|asked| {
        asked.what.ends_with("/exec").then(|| Answer::Json(201, json!({"Id": "../../containers/x"})))
    });
    let error = elsewhere.engine(patient()).exec("c", command(&["x"], Duration::from_secs(5))).await.unwrap_err();
    assert!(matches!(error, EngineError::Failed(_)), "{error:?}");
    assert_eq!(elsewhere.asked().len(), 1);
}

#[tokio::test]
async fn a_command_that_does_not_end_is_left() {
    let server = running(frame(1, b"x"), usize::MAX);
    let error = server.engine(patient()).exec("c", command(&["x"], Duration::from_millis(400))).await.unwrap_err();
    assert_eq!(error, EngineError::Failed("the command did not end within 0.4 s".into()));
}

#[tokio::test]
async fn last_words_are_the_last() {
    let lines = [frame(1, b"first\n"), frame(2, b"sec\x1bond\n"), frame(1, "dritté\n".as_bytes())].concat();
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.extend(lines);
    let server = Server::start(move |asked| asked.what.ends_with("/logs").then(|| Answer::Raw(answer.clone())));
    let engine = server.engine(patient());
    assert_eq!(engine.last_words("c", 20, 1000).await.unwrap(), "first\nsecond\ndritté\n");
    assert_eq!(engine.last_words("c", 20, 9).await.unwrap(), "\ndritté\n");
    assert_eq!(engine.last_words("c", 20, 2).await.unwrap(), "\n");
    let query = &server.asked()[0].query;
    assert!(["stdout=true", "stderr=true", "tail=20"].iter().all(|part| query.contains(part)), "{query}");
}

/// An engine that pulls with this progress, and has the image afterwards or not.
fn pulling(status: u16, progress: &str, has: bool) -> Server {
    let whole = super::server::whole(status, progress).into_bytes();
    Server::start(move |asked| match asked.what.as_str() {
        "POST /v1.41/images/create" => Some(Answer::Raw(whole.clone())),
        what if what.ends_with("/json") => Some(Answer::Json(if has { 200 } else { 404 }, json!({"Id": "sha256:x"}))),
        _ => None,
    })
}

async fn pulled(status: u16, progress: &str, has: bool) -> Result<(), EngineError> {
    let image: Image = "redis:7".parse().unwrap();
    pulling(status, progress, has).engine(patient()).pull(&image, Duration::from_secs(5)).await
}

#[tokio::test]
async fn pulls_end_well_or_say_whose_fault_it_is() {
    let steps = "{\"status\":\"Pulling\"}\r\n{\"status\":\"Done\",\"progressDetail\":{}}\r\n";
    pulled(200, steps, true).await.unwrap();
    assert!(matches!(pulled(200, steps, false).await, Err(EngineError::Failed(_))));
    let broken = |text: &str| format!("{steps}{{\"errorDetail\":{{\"message\":\"{text}\"}},\"error\":\"{text}\"}}\r\n");
    for text in ["manifest for redis:7 not found: manifest unknown", "pull access denied for redis"] {
        assert!(matches!(pulled(200, &broken(text), true).await, Err(EngineError::NoImage(_))), "{text}");
        let message = json!({"message": text}).to_string();
        assert!(matches!(pulled(404, &message, true).await, Err(EngineError::NoImage(_))), "{text}");
    }
    let text = "dial tcp: lookup registry.example.com: no such host";
    assert!(matches!(pulled(200, &broken(text), true).await, Err(EngineError::Failed(_))));
    assert!(matches!(pulled(500, &json!({"message": text}).to_string(), true).await, Err(EngineError::Failed(_))));
    assert!(matches!(pulled(429, "{\"message\":\"slow down\"}", true).await, Err(EngineError::Failed(_))));
    assert!(matches!(pulled(400, "{\"message\":\"bad\"}", true).await, Err(EngineError::Refused(_))));
}

#[tokio::test]
async fn a_long_pull_is_read_piece_by_piece() {
    let steps = "{\"status\":\"Downloading\",\"id\":\"0123456789ab\"}\r\n".repeat(60_000);
    pulled(200, &steps, true).await.unwrap();
}

#[tokio::test]
async fn an_image_is_named_in_its_parts() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (image, from, tag) in [
        ("reg.example.com:5000/a/b:1".to_owned(), "reg.example.com:5000/a/b", "1".to_owned()),
        (format!("a/b:1@{digest}"), "a/b", digest.clone()),
    ] {
        let server = pulling(200, "", true);
        server.engine(patient()).pull(&image.parse().unwrap(), Duration::from_secs(5)).await.unwrap();
        let asked = server.asked();
        assert!(asked[0].query.contains(&format!("fromImage={from}&tag={tag}")), "{}", asked[0].query);
        assert_eq!(asked[1].what, format!("GET /v1.41/images/{image}/json"));
    }
}

fn event(kind: &str, action: &str, attributes: &Value) -> String {
    let actor = json!({"ID": "x", "Attributes": attributes});
    format!("{}\n", json!({"Type": kind, "Action": action, "Actor": actor, "scope": "local", "time": 1}))
}

#[tokio::test]
async fn events_of_ours_are_told_and_nothing_else() {
    let (ours, others) = (owner(), owner());
    let labels = |installation: String, addon: &str| json!({"larder.installation": installation, "larder.addon": addon, "x": "y"});
    let mine = labels(ours.installation.to_string(), &ours.addon.to_string());
    let lines = [
        event("container", "start", &labels(ours.installation.to_string(), "none")),
        event("container", "start", &labels(others.installation.to_string(), &ours.addon.to_string())),
        event("volume", "create", &json!({})),
        event("container", "exec_create: sh -c secret", &mine),
        event("container", "health_status: healthy", &mine),
        event("container", "die", &mine),
    ];
    let pieces: Vec<&str> = lines.iter().map(String::as_str).collect();
    let answer = chunked(&pieces);
    let server = Server::start(move |asked| (asked.what == "GET /v1.41/events").then(|| Answer::Raw(answer.clone())));
    let mut events = server.engine(patient()).events(ours.installation).await.unwrap();
    for action in ["health_status", "die"] {
        let event = events.next().await.unwrap();
        assert_eq!((event.addon, event.action.as_str()), (ours.addon, action));
    }
    assert!(matches!(events.next().await, Err(EngineError::Failed(_))));
    let query = &server.asked()[0].query;
    let wanted = [format!("larder.installation={}", ours.installation), "container".into(), "volume".into()];
    assert!(wanted.iter().all(|part| query.contains(part)), "{query}");
}

#[tokio::test]
async fn a_silent_engine_is_asked_whether_it_is_there() {
    let pings = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&pings);
    let answer = move |asked: &Asked| match asked.what.as_str() {
        "GET /v1.41/events" => Some(Answer::Open(chunked(&[]))),
        // It is there twice, and hangs after that.
        "GET /_ping" if counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 => {
            Some(Answer::Json(200, json!("OK")))
        }
        "GET /_ping" => Some(Answer::Open(vec![])),
        _ => None,
    };
    let server = Server::start(answer);
    let bounds =
        crate::bounds::Bounds { silence: Duration::from_millis(20), look: Duration::from_millis(500), ..patient() };
    let mut events = server.engine(bounds).events(owner().installation).await.unwrap();
    assert!(matches!(events.next().await, Err(EngineError::Unreachable(_))));
    assert_eq!(pings.load(std::sync::atomic::Ordering::SeqCst), 3);
}
