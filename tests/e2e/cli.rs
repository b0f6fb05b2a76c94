//! The command line against a real host.

use serde_json::{Value, json};

use crate::support::{Host, behave, guest_path};

#[tokio::test]
async fn the_life_of_an_addon_by_command_line() {
    let host = Host::empty().await;
    let run = |args: &[&str]| {
        let (code, out, error) = host.cli(args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{error}");
        out
    };
    let wasm = guest_path("secret");
    run(&["provider", "upload", wasm.to_str().unwrap(), "--name", "secret"]);
    assert!(run(&["provider", "list"]).contains("secret"));
    assert!(run(&["catalog"]).contains("SECRET_KEY"));
    run(&["app", "create", "web"]);
    run(&["app", "create", "web"]);
    let created: Value =
        serde_json::from_str(&run(&["addon", "create", "secret", "--app", "web", "--wait", "--json"])).unwrap();
    assert_eq!(created["state"], "ready");
    run(&["addon", "wait", "web/secret", "--timeout", "5s"]);
    assert!(run(&["addon", "show", "web/secret"]).contains("ready"));
    assert!(run(&["addon", "events", "web/secret"]).contains("provisioned"));
    let environment = run(&["config", "show", "web", "--format", "env"]);
    let line = environment.lines().find(|line| line.starts_with("SECRET_KEY=")).unwrap();
    assert_eq!(line.len(), "SECRET_KEY=".len() + 100);
    run(&["config", "set", "web", "GREETING=hello there"]);
    assert!(run(&["config", "show", "web", "--format", "docker"]).contains("GREETING=hello there\n"));
    run(&["addon", "protect", "web/secret"]);
    let (code, _, error) = host.cli(&["addon", "delete", "web/secret"]);
    assert!(code == 1 && error.contains("code: protected") && error.contains("larder addon unprotect"), "{error}");
    assert!(run(&["addon", "show", "web/secret"]).contains("protected:"));
    let unprotected: Value =
        serde_json::from_str(&run(&["addon", "unprotect", "secret", "--app", "web", "--json"])).unwrap();
    assert_eq!(unprotected["protected"], false);
    let audit = run(&["audit", "--provider", "secret"]);
    assert!(audit.contains(" protected ") && audit.contains(" unprotected ") && audit.contains("app=web"), "{audit}");
    run(&["addon", "delete", "web/secret"]);
    assert!(!run(&["config", "show", "web", "--format", "env"]).contains("SECRET_KEY"));
    run(&["app", "delete", "web"]);
    run(&["provider", "remove", "secret"]);
}

#[tokio::test]
async fn waiting_tells_by_its_exit_code_how_it_ended() {
    let host = Host::start(&["chameleon"]).await;
    let failed = host.create_and_wait(behave(json!({ "begin": { "failed": "the disk is full" } }))).await.id();
    let (code, _, error) = host.cli(&["addon", "wait", &failed]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("the disk is full"), "{error}");
    let waiting = json!({ "complete": { "pending": { "after_ms": 600_000, "message": "not yet" } } });
    let waiting = host.create(behave(waiting)).await.id();
    assert_eq!(host.cli(&["addon", "wait", &waiting, "--timeout", "1s"]).0, 5);
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let host = Host::empty().await;
    let (code, _, error) = host.cli(&["addon", "create", "nosuch", "--app", "web"]);
    assert_eq!(code, 1);
    assert!(error.contains("unknown_") && error.contains("help:"), "{error}");
    let (code, _, error) = host.cli(&["--url", "http://127.0.0.1:9", "status"]);
    assert_eq!(code, 3);
    assert!(error.contains("127.0.0.1:9") && error.contains("larder serve"), "{error}");
    assert_eq!(host.cli(&["--token", "wrong", "status"]).0, 6);
    assert_eq!(host.cli(&["addon", "frobnicate"]).0, 2);
}

#[tokio::test]
async fn completions_are_written_for_each_shell() {
    let host = Host::empty().await;
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = host.cli(&["completions", shell]);
        assert!(code == 0 && out.contains("larder"), "{shell}");
    }
}
