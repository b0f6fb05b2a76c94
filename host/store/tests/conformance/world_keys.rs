//! A new key for everything that is sealed, in an installation whose nodes each have a copy of the key.

mod support;
mod trouble;

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::channel;
use std::thread;

use larder_domain::audit::Action;
use larder_domain::node::NodeState;
use larder_domain::ports::Sealer as _;
use larder_domain::ports::store::{AppStore as _, AuditStore as _, NodeStore as _, Standing, WorkStore as _};
use larder_domain::{AppName, SecretString, WallTime};
use larder_store::sql::{Driven, KeyStop, RelocateError, Return, RotationRefused};
use larder_store::{KeyfileSealer, OpenError, Server, Time};
use postgres::{Client, NoTls};
use tempfile::TempDir;

use crate::world::new_addon;
use crate::world_postgres::{alter, tls};
use support::{Installation, VARIABLES, assert_readable, drive, fill, steps_to};

#[tokio::test]
async fn everything_is_sealed_anew_for_all_nodes_and_nothing_of_the_old_key_is_left() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let id = fill(&installation, &a).await;
    let old = a.sealer.key_id();
    assert_eq!(installation.columns_with(&old).len(), 14, "there is something in every sealed column");
    assert_eq!(a.store.key_rotation().await.unwrap(), None);
    // Twice: what the first has left in the database is not in the way of the second.
    for round in 0..2 {
        let old = a.sealer.key_id();
        a.begin().await;
        let begun = b.store.key_rotation().await.unwrap().unwrap();
        assert!(begun.is_under_way && begun.old.as_deref() == Some(&old) && begun.key != old, "{begun:?}");
        assert_eq!((a.sealer.key_ids(), b.sealer.key_ids()), (vec![begun.key.clone(), old.clone()], vec![old.clone()]));
        assert!(installation.columns_with(&old).contains("key_rotation.sealed"));
        let mut driving = a.driving().await;
        assert_eq!(driving.step().await.unwrap(), Driven::Waits(vec!["b".parse().unwrap()]), "it has not learned it");
        assert_eq!(drive(&mut driving, &[&b]).await.unwrap(), Driven::Done);

        assert_eq!(installation.columns_with(&old), BTreeSet::new(), "round {round}");
        assert_eq!(installation.files_with(&old), [""; 0], "round {round}");
        assert!(!installation.files_with(&begun.key).is_empty(), "and the search finds something");
        b.store.beat().await.unwrap();
        for member in [&a, &b] {
            assert_eq!((member.sealer.key_ids(), member.lines()), (vec![begun.key.clone()], 1));
            assert_readable(member, id).await;
            let ended = member.store.key_rotation().await.unwrap().unwrap();
            let state = (ended.is_under_way, ended.old, ended.has_remnants, ended.trouble);
            assert_eq!(state, (false, None, false, None));
            assert!(
                ended.resealed == ended.total && ended.total > VARIABLES as u64,
                "{} {}",
                ended.resealed,
                ended.total
            );
        }
        let audit: Vec<_> = a.store.audit(None, None, 2).await.unwrap().into_iter().map(|entry| entry.action).collect();
        assert_eq!(audit, [Action::KeyRotated, Action::KeyAdded]);
        assert_eq!(fs::read(&a.file).unwrap(), fs::read(&b.file).unwrap());
    }
    assert_eq!(installation.columns_with(&old), BTreeSet::new());
}

#[tokio::test]
async fn a_rotation_whose_driver_dies_after_any_step_goes_on_at_another_node() {
    let Some(installation) = Installation::new() else { return };
    let mut a = installation.node("a");
    let b = installation.node("b");
    let id = fill(&installation, &a).await;
    let (mut steps, mut has_ended) = (0, false);
    while !has_ended {
        let old = a.sealer.key_id();
        a.begin().await;
        b.store.beat().await.unwrap();
        let mut driving = a.driving().await;
        let mut last = Driven::Goes;
        for _ in 0..steps {
            last = driving.step().await.unwrap();
        }
        has_ended = last == Driven::Done;
        drop(driving);
        drop(a);
        assert!(b.store.key_driving(false).await.unwrap().is_none(), "its driver may live");
        installation.pass_by();
        b.store.beat().await.unwrap();
        if !has_ended {
            assert_eq!(drive(&mut b.driving().await, &[]).await.unwrap(), Driven::Done, "after {steps} steps");
        }
        assert_eq!(installation.columns_with(&old), BTreeSet::new(), "after {steps} steps");
        assert_eq!((b.sealer.key_ids().len(), b.lines()), (1, 1), "after {steps} steps");
        assert_readable(&b, id).await;
        // Whoever died had learned the new key, and learns now what has become of it.
        a = installation.node("a");
        a.store.beat().await.unwrap();
        assert_eq!((a.sealer.key_ids(), a.lines()), (b.sealer.key_ids(), 1), "after {steps} steps");
        assert_readable(&a, id).await;
        steps += 1;
    }
    assert!(steps > 20, "there were {steps} steps");
}

