//! Providers and their versions.

use larder_domain::audit::{Action, Actor};
use larder_domain::grants::Permission;
use larder_domain::ids::Digest;
use larder_domain::limits::ProviderLimits;
use larder_domain::manifest::Manifest;
use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::Interface;
use larder_domain::ports::store::{CheckOutcome, Leased, RemoveRefusal, RevisionChanged, UploadOutcome};
use larder_domain::provider::VersionState::{self, Active, Checking, Inactive, Refused, WaitingForApproval};
use larder_domain::work::{Lease, Subject, WorkKind};
use larder_domain::{Event, SecretString, Step};
use serde_json::json;

use crate::world::{Build, World, config, new_addon, provider};

const ONE: Digest = Digest([1; 32]);
const TWO: Digest = Digest([2; 32]);

const NEEDED: &str = "tcp://db.example:5432";

fn manifest(version: &str) -> Manifest {
    manifest_with(version, &[])
}

/// One that can't do without a destination.
fn asking(version: &str) -> Manifest {
    let request = json!({ "capability": "network", "value": NEEDED, "required": true, "reason": "to make databases" });
    manifest_with(version, &[request])
}

fn manifest_with(version: &str, requests: &[serde_json::Value]) -> Manifest {
    let plan = json!({ "name": "small", "description": "small" });
    let service =
        json!({ "name": "postgres", "description": "a database", "variables": ["DATABASE_URL"], "plans": [plan] });
    let manifest = json!({ "version": version, "description": "pg", "services": [service], "requests": requests });
    Manifest::parse(&manifest.to_string()).unwrap()
}

fn accepted(manifest: Manifest) -> CheckOutcome {
    CheckOutcome::Accepted { manifest, exports: vec![Interface::Update] }
}

async fn revision(world: &World) -> u64 {
    world.store.provider(&provider("pg")).await.unwrap().unwrap().revision
}

async fn grant(world: &World, values: &[&str], revision: u64) -> Result<(), RevisionChanged> {
    let grants = values.iter().map(|value| Permission::parse("network", value).unwrap()).collect();
    world.store.set_grants(&provider("pg"), grants, revision).await.unwrap()
}

/// Activates a version that says this of itself under the options that there are.
async fn activate(world: &World, digest: Digest, manifest: Manifest) -> bool {
    let revision = revision(world).await;
    world.store.activate(&provider("pg"), digest, manifest, revision).await.unwrap().unwrap()
}

async fn upload(world: &World, digest: Digest) -> UploadOutcome {
    world.store.upload(&provider("pg"), digest, vec![digest.0[0]; 100]).await.unwrap()
}

async fn check(world: &World) -> Lease {
    match world.store.lease_due(world.node, 1, vec![]).await.unwrap().pop() {
        Some(Leased::Other(lease)) if lease.kind == WorkKind::CheckVersion => lease,
        other => crate::world::panic_with(&format!("{other:?} is no check")),
    }
}

async fn finish(world: &World, digest: Digest, outcome: CheckOutcome) {
    let lease = check(world).await;
    assert_eq!(lease.subject, Subject::Version(provider("pg"), digest));
    world.store.finish_check(&lease, &provider("pg"), digest, outcome).await.unwrap();
}

async fn states(world: &World) -> Vec<(u8, VersionState)> {
    let found = world.store.provider(&provider("pg")).await.unwrap().unwrap();
    found.versions.iter().map(|version| (version.digest.0[0], version.state)).collect()
}

pub(crate) async fn an_upload_is_checked_and_becomes_active(world: World) {
    assert_eq!(world.store.provider(&provider("pg")).await.unwrap(), None);
    assert!(matches!(upload(&world, ONE).await, UploadOutcome::New(v) if v.state == Checking && v.size_bytes == 100));
    assert!(matches!(upload(&world, ONE).await, UploadOutcome::Known(v) if v.state == Checking));
    assert_eq!(world.store.component(ONE).await.unwrap(), Some(vec![1; 100]));
    finish(&world, ONE, accepted(manifest("1.0"))).await;
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), None);
    upload(&world, TWO).await;
    assert_eq!(states(&world).await, [(2, Checking), (1, Active)]);
    finish(&world, TWO, accepted(manifest("2.0"))).await;

    let found = world.store.provider(&provider("pg")).await.unwrap().unwrap();
    assert_eq!(states(&world).await, [(2, Active), (1, Inactive)], "the newest first");
    assert_eq!(found.active().unwrap().manifest, Some(manifest("2.0")));
    assert_eq!(world.store.providers().await.unwrap(), [found]);
    assert_eq!(world.store.provider_options(&provider("pg")).await.unwrap().reveal(), "{}");
}

