//! What operators set for a provider, and what is told of it.

use serde_json::{Value, json};

use crate::support::{Host, behave};

#[tokio::test]
async fn a_limit_holds_from_the_next_call_on() {
    let host = Host::start(&["chameleon"]).await;
    let run = |args: &[&str]| {
        let (code, out, error) = host.cli(args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{error}");
        out
    };
    let eats = |name: &str| {
        let mut request = behave(json!({ "begin": { "do": [{ "allocate_mib": 80 }, { "ok": {} }] } }));
        request["name"] = json!(name);
        request["attach_as"] = json!(name);
        request["plan"] = json!("hasty");
        request
    };
    let error = host.create_and_wait(eats("small")).await.expect(200)["error"].clone();
    assert_eq!(error["code"], "memory_limit", "{error}");
    assert!(run(&["provider", "limit", "chameleon", "memory_bytes=134217728"]).contains("134217728"));
    host.create_and_wait(eats("large")).await.expect(201);
    let shown = run(&["provider", "show", "chameleon"]);
    let row = shown.lines().find(|line| line.starts_with("memory_bytes")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["memory_bytes", "134217728", "67108864", "1073741824"]);
    run(&["provider", "limit", "chameleon", "memory_bytes=default"]);
    let error = host.create_and_wait(eats("again")).await.expect(200)["error"].clone();
    assert_eq!(error["code"], "memory_limit", "{error}");

    for (setting, word) in [
        ("memory_bytes=1", "4194304"),
        ("stack=1", "larder provider show chameleon"),
        ("stack=default", "no limit stack"),
    ] {
        let (code, _, error) = host.cli(&["provider", "limit", "chameleon", setting]);
        assert_eq!(code, 1, "{setting}");
        assert!(error.contains("invalid_limit") && error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn one_call_at_once_means_one_after_the_other() {
    let host = Host::start(&["chameleon"]).await;
    let (code, _, error) = host.cli(&["provider", "limit", "chameleon", "calls_at_once=1"]);
    assert_eq!(code, 0, "{error}");
    let mut ids = vec![];
    for number in 0..3 {
        let mut request = behave(json!({ "begin": { "do": [{ "sleep_ms": 300 }, { "ok": {} }] } }));
        request["name"] = json!(format!("n{number}"));
        request["attach_as"] = json!(format!("n{number}"));
        ids.push(host.create(request).await.id());
    }
    let started = std::time::Instant::now();
    for id in &ids {
        assert_eq!(host.settled(id).await["state"], "ready");
    }
    assert!(started.elapsed().as_millis() >= 600, "three waits of 300 ms did not overlap");
}

#[tokio::test]
async fn calls_are_counted() {
    let host = Host::start(&["chameleon"]).await;
    host.create_and_wait(behave(json!({}))).await.expect(201);
    let text = host.get("/metrics").await.text;
    for line in [
        "larder_calls_total{provider=\"chameleon\",export=\"begin-provision\",outcome=\"done\"} 1",
        "larder_call_seconds_count{provider=\"chameleon\"} 3",
        "larder_provider_limit{provider=\"chameleon\",limit=\"cpu_ms\"} 2000",
        "larder_sandbox_calls_max 1000",
        "larder_sandbox_calls 0",
        "larder_sandbox_memory_bytes 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn what_was_done_is_told() {
    let host = Host::start(&["secret"]).await;
    let audit = host.get("/v1/audit?provider=secret&limit=2").await.expect(200);
    let actions: Vec<&Value> = audit["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["activated", "accepted"]);
    let next = host.get(&format!("/v1/audit?limit=2&before={}", audit["next"])).await.expect(200);
    assert_eq!((&next["entries"][0]["action"], &next["next"]), (&json!("uploaded"), &Value::Null));
    let (code, out, _) = host.cli(&["audit"]);
    assert_eq!(code, 0);
    assert!(out.contains("host   activated  secret") && out.contains("admin  uploaded   secret"), "{out}");
}