#[tokio::test]
async fn two_who_drive_at_once_do_each_other_no_harm() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let id = fill(&installation, &a).await;
    let old = a.sealer.key_id();
    a.begin().await;
    b.store.beat().await.unwrap();
    let mut stopped = a.driving().await;
    for _ in 0..5 {
        stopped.step().await.unwrap();
    }
    installation.pass_by();
    b.store.beat().await.unwrap();
    let mut other = b.driving().await;
    for _ in 0..5 {
        other.step().await.unwrap();
    }
    assert_eq!(stopped.step().await.unwrap(), Driven::Elsewhere);
    assert_eq!(drive(&mut other, &[]).await.unwrap(), Driven::Done);
    assert_eq!(stopped.step().await.unwrap(), Driven::Elsewhere);
    a.store.beat().await.unwrap();
    assert_eq!((installation.columns_with(&old), a.sealer.key_ids()), (BTreeSet::new(), b.sealer.key_ids()));
    assert_readable(&a, id).await;
}

#[tokio::test]
async fn a_node_that_has_not_heard_of_the_new_key_reads_on() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let app: AppName = "shop".parse().unwrap();
    a.store.create_app(&app).await.unwrap();
    a.begin().await;
    a.set(&app, "A", "new").await.unwrap();
    assert_eq!((b.lines(), b.sealer.key_ids().len()), (1, 1));
    assert_eq!(b.value(&app, "A").await.unwrap(), "new", "without a word from anybody");
    assert_eq!((b.lines(), b.sealer.key_ids()), (2, a.sealer.key_ids()));
    b.set(&app, "A", "newer").await.unwrap();
    assert_eq!(a.value(&app, "A").await.unwrap(), "newer");
    // One that starts in the middle, with the old key alone.
    let file = installation.file("c");
    let old = fs::read_to_string(&a.file).unwrap().lines().last().unwrap().to_owned();
    fs::write(&file, old).unwrap();
    let c = installation.node("c");
    assert_eq!((c.sealer.key_ids(), c.value(&app, "A").await.unwrap()), (a.sealer.key_ids(), "newer".to_owned()));
    assert_eq!(drive(&mut a.driving().await, &[&b]).await.unwrap(), Driven::Done);
}

#[tokio::test]
async fn a_node_that_slept_through_it_all_stores_nothing_takes_no_work_and_says_why() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let app: AppName = "shop".parse().unwrap();
    a.store.create_app(&app).await.unwrap();
    b.set(&app, "A", "before").await.unwrap();
    installation.pass_by();
    a.store.beat().await.unwrap();
    a.begin().await;
    assert_eq!(drive(&mut a.driving().await, &[]).await.unwrap(), Driven::Done);
    let world = a.world(&installation);
    world.create(new_addon(&world, None)).await;

    for name in ["A", "B"] {
        let refused = b.set(&app, name, "late").await.unwrap_err();
        assert!(format!("{refused:?}").contains("sealed with a key that is given up"), "{refused:?}");
    }
    assert!(b.value(&app, "A").await.is_err());
    assert_eq!(a.value(&app, "A").await.unwrap(), "before");
    assert_eq!(b.store.lease_due(b.store.node(), 5, vec![]).await.unwrap(), [], "even before it says that it lives");
    assert_eq!(
        (b.store.beat().await.unwrap(), b.store.standing().await.unwrap()),
        (Standing::OtherKey, Standing::OtherKey)
    );
    let states: Vec<_> = a.store.nodes().await.unwrap().iter().map(larder_domain::node::Node::state).collect();
    assert_eq!(states, [NodeState::Working, NodeState::OtherKey]);
    assert_eq!(a.store.lease_due(a.store.node(), 5, vec![]).await.unwrap().len(), 1);
    let refused = b.store.begin_key_rotation().await.unwrap();
    assert_eq!(refused, Err(RotationRefused::OtherKey(a.sealer.key_id())));

    drop(b);
    let refused = installation.try_node("b").err().unwrap();
    let said = refused.to_string();
    assert!(matches!(refused, OpenError::OtherKey { .. }) && said.contains(&a.sealer.key_id()), "{said}");
    assert!(said.contains("copy `sealing.key` from the data directory of a node"), "{said}");
    fs::copy(&a.file, installation.file("b")).unwrap();
    let b = installation.node("b");
    assert_eq!(
        (b.store.standing().await.unwrap(), b.value(&app, "A").await.unwrap()),
        (Standing::Working, "before".into())
    );
}