pub(crate) async fn a_refused_version_is_checked_again_when_it_comes_again(world: World) {
    upload(&world, ONE).await;
    let lease = check(&world).await;
    let refused = || CheckOutcome::Refused { code: "unknown_import".into(), message: "no".into() };
    world.store.finish_check(&lease, &provider("pg"), ONE, refused()).await.unwrap();
    let again = world.store.finish_check(&lease, &provider("pg"), ONE, refused()).await;
    assert!(matches!(again, Err(StoreError::Fenced)));
    let found = world.store.provider(&provider("pg")).await.unwrap().unwrap();
    assert_eq!(found.versions[0].refusal, Some(("unknown_import".into(), "no".into())));

    assert!(matches!(upload(&world, ONE).await, UploadOutcome::Known(v) if v.state == Checking && v.refusal.is_none()));
    finish(&world, ONE, accepted(asking("1.0"))).await;
    assert!(matches!(upload(&world, ONE).await, UploadOutcome::Known(v) if v.state == WaitingForApproval));
    assert_eq!(world.store.next_due(vec![]).await.unwrap(), None);
}

pub(crate) async fn only_checked_versions_can_be_activated(world: World) {
    upload(&world, ONE).await;
    assert!(!activate(&world, ONE, manifest("1.0")).await);
    finish(&world, ONE, accepted(manifest("1.0"))).await;
    upload(&world, TWO).await;
    finish(&world, TWO, CheckOutcome::Refused { code: "c".into(), message: "m".into() }).await;
    assert!(!activate(&world, TWO, manifest("2.0")).await);
    upload(&world, TWO).await;
    finish(&world, TWO, accepted(asking("2.0"))).await;
    assert!(!activate(&world, TWO, asking("2.0")).await, "it requires what was not granted");
    grant(&world, &[NEEDED], revision(&world).await).await.unwrap();
    assert_eq!(states(&world).await, [(2, Active), (1, Inactive)]);
    assert!(activate(&world, ONE, manifest("1.0")).await);
    assert_eq!(states(&world).await, [(2, Inactive), (1, Active)]);
}

pub(crate) async fn a_version_waits_until_what_it_requires_is_granted(world: World) {
    upload(&world, ONE).await;
    finish(&world, ONE, accepted(manifest("1.0"))).await;
    upload(&world, TWO).await;
    finish(&world, TWO, accepted(asking("2.0"))).await;
    assert_eq!(states(&world).await, [(2, WaitingForApproval), (1, Active)], "the old one serves meanwhile");

    let three = Digest([3; 32]);
    upload(&world, three).await;
    finish(&world, three, CheckOutcome::Refused { code: "c".into(), message: "m".into() }).await;
    assert_eq!(states(&world).await, [(3, Refused), (2, WaitingForApproval), (1, Active)]);

    let first = revision(&world).await;
    grant(&world, &["tcp://elsewhere.example:5432"], first).await.unwrap();
    assert_eq!(states(&world).await, [(3, Refused), (2, WaitingForApproval), (1, Active)]);
    assert_eq!(
        grant(&world, &[NEEDED], first).await,
        Err(RevisionChanged { is: first + 1 }),
        "somebody else was quicker"
    );
    world.clock.advance_ms(1_000);
    grant(&world, &["tcp://elsewhere.example:5432", NEEDED], first + 1).await.unwrap();
    let served = [(3, Refused), (2, Active), (1, Inactive)];
    assert_eq!(states(&world).await, served, "a newer version that can't serve is not in its way");
    let found = world.store.provider(&provider("pg")).await.unwrap().unwrap();
    let values: Vec<&str> = found.grants.iter().map(|granted| granted.value.as_str()).collect();
    assert_eq!((found.revision, values), (first + 2, vec![NEEDED, "tcp://elsewhere.example:5432"]));

    grant(&world, &[], first + 2).await.unwrap();
    assert_eq!(states(&world).await, served, "it serves on, and is refused what it had");
    assert!(!activate(&world, TWO, asking("2.0")).await);
    assert!(activate(&world, ONE, manifest("1.0")).await);
    world.store.remove_provider(&provider("pg"), false).await.unwrap().unwrap();
    world.clock.advance_ms(1_000);
    upload(&world, ONE).await;
    let again = world.store.provider(&provider("pg")).await.unwrap().unwrap();
    assert_eq!(again.grants, [], "grants go with their provider");
    assert!(again.revision > first + 2, "a revision is never used twice");
}

