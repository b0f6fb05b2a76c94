//! Addons that are there when an operator changes a provider's options: they stay where they are, and what they are.

use serde_json::{Value, json};

use super::{delete, ended, update};
use crate::sql::{POSTGRES, asks, external, made};
use crate::support::{Engine, Host, Postgres, until};
use crate::transfers::export;

fn reason(addon: &Value) -> String {
    addon["operation"]["error"]["reason"].as_str().unwrap_or_else(|| panic!("{addon}")).to_owned()
}

fn leads_to(host: &Host, server: &Postgres) {
    let (options, grant) = (external(server, Postgres::PASSWORD), format!("tcp://127.0.0.1:{}", server.port));
    host.provider(&["grant", "postgres", &grant]);
    host.provider(&["options", "postgres", "--json-options", &options]);
}

#[tokio::test]
async fn world_docker_an_addon_is_not_moved_to_another_external_server() {
    let test = "world_docker_an_addon_is_not_moved_to_another_external_server";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("postgres", "postgres").await;
    let (old, new) = (Postgres::start(), Postgres::start());
    leads_to(&host, &old);
    let id = made(&host, asks(&POSTGRES, "there", "independent")).await["id"].as_str().unwrap().to_owned();
    // Who else may connect is left to whose server it is.
    assert_eq!(old.says("SELECT has_database_privilege('public', 'postgres', 'CONNECT')"), "t");
    let logs = host.get(&format!("/v1/addons/{id}/logs")).await.expect(200).to_string();
    assert!(logs.contains("until CONNECT is revoked from PUBLIC there: postgres, template1"), "{logs}");

    leads_to(&host, &new);
    let failed = update(&host, &id, json!({ "plan": "medium" })).await;
    assert!(reason(&failed).contains(&format!("is on 127.0.0.1:{}", old.port)), "{failed}");
    assert_eq!(new.says("SELECT count(*) FROM pg_database"), "3");
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    let told = async || {
        host.history(&id).await.iter().any(|line| line.to_string().contains("have `external` lead to")).then_some(())
    };
    until("the history to tell why the database stays", told).await;
    assert_eq!(old.says("SELECT count(*) FROM pg_database"), "4");

    leads_to(&host, &old);
    host.delete(&format!("/v1/addons/{id}")).await.expect(202);
    host.cleaned_up(&id).await;
    assert_eq!(old.says("SELECT count(*) FROM pg_database"), "3");
}

#[tokio::test]
async fn world_docker_an_addon_keeps_the_release_that_it_was_made_with() {
    let test = "world_docker_an_addon_keeps_the_release_that_it_was_made_with";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("postgres", "postgres").await;
    let id = made(&host, asks(&POSTGRES, "own", "independent")).await["id"].as_str().unwrap().to_owned();
    let part = made(&host, asks(&POSTGRES, "part", "communal")).await;
    let (part, server) = (part["id"].as_str().unwrap(), part["parent"].as_str().unwrap());
    // Nobody has that image, and nobody needs it.
    let (kept, next) = ("larder-test/postgres:1", "larder-test/postgres:2");
    host.provider(&["grant", "postgres", &format!("{next} memory=4GiB pids=512")]);
    let options = json!({ "image": next, "earlier_images": [kept] }).to_string();
    host.provider(&["options", "postgres", "--json-options", &options]);
    let updated = update(&host, &id, json!({ "plan": "medium" })).await;
    assert_eq!(updated["operation"]["state"], "succeeded", "{updated}");
    let container = engine.containers(&id)[0].clone();
    assert_eq!(engine.describe(&container)["Config"]["Image"], kept);
    // The programs that read and write data are of the server's release, too.
    for id in [id.as_str(), part] {
        let dump = export(&host, id).await;
        assert_eq!(dump.status, 200, "{}", dump.text);
    }

    host.provider(&["options", "postgres", "--json-options", &json!({ "image": next }).to_string()]);
    let refused = update(&host, &id, json!({ "plan": "large" })).await;
    assert!(reason(&refused).contains("add it to `earlier_images`"), "{refused}");
    assert_eq!(refused["operation"]["error"]["code"], "provider_rejected");
    for id in [id.as_str(), part] {
        let refused = export(&host, id).await.problem(409, "not_supported");
        assert!(refused.contains(&format!("is of {kept}")) && refused.contains("`earlier_images`"), "{refused}");
    }

    // Somebody who has changed the administrator's password, or a first start that was cut off before there was one.
    host.provider(&["options", "postgres", "--json-options", &options]);
    let change = "PGPASSWORD=$POSTGRES_PASSWORD psql -h127.0.0.1 -Upostgres -Atqc \"ALTER ROLE postgres PASSWORD 'other'; SHOW max_parallel_maintenance_workers\"";
    assert_eq!(engine.docker(&["exec", &container, "sh", "-c", change]).trim(), "0");
    host.patch(&format!("/v1/addons/{id}"), json!({ "parameters": { "extensions": ["citext"] } })).await.expect(202);
    assert!(reason(&ended(&host, &id).await).contains("make it anew"));
    for unfit in ["postgres:18", "postgres:16-alpine", "postgres:latest"] {
        let (code, _, error) = host.cli(&["provider", "options", "postgres", &format!("image={unfit}")]);
        assert!(code != 0 && error.contains(&format!("{unfit} can't be run")), "{error}");
    }
    delete(&engine, &host, &id).await;
    host.delete(&format!("/v1/addons/{part}")).await.expect(202);
    host.cleaned_up(part).await;
    engine.remove_server(&host, server).await;
}

/// What the app has put in its database is not to be run by the administrator.
#[tokio::test]
async fn world_docker_an_addon_that_was_used_gets_its_extensions_by_itself() {
    let test = "world_docker_an_addon_that_was_used_gets_its_extensions_by_itself";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with("postgres", "postgres").await;
    let mut own = asks(&POSTGRES, "own", "independent");
    own["parameters"] = json!({ "extensions": ["citext"] });
    let id = made(&host, own).await["id"].as_str().unwrap().to_owned();
    let credentials = host.credentials(&id).await;
    let (container, database) = (engine.containers(&id)[0].clone(), credentials["database"].as_str().unwrap());
    let owner = || {
        let sql = "SELECT pg_get_userbyid(extowner) FROM pg_extension WHERE extname = 'citext'";
        POSTGRES.says(&engine, &container, &credentials, database, sql)
    };
    assert_eq!(owner().unwrap(), "postgres");
    let drop =
        format!("PGPASSWORD=$POSTGRES_PASSWORD psql -h127.0.0.1 -Upostgres -d{database} -c 'DROP EXTENSION citext'");
    engine.docker(&["exec", &container, "sh", "-c", &drop]);
    // Its provider is asked again how to reach it, in the same plan and by the same credentials.
    let network = format!("app-of-{id}");
    engine.docker(&["network", "create", &network]);
    host.put("/v1/apps/demo/network", json!({ "network": network })).await.expect(200);
    let by_itself = async || owner().ok().filter(|owner| owner == credentials["username"].as_str().unwrap());
    until("the extension to be there again", by_itself).await;
    super::succeeded(&host, &id).await;
    delete(&engine, &host, &id).await;
    engine.docker(&["network", "rm", &network]);
}
