//! Dumps of what runs by somebody's rights, which are another's after a rotation and in another addon.

use serde_json::json;

use super::{delete, rotate, succeeded};
use crate::sql::{MYSQL, asks, made};
use crate::support::Engine;
use crate::transfers::{export, import};

/// A view, a trigger and a routine of a user's.
const MADE: &str = "CREATE TABLE notes (note text); \
    CREATE VIEW seen AS SELECT note FROM notes; \
    CREATE TRIGGER loud BEFORE INSERT ON notes FOR EACH ROW SET NEW.note = upper(NEW.note); \
    CREATE FUNCTION seven() RETURNS int RETURN 7; \
    CREATE PROCEDURE say(IN what text) INSERT INTO notes VALUES (what); \
    INSERT INTO notes VALUES ('mine'), ('CREATE DEFINER=`a`@`b` is kept');";

#[tokio::test]
async fn world_docker_what_runs_by_ones_rights_is_exported_after_a_rotation_and_imported_elsewhere() {
    let test = "world_docker_what_runs_by_ones_rights_is_exported_after_a_rotation_and_imported_elsewhere";
    let Some(engine) = Engine::for_test(test) else { return };
    let host = engine.host_with(MYSQL.service, MYSQL.image).await;
    let mut ids = vec![];
    for name in ["from", "to"] {
        ids.push(made(&host, asks(&MYSQL, name, "independent")).await["id"].as_str().unwrap().to_owned());
    }
    import(&host, &ids[0], MADE.into()).await.expect(200);
    let before = export(&host, &ids[0]).await;
    assert_eq!(before.status, 200, "{}", before.text);
    rotate(&host, &ids[0], 2).await;
    succeeded(&host, &ids[0]).await;
    let after = export(&host, &ids[0]).await;
    assert_eq!((after.status, after.text.contains("DEFINER=`a")), (200, false), "{}", after.text);
    // A dump of Larder's or of anybody's, into the same addon and into another one.
    let foreign = after.text.replace("/*!50003 TRIGGER", "/*!50017 DEFINER=`who`@`%`*/ /*!50003 TRIGGER");
    let foreign = foreign
        .replace("CREATE FUNCTION", "CREATE DEFINER=`who`@`%` FUNCTION")
        .replace("/*!50013 SQL", "/*!50013 DEFINER=`who`@`%` SQL");
    assert_eq!(foreign.matches("=`who`@").count(), 3, "{foreign}");
    for (id, dump) in [(&ids[0], &before.text), (&ids[1], &after.text), (&ids[1], &foreign)] {
        import(&host, id, dump.clone().into_bytes()).await.expect(200);
        import(&host, id, b"CALL say('new');".to_vec()).await.expect(200);
        let (credentials, container) = (host.credentials(id).await, engine.containers(id)[0].clone());
        let sql = "SELECT group_concat(note, seven() ORDER BY note) FROM seen";
        let said = MYSQL.says(&engine, &container, &credentials, credentials["database"].as_str().unwrap(), sql);
        assert_eq!(said.unwrap(), "CREATE DEFINER=`A`@`B` IS KEPT7,MINE7,NEW7");
    }
    for id in &ids {
        delete(&engine, &host, id).await;
    }
    assert_eq!(host.variables().await, json!({}));
}