pub(crate) async fn what_serves_has_described_itself_under_the_present_options(world: World) {
    let pg = provider("pg");
    let options = || SecretString::new(r#"{"size":"large"}"#);
    let set = async |manifests, revision| world.store.set_options(&pg, options(), manifests, revision).await.unwrap();
    let said = async |digest| {
        let versions = world.store.provider(&pg).await.unwrap().unwrap().versions;
        versions.into_iter().find(|version| version.digest == digest).unwrap().manifest.unwrap().version
    };
    for (digest, version) in [(ONE, "1.0"), (TWO, "2.0")] {
        upload(&world, digest).await;
        finish(&world, digest, accepted(manifest(version))).await;
    }
    assert!(activate(&world, ONE, manifest("1.0")).await);
    let first = revision(&world).await;

    // The newest may be had to serve by a grant, so it must know the options like the one that serves.
    let undescribed = Err(RevisionChanged { is: first });
    assert_eq!(set(vec![(TWO, manifest("2.0-large"))], first).await, undescribed);
    assert_eq!(set(vec![(ONE, manifest("1.0-large"))], first).await, undescribed);
    assert_eq!((said(ONE).await, revision(&world).await), ("1.0".into(), first), "nothing was stored");
    assert_eq!(set(vec![(ONE, manifest("1.0-large")), (TWO, manifest("2.0-large"))], first).await, Ok(()));
    assert_eq!((said(ONE).await, said(TWO).await), ("1.0-large".into(), "2.0-large".into()));

    let stale = world.store.activate(&pg, TWO, manifest("2.0"), first).await.unwrap();
    assert_eq!(stale, Err(RevisionChanged { is: first + 1 }), "it has spoken of the options before these");
    assert!(activate(&world, TWO, manifest("2.0-larger")).await);
    assert_eq!(said(TWO).await, "2.0-larger");
    assert!(!activate(&world, ONE, asking("1.0-larger")).await, "under these options it requires more");
    assert_eq!((said(ONE).await, states(&world).await), ("1.0-large".into(), vec![(2, Active), (1, Inactive)]));
}

pub(crate) async fn limits_are_set_under_a_revision(world: World) {
    let pg = provider("pg");
    upload(&world, ONE).await;
    let (first, limits) = (revision(&world).await, ProviderLimits::parse([("cpu_ms", 5_000)]).unwrap());
    world.store.set_limits(&pg, limits.clone(), first).await.unwrap().unwrap();
    let changed = world.store.set_limits(&pg, ProviderLimits::default(), first).await.unwrap();
    assert_eq!(changed, Err(RevisionChanged { is: first + 1 }));
    assert_eq!(world.store.provider(&pg).await.unwrap().unwrap().limits, limits);
}

pub(crate) async fn everything_that_is_done_is_in_the_audit_log(world: World) {
    let pg = provider("pg");
    upload(&world, ONE).await;
    finish(&world, ONE, accepted(manifest("1.0"))).await;
    upload(&world, TWO).await;
    finish(&world, TWO, accepted(asking("2.0"))).await;
    grant(&world, &[NEEDED], revision(&world).await).await.unwrap();
    grant(&world, &[], revision(&world).await).await.unwrap();
    activate(&world, ONE, manifest("1.0")).await;
    let limits = ProviderLimits::parse([("cpu_ms", 5_000)]).unwrap();
    world.store.set_limits(&pg, limits, revision(&world).await).await.unwrap().unwrap();
    world.store.remove_provider(&pg, false).await.unwrap().unwrap();

    let all = world.store.audit(None, None, 100).await.unwrap();
    let told: Vec<(Actor, Action)> = all.iter().rev().map(|entry| (entry.actor, entry.action)).collect();
    use {Action as A, Actor::Admin, Actor::Host};
    let expected = [
        (Admin, A::Uploaded),
        (Host, A::Accepted),
        (Host, A::Activated),
        (Admin, A::Uploaded),
        (Host, A::Accepted),
        (Admin, A::Granted),
        (Host, A::Activated),
        (Admin, A::Revoked),
        (Admin, A::Activated),
        (Admin, A::Limited),
        (Admin, A::Removed),
    ];
    assert_eq!(told, expected);
    let granted = all.iter().find(|entry| entry.action == A::Granted).unwrap();
    assert_eq!((granted.provider.as_ref(), &granted.data["value"]), (Some(&pg), &json!(NEEDED)));

    let page = world.store.audit(Some(pg), Some(all[0].id), 2).await.unwrap();
    assert_eq!(page, all[1..3], "the next ones, older");
    assert_eq!(world.store.audit(Some(provider("other")), None, 100).await.unwrap(), []);
}

pub(crate) async fn a_provider_in_use_is_not_removed(world: World) {
    let pg = provider("pg");
    assert!(matches!(world.store.remove_provider(&pg, false).await, Err(StoreError::Missing("provider"))));
    upload(&world, ONE).await;
    finish(&world, ONE, accepted(manifest("1.0"))).await;
    let app = world.app("shop").await;
    let ready = world.ready(new_addon(&world, Some(&app)), config(&[])).await;
    let fresh = world.create(new_addon(&world, Some(&app)).named("b")).await;
    assert_eq!(world.store.provider(&pg).await.unwrap().unwrap().live_addons, 2);
    assert_eq!(world.store.remove_provider(&pg, false).await.unwrap(), Err(RemoveRefusal::InUse(2)));
    world.delete(fresh).await;
    world.delete(ready).await;
    assert_eq!(world.store.provider(&pg).await.unwrap().unwrap().live_addons, 0);
    assert_eq!(
        world.store.remove_provider(&pg, false).await.unwrap(),
        Err(RemoveRefusal::InUse(1)),
        "to be cleaned up"
    );
    let cleanup = world.turn().await.unwrap();
    world.result(&cleanup.lease, Event::CleanedUp).await.unwrap();
    assert_eq!(world.store.remove_provider(&pg, false).await.unwrap(), Ok(()));
    assert_eq!(world.store.providers().await.unwrap(), []);
    assert_eq!(world.store.component(ONE).await.unwrap(), None);
}

pub(crate) async fn a_forced_removal_makes_its_work_due(world: World) {
    let pg = provider("pg");
    upload(&world, ONE).await;
    finish(&world, ONE, accepted(manifest("1.0"))).await;
    world.create(new_addon(&world, None)).await;
    let waiting = world.turn().await.unwrap();
    world.store.release(&waiting.lease, world.store.now().plus_ms(50_000)).await.unwrap();
    world.create(new_addon(&world, None).named("b")).await;
    let running = world.turn().await.unwrap();
    upload(&world, TWO).await;
    let checking = check(&world).await;
    assert!(world.turn().await.is_none());

    assert_eq!(world.store.remove_provider(&pg, true).await.unwrap(), Ok(()));
    let late = accepted(manifest("2.0"));
    assert!(matches!(world.store.finish_check(&checking, &pg, TWO, late).await, Err(StoreError::Fenced)));
    assert_eq!(world.turn().await.unwrap().record.spec.id, waiting.record.spec.id, "due at once");
    assert!(world.turn().await.is_none());
    world.store.release(&running.lease, world.store.now().plus_ms(50_000)).await.unwrap();
    let next = world.turn().await.unwrap();
    assert_eq!((next.record.spec.id, next.step), (running.record.spec.id, Step::Begin));
    upload(&world, TWO).await;
    assert_eq!(
        world.store.provider(&pg).await.unwrap().unwrap().live_addons,
        2,
        "it has them still when it comes back"
    );
}

pub(crate) async fn components_go_with_their_last_version(world: World) {
    upload(&world, ONE).await;
    world.store.upload(&provider("other"), ONE, vec![1; 100]).await.unwrap();
    assert_eq!(world.store.remove_provider(&provider("pg"), false).await.unwrap(), Ok(()));
    assert!(world.store.component(ONE).await.unwrap().is_some());
    assert_eq!(check(&world).await.provider, provider("other"), "the removed one's check has gone");
    assert_eq!(world.store.remove_provider(&provider("other"), false).await.unwrap(), Ok(()));
    assert_eq!(world.store.component(ONE).await.unwrap(), None);
}
