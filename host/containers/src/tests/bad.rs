//! Engines that are none, or are broken: every function, against every way to be of no use, ends soon and says so.

use std::time::{Duration, Instant};

use larder_domain::OperationId;
use larder_domain::ports::engine::{Engine, EngineError, Passage};
use serde_json::json;

use super::server::{Answer, Asked, Server, chunked, whole};
use super::{bounded, command, new_container, owner, plain_spec};
use crate::DockerEngine;
use crate::bounds::Bounds;

/// What may be read in these tests, in bytes.
const BYTES_MAX: u64 = 128 * 1024;

/// For engines that break what they do at once.
const LONG: Duration = Duration::from_secs(30);
/// For engines that do nothing.
const SHORT: Duration = Duration::from_millis(50);

fn bounds(time: Duration) -> Bounds {
    Bounds { answer_bytes: BYTES_MAX, list_bytes: BYTES_MAX, item_bytes: BYTES_MAX, ..bounded(time) }
}

fn passage() -> Passage {
    Passage { name: "net".to_owned(), operation: OperationId::generate() }
}

/// Every function of the port, once.
async fn everything(engine: &DockerEngine, time: Duration) -> Vec<(&'static str, EngineError)> {
    let (owner, spec, image) = (owner(), plain_spec(), "redis:7".parse().unwrap());
    let events = async { engine.events(owner.installation).await?.next().await.map(drop) };
    let results = [
        ("info", engine.info().await.map(drop)),
        ("has_image", engine.has_image(&image).await.map(drop)),
        ("pull", engine.pull(&image, time).await),
        ("ensure_network", engine.ensure_network(owner.installation, "net").await),
        ("remove_network", engine.remove_network(owner.installation, "net").await),
        ("open_passage", engine.open_passage(owner.installation, &passage(), "c", "server").await),
        ("passages", engine.passages(owner.installation).await.map(drop)),
        ("close_passage", engine.close_passage("net").await),
        ("objects", engine.objects(owner.installation, None).await.map(drop)),
        ("create_volume", engine.create_volume("vol", &owner).await),
        ("create_container", engine.create_container(new_container("c", &owner, &spec)).await),
        ("start", engine.start("c").await),
        ("state", engine.state("c").await.map(drop)),
        ("last_words", engine.last_words("c", 10, 100).await.map(drop)),
        ("stop_container", engine.stop_container("c", Duration::ZERO).await),
        ("remove_container", engine.remove_container("c", Duration::ZERO).await),
        ("remove_volume", engine.remove_volume("vol").await),
        ("exec", engine.exec("c", command(&["true"], time)).await.map(drop)),
        ("events", events.await),
    ];
    results.into_iter().map(|(name, result)| (name, result.expect_err(name))).collect()
}