#[tokio::test]
async fn what_is_sealed_with_the_old_key_and_comes_late_is_found_or_refused() {
    let Some(installation) = Installation::new() else { return };
    let a = installation.node("a");
    let app: AppName = "shop".parse().unwrap();
    a.store.create_app(&app).await.unwrap();
    a.set(&app, "A", "x").await.unwrap();
    let late = a.sealer.seal("app/shop/variable/LATE", b"late").unwrap();
    let store = move |late: Vec<u8>| {
        move |client: &mut Client| {
            let sql = "INSERT INTO app_variable (app, name, value) VALUES ('shop', 'LATE', $1)";
            client.execute(sql, &[&late]).map_err(|error| error.as_db_error().unwrap().message().to_owned())
        }
    };
    a.begin().await;
    let mut driving = a.driving().await;
    assert!(steps_to(&mut driving, &Driven::Settles).await);
    installation.ask(store(late.clone())).unwrap();
    assert_eq!(drive(&mut driving, &[]).await.unwrap(), Driven::Done);
    assert_eq!(a.value(&app, "LATE").await.unwrap(), "late");
    alter(&installation.url, "DELETE FROM app_variable WHERE name = 'LATE'");
    let refused = installation.ask(store(late.clone())).unwrap_err();
    assert_eq!(refused, "a value for app_variable.value was sealed with a key that is given up");
    a.set(&app, "LATE", "new").await.unwrap();
    let changed = installation
        .ask(move |client| client.execute("UPDATE app_variable SET value = $1 WHERE name = 'LATE'", &[&late]).is_err());
    assert!(changed, "nor does it come into a row that is there");
}

#[tokio::test]
async fn something_sealed_that_nobody_knows_of_stops_it_until_somebody_asks_again() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let sealed = a.sealer.seal("later/1", b"").unwrap();
    installation.ask(move |client| {
        client.batch_execute("CREATE TABLE later (id BIGINT PRIMARY KEY, secret BYTEA)").unwrap();
        client.execute("INSERT INTO later VALUES (1, $1)", &[&sealed]).unwrap();
    });
    a.begin().await;
    let mut driving = a.driving().await;
    let stopped = drive(&mut driving, &[&b]).await.unwrap_err();
    assert!(matches!(&stopped, KeyStop::Unknown(columns) if columns == "later.secret"), "{stopped}");
    driving.note(Some(stopped.to_string()), true).await.unwrap();
    drop(driving);
    for member in [&a, &b] {
        assert_eq!(member.lines(), 2, "both keys are kept");
        assert!(member.store.key_driving(false).await.unwrap().is_none());
        let state = member.store.key_rotation().await.unwrap().unwrap();
        assert!(!state.is_under_way && state.trouble.is_some_and(|trouble| trouble.contains("later.secret")));
    }
    alter(&installation.url, "DROP TABLE later");
    b.begin().await;
    assert_eq!(b.store.key_rotation().await.unwrap().unwrap().trouble, None);
    assert_eq!(drive(&mut b.driving().await, &[&a]).await.unwrap(), Driven::Done);
}

