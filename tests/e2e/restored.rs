//! Yesterday's store and today's engine: what was made since is nobody's, and may be all that is left of somebody's data.

use serde_json::json;

use crate::support::{Engine, Host, Redis, until};

async fn redis(host: &Host, name: &str) -> (String, String) {
    let made = host.create_and_wait(json!({ "service": "redis", "name": name, "attach_as": name })).await;
    assert_eq!(made.body["state"], "ready", "{}", made.text);
    (made.id(), url(host, name).await)
}

async fn url(host: &Host, name: &str) -> String {
    host.variables().await[format!("{}_REDIS_URL", name.to_uppercase())].as_str().unwrap().to_owned()
}

fn says(url: &str, words: &[&str]) -> Result<String, String> {
    Redis::connect(url)?.say(words)
}

#[tokio::test]
async fn world_docker_what_a_restored_store_has_never_seen_is_reported_and_removed_on_demand() {
    let test = "world_docker_what_a_restored_store_has_never_seen_is_reported_and_removed_on_demand";
    let Some(engine) = Engine::for_test(test) else { return };
    let mut host = engine.host_with("redis", "redis").await;
    let ((old, olds_url), (gone, gones_url)) = (redis(&host, "old").await, redis(&host, "gone").await);
    for url in [&olds_url, &gones_url] {
        assert_eq!(says(url, &["SET", "a", "1"]), Ok("OK".into()));
    }
    host.stop();
    let yesterdays = host.backup();
    host.restart();
    // Today one more is made, and one is deleted.
    let (young, youngs_url) = redis(&host, "young").await;
    assert_eq!(says(&youngs_url, &["SET", "a", "young"]), Ok("OK".into()));
    host.delete(&format!("/v1/addons/{gone}")).await.expect(202);
    engine.is_rid_of(&gone).await;
    let olds_container = engine.containers(&old);
    host.kill();
    host.restore(yesterdays);

    // It looks at everything when it starts.
    let log = async || std::fs::read_to_string(host.dir().join("host.log")).unwrap();
    let told = async || log().await.contains("objects that the store never wanted").then_some(());
    until("the log to tell", told).await;
    let (code, said, error) = host.cli(&["doctor"]);
    assert_eq!(code, 1, "{said}{error}");
    let names = |id: &str| [format!("larder-{id}-server"), format!("larder-{id}-data")];
    assert!(names(&young).iter().all(|name| said.contains(name.as_str())) && said.contains("2 objects"), "{said}");
    assert!(said.contains("--prune") && !said.contains(&old) && !said.contains(&gone), "{said}");
    assert_eq!(says(&youngs_url, &["GET", "a"]), Ok("young".into()), "nobody has touched it");

    // What both have seen goes on; what was deleted since is there again, as a store that never heard of that wants it, empty.
    assert_eq!((says(&olds_url, &["GET", "a"]), engine.containers(&old)), (Ok("1".into()), olds_container.clone()));
    until("the deleted one", async || says(&gones_url, &["GET", "a"]).ok().filter(|value| value == "nil")).await;
    assert!(host.history(&gone).await.iter().any(|line| line["kind"] == "volume_lost"));
    // A new one finds the port in use that it would be given, and gets another.
    let (later, laters_url) = redis(&host, "later").await;
    assert_eq!(says(&laters_url, &["GET", "a"]), Ok("nil".into()));
    assert_ne!(laters_url.rsplit(':').next(), youngs_url.rsplit(':').next());

    let (code, said, error) = host.cli(&["doctor", "--prune"]);
    assert_eq!(code, 0, "{said}{error}");
    engine.is_rid_of(&young).await;
    assert_eq!((says(&olds_url, &["GET", "a"]), engine.containers(&old)), (Ok("1".into()), olds_container));
    for (id, url) in [(&old, &olds_url), (&gone, &gones_url), (&later, &laters_url)] {
        assert_eq!(says(url, &["PING"]), Ok("PONG".into()));
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        engine.is_rid_of(id).await;
    }
}
