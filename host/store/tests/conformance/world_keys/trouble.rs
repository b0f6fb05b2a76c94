//! Nodes that have not the keys that a rotation needs, or can't write them down.

use std::collections::BTreeSet;
use std::fs;

use larder_domain::AppName;
use larder_domain::ports::Sealer as _;
use larder_domain::ports::store::{AppStore as _, NodeStore as _, Standing, WorkStore as _};
use larder_store::KeyfileSealer;
use larder_store::sql::{Driven, KeyStop, RotationRefused};

use super::support::{Installation, assert_readable, drive, drive_once, fill, steps_to};
use crate::world::new_addon;

#[tokio::test]
async fn a_node_that_missed_two_rotations_stores_nothing_during_the_second() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let app: AppName = "shop".parse().unwrap();
    a.store.create_app(&app).await.unwrap();
    b.set(&app, "A", "before").await.unwrap();
    installation.pass_by();
    a.store.beat().await.unwrap();
    a.begin().await;
    assert_eq!(drive(&mut a.driving().await, &[]).await.unwrap(), Driven::Done);
    assert_eq!(b.store.beat().await.unwrap(), Standing::OtherKey);
    let refused = a.store.begin_key_rotation().await.unwrap();
    assert_eq!(refused, Err(RotationRefused::Behind("b".parse().unwrap())), "it must be mended first");
    assert_eq!((a.lines(), a.store.key_rotation().await.unwrap().unwrap().old), (1, None), "nothing was changed");

    installation.pass_by();
    a.store.beat().await.unwrap();
    a.begin().await;
    let world = a.world(&installation);
    world.create(new_addon(&world, None)).await;
    for name in ["A", "B"] {
        let refused = b.set(&app, name, "late").await.unwrap_err();
        assert!(format!("{refused:?}").contains("sealed with a key that is given up"), "{refused:?}");
    }
    assert_eq!(b.store.lease_due(b.store.node(), 5, vec![]).await.unwrap(), []);
    assert_eq!(b.store.beat().await.unwrap(), Standing::OtherKey);
    let new = a.sealer.key_id();
    assert_eq!(b.store.begin_key_rotation().await.unwrap(), Err(RotationRefused::OtherKey(new)));
    // Those who have either key work on.
    a.set(&app, "A", "new").await.unwrap();
    assert_eq!((a.store.standing().await.unwrap(), b.sealer.key_ids().len()), (Standing::Working, 1));
    let mut driving = a.driving().await;
    assert_eq!(driving.step().await.unwrap(), Driven::Waits(vec!["b".parse().unwrap()]));
    drop(b);
    installation.pass_by();
    a.store.beat().await.unwrap();
    assert_eq!(drive(&mut driving, &[]).await.unwrap(), Driven::Done);
    assert_eq!(a.value(&app, "A").await.unwrap(), "new");
}

#[tokio::test]
async fn a_node_without_the_old_key_does_not_go_on_with_a_rotation() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let id = fill(&installation, &a).await;
    let old = a.sealer.key_id();
    a.begin().await;
    b.store.beat().await.unwrap();
    // Somebody has copied the first line of the file alone.
    let new = fs::read_to_string(&a.file).unwrap().lines().next().unwrap().to_owned();
    fs::write(installation.file("c"), new).unwrap();
    drop(a);
    let sealed = installation.columns_with(&old);
    assert_eq!(sealed.len(), 15);
    // Nothing of what is there can be opened by it; it is a node nevertheless once the first column was sealed anew.
    installation.pass_by();
    b.store.beat().await.unwrap();
    let mut driving = b.driving().await;
    while installation.columns_with(&old).contains("installation.key_check") {
        driving.step().await.unwrap();
    }
    drop(driving);
    let c = installation.node("c");
    installation.pass_by();
    c.store.beat().await.unwrap();
    assert!(c.store.key_driving(true).await.unwrap().is_none());
    let state = c.store.key_rotation().await.unwrap().unwrap();
    assert!(state.trouble.as_ref().is_some_and(|trouble| trouble.contains(&old)), "{state:?}");
    assert_eq!(c.store.begin_key_rotation().await.unwrap(), Err(RotationRefused::WithoutOld(old.clone())));
    assert!(!installation.columns_with(&old).is_empty(), "nothing is lost");
    b.store.beat().await.unwrap();
    assert_eq!(drive(&mut b.driving().await, &[&c]).await.unwrap(), Driven::Done);
    assert_eq!((installation.columns_with(&old), c.sealer.key_ids()), (BTreeSet::new(), b.sealer.key_ids()));
    assert_readable(&c, id).await;
}

