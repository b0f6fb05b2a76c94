//! Addons that are there and are to be otherwise, and new ones that begin with data.

use super::*;

const LARGE: &str = "app: web\naddons:\n  - {service: redis, plan: large}\n";

/// An addon with an update in this state.
fn updating(plan: &str, state: &str, error: Value) -> Value {
    let mut addon = redis(plan);
    addon["operation"] = json!({"id": "8", "kind": "update", "state": state, "stage": "call", "error": error});
    addon
}

fn there(addon: &Value) -> [Reply; 3] {
    [addons(std::slice::from_ref(addon)), config(&[]), catalog()]
}

fn then(there: [Reply; 3], rest: impl IntoIterator<Item = Reply>) -> Vec<Reply> {
    there.into_iter().chain(rest).collect()
}

#[tokio::test]
async fn another_plan_is_asked_for_and_awaited() {
    let began = Reply::json(202, &updating("small", "running", Value::Null));
    let done = Reply::json(200, &updating("large", "succeeded", Value::Null));
    let server = Server::play(then(there(&redis("small")), [began, done])).await;
    assert_eq!(ended(&apply(&server, LARGE, &["apply"]).await), DONE);
    assert_eq!(server.lines()[3..], ["PATCH /v1/addons/7", "GET /v1/addons/7"]);
    assert_eq!(server.seen()[3].json(), json!({"plan": "large"}));
    // Whoever only looks changes nothing, and the second time there is nothing to change.
    for (plan, words) in [("small", ["apply", "--dry-run"].as_slice()), ("large", &["apply"])] {
        let server = Server::play(there(&redis(plan))).await;
        assert_eq!(ended(&apply(&server, LARGE, words).await), DONE);
        assert_eq!(server.lines().len(), 3);
    }
}

#[tokio::test]
async fn an_update_that_fails_is_told_when_the_rest_is_done() {
    let began = Reply::json(202, &updating("small", "running", Value::Null));
    let failed = updating("small", "failed", json!({"code": "provider_failed", "reason": "no room"}));
    let text = format!("{LARGE}  - {{service: redis, name: other, attach_as: other}}\n");
    let other = json!({"id": "9", "app": "web", "name": "other", "state": "ready"});
    let created = Reply::json(202, &other);
    let server = Server::play(then(there(&redis("small")), [created, began, Reply::json(200, &failed)])).await;
    assert_eq!(ended(&apply(&server, &text, &["apply", "--wait"]).await), (4, "provider_failed"));
    let expected = ["POST /v1/apps/web/addons", "PATCH /v1/addons/7", "GET /v1/addons/7"];
    assert_eq!(server.lines()[3..], expected);
    // So is one that the server refuses.
    let refused = Reply::problem(409, "operation_in_progress");
    let server = Server::play(then(there(&redis("small")), [Reply::json(202, &other), refused])).await;
    assert_eq!(ended(&apply(&server, &text, &["apply"]).await), (1, "operation_in_progress"));
}

#[tokio::test]
async fn what_is_not_ready_is_awaited_and_looked_at_again() {
    let waiting = |plan: &str| {
        let mut addon = redis(plan);
        addon["state"] = json!("waiting_for_provision");
        addon
    };
    let began = Reply::json(202, &updating("small", "running", Value::Null));
    let done = Reply::json(200, &updating("large", "succeeded", Value::Null));
    let rest = [Reply::json(200, &redis("small")), began, done];
    let server = Server::play(then(there(&waiting("small")), rest)).await;
    assert_eq!(ended(&apply(&server, LARGE, &["apply"]).await), DONE);
    assert_eq!(server.lines()[3..], ["GET /v1/addons/7", "PATCH /v1/addons/7", "GET /v1/addons/7"]);
    // Somebody else has asked for the same meanwhile.
    let server = Server::play(then(there(&waiting("small")), [Reply::json(200, &redis("large"))])).await;
    assert_eq!(ended(&apply(&server, LARGE, &["apply"]).await), DONE);
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn an_addon_is_protected_without_its_provider() {
    let text = "app: web\naddons:\n  - {service: redis, protected: true}\n";
    // What was done to it once has nothing to do with it.
    let old = updating("small", "failed", json!({"code": "provider_failed", "reason": "no room"}));
    let server = Server::play(then(there(&old), [Reply::json(202, &old)])).await;
    assert_eq!(ended(&apply(&server, text, &["apply"]).await), DONE);
    assert_eq!((server.lines().len(), server.seen()[3].json()), (4, json!({"protected": true})));
}

const DATA: &str = "app: web\naddons:\n  - {service: redis, initial_data_source: dumps}\n";

/// Applies a file beside which there is a folder `dumps` with two files.
async fn with_data(server: &Server, text: &str, words: &[&str]) -> (u8, String) {
    let folder = tempfile::tempdir().unwrap();
    let dumps = folder.path().join("dumps");
    std::fs::create_dir(&dumps).unwrap();
    for (name, at_s) in [("old.sql", 1), ("new.sql", 2)] {
        std::fs::write(dumps.join(name), name).unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at_s);
        std::fs::File::options().write(true).open(dumps.join(name)).unwrap().set_modified(at).unwrap();
    }
    let path = file(&folder, text);
    exit(run(server, &[words, &["-f", path.to_str().unwrap()]].concat()).await)
}