#[tokio::test]
async fn a_value_that_can_not_be_opened_stops_it_and_keeps_both_keys() {
    let Some(installation) = Installation::new() else { return };
    let a = installation.node("a");
    fill(&installation, &a).await;
    alter(&installation.url, "UPDATE addon_detail SET seed = set_byte(seed, 40, get_byte(seed, 40) # 1)");
    a.begin().await;
    let stopped = drive(&mut a.driving().await, &[]).await.unwrap_err();
    assert!(stopped.to_string().contains("addon_detail.seed"), "{stopped}");
    assert_eq!((a.lines(), a.sealer.key_ids().len()), (2, 2));
}

#[tokio::test]
async fn a_database_of_the_version_before_gets_rotations_once_all_nodes_are_of_this_one() {
    let Some(installation) = Installation::new() else { return };
    let a = installation.node("a");
    let id = fill(&installation, &a).await;
    drop(a);
    alter(
        &installation.url,
        "DROP TABLE key_rotation; ALTER TABLE node DROP COLUMN key; UPDATE schema_version SET version = 4;
         INSERT INTO node (name, id, home, version, started_at, seen) VALUES ('older', '\\x01', '\\x01', '0', 0, 0)",
    );
    let a = installation.node("a");
    assert_readable(&a, id).await;
    let refused = a.store.begin_key_rotation().await.unwrap();
    assert_eq!(refused, Err(RotationRefused::Older("older".parse().unwrap())));
    assert_eq!((a.lines(), a.store.key_rotation().await.unwrap()), (1, None), "nothing was changed");
    installation.pass_by();
    a.store.beat().await.unwrap();
    a.begin().await;
    assert_eq!(drive(&mut a.driving().await, &[]).await.unwrap(), Driven::Done);
    assert_readable(&a, id).await;
}

#[tokio::test]
async fn what_is_in_use_is_compacted_later() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    fill(&installation, &a).await;
    let old = a.sealer.key_id();
    a.begin().await;
    // Somebody sees the database as it is now, and goes on seeing it.
    let (url, (seen, sees), (let_go, may_go)) = (installation.url.clone(), channel(), channel::<()>());
    let reader = thread::spawn(move || {
        let mut client = Client::connect(&url, NoTls).unwrap();
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM app").unwrap();
        seen.send(()).unwrap();
        let _gone = may_go.recv();
    });
    sees.recv().unwrap();
    let mut driving = a.driving().await;
    assert_eq!(drive(&mut driving, &[&b]).await.unwrap(), Driven::Compacts);
    assert_eq!(driving.step().await.unwrap(), Driven::Compacts);
    driving.note(None, true).await.unwrap();
    drop(driving);
    let state = b.store.key_rotation().await.unwrap().unwrap();
    assert!(state.has_remnants && !state.is_under_way && state.old.is_none(), "{state:?}");
    assert_eq!(installation.columns_with(&old), BTreeSet::new());
    assert!(!installation.files_with(&old).is_empty(), "it is still there, where nobody reads it");
    drop(let_go);
    reader.join().unwrap();
    assert!(b.store.key_driving(false).await.unwrap().is_none());
    let mut driving = b.store.key_driving(true).await.unwrap().unwrap();
    assert_eq!(drive(&mut driving, &[]).await.unwrap(), Driven::Done);
    assert_eq!(installation.files_with(&old), [""; 0]);
}

#[tokio::test]
async fn an_installation_does_not_leave_the_server_while_it_needs_two_keys() {
    let Some(installation) = Installation::new() else { return };
    let a = installation.node("a");
    a.begin().await;
    drop(a);
    installation.pass_by();
    alter(&installation.url, "DELETE FROM node");
    let dir = TempDir::new().unwrap();
    let old = fs::read_to_string(installation.file("a")).unwrap().lines().last().unwrap().to_owned();
    fs::write(dir.path().join("sealing.key"), old).unwrap();
    let sealer = KeyfileSealer::from_file(&dir.path().join("sealing.key")).unwrap();
    let server = Server {
        url: SecretString::new(&installation.url),
        tls: tls(),
        time: Time::Given,
        node: "one".parse().unwrap(),
        home: uuid::Uuid::nil(),
    };
    let refused = Return { server, dir: dir.path(), sealer: &sealer, at: WallTime(5) }.run(&mut |_| {});
    assert!(matches!(refused, Err(RelocateError::RotatingThere)), "{refused:?}");
}