#[tokio::test]
async fn what_an_unknown_key_has_sealed_stops_it() {
    let Some(installation) = Installation::new() else { return };
    let a = installation.node("a");
    let app: AppName = "shop".parse().unwrap();
    a.store.create_app(&app).await.unwrap();
    let stranger = KeyfileSealer::from_key(&[9; 32]);
    let sealed = stranger.seal("app/shop/variable/A", b"x").unwrap();
    let sql = "INSERT INTO app_variable (app, name, value) VALUES ('shop', $1, $2)";
    let of_before = sealed.clone();
    installation.ask(move |client| client.execute(sql, &[&"A", &of_before]).unwrap());
    a.begin().await;
    assert!(installation.ask(move |client| client.execute(sql, &[&"B", &sealed]).is_err()), "nothing more comes");
    let stopped = drive(&mut a.driving().await, &[]).await.unwrap_err();
    assert!(matches!(&stopped, KeyStop::Unknown(columns) if columns == "app_variable.value"), "{stopped}");
    assert_eq!((a.lines(), a.sealer.key_ids().len()), (2, 2), "both keys are kept");
}

#[tokio::test]
async fn a_driver_that_is_killed_before_it_learns_its_own_key_loses_nothing() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let id = fill(&installation, &a).await;
    let (old, before) = (a.sealer.key_id(), fs::read(&a.file).unwrap());
    a.begin().await;
    fs::write(&a.file, before).unwrap();
    drop(a);
    b.store.beat().await.unwrap();
    installation.pass_by();
    b.store.beat().await.unwrap();
    let mut driving = b.driving().await;
    assert!(steps_to(&mut driving, &Driven::Settles).await);
    let a = installation.node("a");
    assert_eq!((a.sealer.key_ids(), a.lines()), (b.sealer.key_ids(), 2), "with the old key alone in its file");
    assert_readable(&a, id).await;
    assert_eq!(drive(&mut driving, &[&a]).await.unwrap(), Driven::Done);
    a.store.beat().await.unwrap();
    assert_eq!((a.sealer.key_ids(), a.lines()), (b.sealer.key_ids(), 1));
    assert_eq!(installation.columns_with(&old), BTreeSet::new());
    assert_readable(&a, id).await;
}

#[tokio::test]
async fn a_driver_that_can_not_write_its_file_says_so_and_changes_nothing() {
    let Some(installation) = Installation::new() else { return };
    let (a, b) = (installation.node("a"), installation.node("b"));
    let before = fs::read(&a.file).unwrap();
    let spoil = || {
        fs::remove_file(&a.file).unwrap();
        fs::create_dir(&a.file).unwrap();
    };
    let mend = |text: &[u8]| {
        fs::remove_dir(&a.file).unwrap();
        fs::write(&a.file, text).unwrap();
    };
    spoil();
    let refused = a.store.begin_key_rotation().await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("make it writable, then rotate again"), "{refused}");
    assert_eq!(a.store.key_rotation().await.unwrap(), None);
    // Or it is to drive one that is there already.
    b.begin().await;
    let own = a.store.node().0.as_bytes().to_vec();
    installation.ask(move |client| client.execute("UPDATE key_rotation SET driver = $1", &[&own]).unwrap());
    assert!(a.store.key_driving(false).await.unwrap().is_none());
    let state = b.store.key_rotation().await.unwrap().unwrap();
    assert!(
        !state.is_under_way && state.trouble.as_ref().is_some_and(|it| it.contains("make it writable")),
        "{state:?}"
    );
    mend(&before);
    a.begin().await;
    let mut driving = a.driving().await;
    while a.store.key_rotation().await.unwrap().unwrap().old.is_some() {
        drive_once(&mut driving, &b).await;
    }
    // The old key can't be taken from the file.
    let both = fs::read(&a.file).unwrap();
    spoil();
    assert!(matches!(driving.step().await, Err(KeyStop::Key(_))));
    drop(driving);
    a.store.beat().await.unwrap();
    let refused = a.store.begin_key_rotation().await.unwrap();
    assert!(matches!(refused, Err(RotationRefused::Unwritable(_))), "{refused:?}");
    mend(&both);
    a.store.beat().await.unwrap();
    assert_eq!((a.lines(), a.sealer.key_ids().len()), (1, 1));
    b.store.beat().await.unwrap();
    a.begin().await;
}