/// The same, once with an engine that is bad from the beginning, and once with one that tells its version.
async fn everything_of(answer: Answer, time: Duration, is_fine: impl Fn(&str, &EngineError) -> bool) {
    for knows_version in [false, true] {
        let answer = answer.clone();
        let all = move |asked: &Asked| (!knows_version || asked.what != "GET /version").then(|| answer.clone());
        let server = Server::start(all);
        let began = Instant::now();
        for (name, error) in everything(&server.engine(bounds(time)), time).await {
            assert!(is_fine(name, &error), "{name}: {error:?}");
            assert!(error.to_string().len() < 700 && !error.to_string().contains(char::is_control), "{name}: {error}");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn nobody_is_there() {
    for endpoint in ["unix:///nowhere/engine.sock", "tcp://127.0.0.1:1"] {
        let engine = DockerEngine::connect(endpoint).unwrap().with_bounds(bounds(LONG));
        for (name, error) in everything(&engine, LONG).await {
            assert!(matches!(&error, EngineError::Unreachable(text) if text.contains(endpoint)), "{name}: {error:?}");
        }
    }
}

#[tokio::test]
async fn nobody_answers() {
    let is_late = |name: &str, error: &EngineError| match name {
        // The caller's bound ends these, and it is the image or the command that took so long.
        "pull" | "exec" => matches!(error, EngineError::Failed(_) | EngineError::Unreachable(_)),
        _ => matches!(error, EngineError::Unreachable(text) if text.contains("within 0.05 s")),
    };
    everything_of(Answer::Open(vec![]), SHORT, is_late).await;
}

#[tokio::test]
async fn only_half_a_head_or_body_ever_comes() {
    let is_typed = |_: &str, error: &EngineError| matches!(error, EngineError::Unreachable(_) | EngineError::Failed(_));
    everything_of(Answer::Open(b"HTTP/1.1 200 OK\r\nContent-Len".to_vec()), SHORT, is_typed).await;
    everything_of(Answer::Open(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n{".to_vec()), SHORT, is_typed).await;
}

fn failed(_: &str, error: &EngineError) -> bool {
    matches!(error, EngineError::Failed(_))
}

#[tokio::test]
async fn the_engine_fails() {
    let failing =
        |_: &str, error: &EngineError| matches!(error, EngineError::Failed(text) if text.contains("it burns"));
    everything_of(Answer::Json(500, json!({"message": "it\nburns\u{7}"})), LONG, failing).await;
    everything_of(Answer::Raw(whole(503, "it burns").into_bytes()), LONG, failing).await;
    everything_of(Answer::Raw(whole(500, &format!("it burns {}", "x".repeat(50_000))).into_bytes()), LONG, failing)
        .await;
    everything_of(Answer::Raw(whole(500, "{\"message\": ").into_bytes()), LONG, failed).await;
    everything_of(Answer::Raw(whole(302, "elsewhere").into_bytes()), LONG, failed).await;
}

#[tokio::test]
async fn what_comes_is_garbage() {
    for garbage in [&b"220 mail.example.com ESMTP\r\n"[..], b"\0\xff\x16\x03\x01", b"HTTP/9.9 what\r\n\r\n"] {
        everything_of(Answer::Raw(garbage.to_vec()), LONG, failed).await;
    }
}

#[tokio::test]
async fn it_is_json_of_something_else() {
    // A function that wants no answer is content with any.
    let silent = ["start", "stop_container", "remove_container", "remove_volume"];
    for body in ["[[[", "<html></html>", "\u{7}"] {
        let server = Server::start(move |asked| {
            let is_silent = asked.what.ends_with("/start") && !asked.what.contains("/exec/")
                || asked.what.starts_with("DELETE")
                || asked.what.ends_with("/stop");
            let text = whole(if is_silent { 500 } else { 200 }, body);
            (asked.what != "GET /version").then(|| Answer::Raw(text.into_bytes()))
        });
        for (name, error) in everything(&server.engine(bounds(LONG)), LONG).await {
            assert!(failed(name, &error) || silent.contains(&name), "{body}: {name}: {error:?}");
        }
    }
}

#[tokio::test]
async fn the_answer_is_cut() {
    everything_of(Answer::Raw(vec![]), LONG, failed).await;
    everything_of(Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()), LONG, failed).await;
    let cut_body = b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n{\"mess".to_vec();
    everything_of(Answer::Raw(cut_body), LONG, failed).await;
    let silent = ["start", "stop_container", "remove_container", "remove_volume"];
    let server = Server::start(|asked| {
        let is_silent =
            ["/c/start", "/c/stop", "/containers/c", "/volumes/vol"].iter().any(|e| asked.what.ends_with(e));
        let cut = if is_silent { vec![] } else { chunked(&["{\"Id\": \"a", "b"]) };
        (asked.what != "GET /version").then(|| Answer::Raw(cut.clone()))
    });
    for (name, error) in everything(&server.engine(bounds(LONG)), LONG).await {
        assert!(failed(name, &error) || silent.contains(&name), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn the_answer_has_no_end() {
    let too_long = |_: &str, error: &EngineError| matches!(error, EngineError::Failed(_));
    for status in [200, 500] {
        let head = format!("HTTP/1.1 {status} OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n");
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        for (first, again) in [
            (head.clone().into_bytes(), chunk.into_bytes()),
            (format!("HTTP/1.1 {status} OK\r\n\r\n").into_bytes(), b"[[[[[[[[[[[[".repeat(500)),
            (format!("HTTP/1.1 {status} OK\r\n").into_bytes(), b"Header: value\r\n".repeat(100)),
        ] {
            let (first, again) = (first.clone(), again.clone());
            let server = Server::start(move |asked| {
                // These read no body, so theirs has no end in vain.
                let is_silent = ["/c/start", "/c/stop", "/containers/c", "/volumes/vol"]
                    .iter()
                    .any(|end| asked.what.ends_with(end));
                let endless = Answer::Endless(first.clone(), again.clone());
                let answer = if is_silent && !asked.what.starts_with("GET") { Answer::Raw(vec![]) } else { endless };
                (asked.what != "GET /version").then_some(answer)
            });
            for (name, error) in everything(&server.engine(bounds(LONG)), LONG).await {
                assert!(too_long(name, &error), "{name}: {error:?}");
            }
            // Fifteen functions, and what sockets hold.
            assert!(server.sent() < 15 * (BYTES_MAX as usize + 512 * 1024), "{}", server.sent());
        }
    }
}

#[tokio::test]
async fn what_a_call_has_opened_is_closed_with_it() {
    let server = Server::start(|asked| match asked.what.as_str() {
        "GET /version" => None,
        "POST /v1.41/containers/c/exec" => Some(Answer::Json(201, json!({"Id": "e1"}))),
        "POST /v1.41/exec/e1/start" => {
            let upgrade = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
            Some(Answer::Open(upgrade.to_vec()))
        }
        "GET /v1.41/events" => Some(Answer::Open(chunked(&[]))),
        _ => Some(Answer::Open(vec![])),
    });
    let engine = server.engine(bounds(Duration::from_millis(500)));
    engine.state("c").await.unwrap_err();
    tokio::time::timeout(LONG, server.left(1)).await.unwrap();
    engine.exec("c", command(&["x"], Duration::from_millis(500))).await.unwrap_err();
    tokio::time::timeout(LONG, server.left(2)).await.unwrap();
    drop(engine.events(owner().installation).await.unwrap());
    tokio::time::timeout(LONG, server.left(3)).await.unwrap();
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_not_asked_about() {
    let server = Server::start(|_| None);
    let engine = server.engine(bounds(LONG));
    for name in ["", "..", "a/b", "../x", "a?b", "a#b", "a b", "-a", "é", "a%2fb", "a\n"] {
        assert!(matches!(engine.start(name).await, Err(EngineError::Refused(_))), "{name}");
        assert!(matches!(engine.remove_volume(name).await, Err(EngineError::Refused(_))), "{name}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_refused_everywhere() {
    let server = Server::start(|_| Some(Answer::Json(200, json!({"Version": "19.3", "ApiVersion": "1.40"}))));
    for (name, error) in everything(&server.engine(bounds(LONG)), LONG).await {
        let told = matches!(&error, EngineError::Refused(text) if text.contains("1.40") && text.contains("1.41"));
        assert!(told, "{name}: {error:?}");
    }
    assert!(server.asked().is_empty());
}