fn new() -> [Reply; 4] {
    let mut waiting = redis("small");
    waiting["state"] = json!("waiting_for_provision");
    [addons(&[]), config(&[]), catalog(), Reply::json(202, &waiting)]
}

#[tokio::test]
async fn a_new_addon_begins_with_the_newest_file() {
    let loaded = Reply::json(200, &redis("small"));
    let replies = new().into_iter().chain([Reply::json(200, &redis("small")), loaded]);
    let server = Server::play(replies).await;
    assert_eq!(ended(&with_data(&server, DATA, &["apply"]).await), DONE);
    let expected = ["POST /v1/apps/web/addons", "GET /v1/addons/7", "POST /v1/addons/7/imports"];
    assert_eq!(server.lines()[3..], expected);
    let sent = &server.seen()[5];
    let kind = sent.header("content-type");
    assert_eq!((sent.body.as_slice(), kind), (b"new.sql".as_slice(), Some("application/octet-stream")));
    // One that is there has data of its own.
    let server = Server::play(there(&redis("small"))).await;
    assert_eq!(ended(&with_data(&server, DATA, &["apply"]).await), DONE);
    assert_eq!(server.lines().len(), 3);
    let server = Server::play(new()).await;
    assert_eq!(ended(&with_data(&server, DATA, &["apply", "--dry-run"]).await), DONE);
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn data_that_can_not_be_loaded_are_told() {
    let play = async |rest: Vec<Reply>| Server::play(new().into_iter().chain(rest)).await;
    let server = play(vec![Reply::json(200, &redis("small")), Reply::problem(502, "transfer_failed")]).await;
    let failure = with_data(&server, DATA, &["apply"]).await;
    assert_eq!(ended(&failure), (4, "transfer_failed"));
    let mut failed = redis("small");
    failed["state"] = json!("error");
    failed["error"] = json!({"code": "cpu_limit", "reason": "x"});
    let server = play(vec![Reply::json(200, &failed)]).await;
    assert_eq!(ended(&with_data(&server, DATA, &["apply", "--wait"]).await), (4, "cpu_limit"));
    assert_eq!(server.lines().len(), 5);
}

#[tokio::test]
async fn data_are_loaded_also_if_a_later_addon_is_refused() {
    let refused = Reply::problem(409, "variable_taken");
    let rest = [refused, Reply::json(200, &redis("small")), Reply::json(200, &redis("small"))];
    let server = Server::play(new().into_iter().chain(rest)).await;
    let more = "  - {service: redis, name: other, attach_as: other}\n";
    assert_eq!(ended(&with_data(&server, &format!("{DATA}{more}"), &["apply"]).await), (1, "variable_taken"));
    // The next time it is there, and would get none.
    assert_eq!(server.lines()[4..], ["POST /v1/apps/web/addons", "GET /v1/addons/7", "POST /v1/addons/7/imports"]);
}

#[tokio::test]
async fn nothing_is_made_whose_data_are_not_there() {
    let server = Server::play([addons(&[]), config(&[]), catalog()]).await;
    let failure = with_data(&server, &DATA.replace("dumps", "dump"), &["apply"]).await;
    assert_eq!(ended(&failure), (1, "no_initial_data"));
    assert_eq!(server.lines().len(), 3);
}
