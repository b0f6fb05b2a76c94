//! An installation that moves from a database of a server back to a data directory.

use std::sync::Arc;
use std::time::Duration;

use larder_domain::WallTime;
use larder_domain::audit::Action;
use larder_store::sql::{Progress, RelocateError, Relocated, Return};
use larder_store::{KeyfileSealer, ManualClock, OpenError, SqlStore};
use tempfile::TempDir;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::world::{Build as _, World, config, new_addon, panic_with};
use crate::world_postgres::{alter, database, node};
use crate::world_relocate::{asked, database_of, fill, key, relocate, server, world_in};

fn come_back_with(
    url: &str,
    dir: &TempDir,
    sealer: &KeyfileSealer,
    told: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Relocated, RelocateError> {
    Return { server: server(url), dir: dir.path(), sealer, at: WallTime(6) }.run(told)
}

/// Moves everything back, as soon as the server has seen that nobody is there any more.
async fn come_back(url: &str, dir: &TempDir) -> Result<Relocated, RelocateError> {
    let ended = async {
        loop {
            match come_back_with(url, dir, &key(7), &mut |_| {}) {
                Err(RelocateError::Alive(who)) if who == "one that starts" => yield_now().await,
                other => return other,
            }
        }
    };
    timeout(Duration::from_secs(20), ended).await.unwrap()
}

/// A store at a server, with an app.
async fn world_there(url: &str) -> World {
    let clock = Arc::new(ManualClock::default());
    let store = Arc::new(node(url, "one", &clock).unwrap());
    World::new(clock, Box::new(move || store.clone() as Arc<dyn larder_domain::ports::Store>))
}

fn names(dir: &TempDir) -> Vec<String> {
    let names = std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "lock").collect();
    names.sort();
    names
}

fn refused(url: &str) -> String {
    match node(url, "one", &Arc::new(ManualClock::default())) {
        Err(error @ OpenError::MovedBack(_)) => error.to_string(),
        other => panic_with(&format!("{:?}", other.map(drop))),
    }
}

#[tokio::test]
async fn what_came_back_goes_on_in_the_directory_and_nowhere_else() {
    let Some(url) = database() else { return };
    let world = world_there(&url).await;
    world.clock.advance_ms(3_600_000);
    let app = world.app("shop").await;
    world.ready(new_addon(&world, Some(&app)).declares(&["A_URL"]), config(&[("A_URL", "a")])).await;
    let driven = world.create(new_addon(&world, Some(&app)).named("b")).await;
    let turn = world.turn().await.unwrap();
    let (installation, now) = (world.store.installation(), world.store.now());
    let records = world.store.addons(crate::lists::everything()).await.unwrap();
    let history = world.store.history(None, 0, 100).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let alive = come_back_with(&url, &dir, &key(7), &mut |_| {});
    assert!(matches!(&alive, Err(RelocateError::Alive(who)) if who.contains("one")), "{alive:?}");
    assert_eq!(names(&dir), [""; 0]);
    world.store.leave().await.unwrap();
    drop(world);

    let moved = come_back(&url, &dir).await.unwrap();
    assert_eq!((moved.installation, names(&dir)), (installation, vec!["larder.db".to_owned()]));
    assert!(moved.tables.contains(&("addon".to_owned(), 2)), "{:?}", moved.tables);
    let said = refused(&url);
    assert!(said.contains(&dir.path().display().to_string()) && said.contains("moved_to"), "{said}");
    let other = tempfile::tempdir().unwrap();
    let again = come_back(&url, &other).await;
    assert!(matches!(again, Err(RelocateError::Open(OpenError::MovedBack(_)))), "{again:?}");

    let world = world_in(dir.path());
    assert_eq!(world.store.installation(), installation);
    assert!(world.store.now() >= now && world.store.now().since_ms(now) < 60_000, "{:?}", world.store.now());
    assert_eq!(world.store.addons(crate::lists::everything()).await.unwrap(), records);
    assert_eq!(world.store.history(None, 0, 100).await.unwrap(), history);
    assert_eq!(world.sees(&app).await, ["A_URL=a"]);
    assert_eq!(world.store.audit(None, None, 1).await.unwrap()[0].action, Action::Moved);
    let again = world.turn().await.unwrap();
    assert!(again.record.spec.id == driven && again.lease.token > turn.lease.token);
    // Whoever wants to go back to what it was says so.
    drop(world);
    alter(&url, "UPDATE schema_version SET oldest = (SELECT oldest FROM moved_to); DROP TABLE moved_to");
    node(&url, "one", &Arc::new(ManualClock::default())).unwrap();
}

#[tokio::test]
async fn a_return_that_is_broken_off_has_changed_nothing() {
    let Some(url) = database() else { return };
    let (from, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(world_in(from.path()));
    fill(&database_of(&from));
    relocate(from.path(), &url).unwrap();
    for at_check in [false, true] {
        let broken = come_back_with(&url, &dir, &key(7), &mut |progress| {
            assert!(progress.is_check != at_check || progress.table != "history", "broken off");
        });
        assert!(matches!(broken, Err(RelocateError::Panicked)), "{broken:?}");
        assert_eq!(names(&dir), [""; 0]);
        let tables = "SELECT '', count(*)::text FROM pg_tables WHERE tablename = 'moved_to'";
        assert_eq!(asked(&url, tables)[0].1, "0");
    }
    let stranger = come_back_with(&url, &dir, &key(8), &mut |_| {});
    assert!(matches!(stranger, Err(RelocateError::Source(_))), "{stranger:?}");
    // A directory in which there is something is not written over, nor one that went elsewhere.
    let there = come_back(&url, &from).await;
    assert!(matches!(there, Err(RelocateError::Open(OpenError::Moved { .. }))), "{there:?}");
    std::fs::remove_file(from.path().join("moved-to-database")).unwrap();
    let there = come_back(&url, &from).await;
    assert!(matches!(there, Err(RelocateError::Used(_))), "{there:?}");
    alter(&url, "ALTER TABLE app ADD COLUMN mystery BIGINT");
    let unknown = come_back(&url, &dir).await;
    assert!(matches!(&unknown, Err(RelocateError::Shape(what)) if what.contains("mystery")), "{unknown:?}");
    alter(&url, "ALTER TABLE app DROP COLUMN mystery");
    // A server that refuses at the very end has marked nothing, and there is one of it.
    alter(
        &url,
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
         CREATE CONSTRAINT TRIGGER never AFTER UPDATE ON schema_version DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION never()",
    );
    let late = come_back(&url, &dir).await;
    assert!(matches!(late, Err(RelocateError::Target(_))), "{late:?}");
    assert_eq!(names(&dir), [""; 0]);
    alter(&url, "DROP FUNCTION never CASCADE");
    come_back(&url, &dir).await.unwrap();
    SqlStore::open(dir.path(), Arc::new(key(7)), Arc::new(ManualClock::default())).unwrap();

    let Some(nothing) = database() else { return };
    let nothing = come_back(&nothing, &tempfile::tempdir().unwrap()).await;
    assert!(matches!(nothing, Err(RelocateError::Empty)), "{nothing:?}");
}
