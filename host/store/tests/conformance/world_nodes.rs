//! Several nodes on one database of a PostgreSQL server.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use larder_domain::engines::EngineLabels;
use larder_domain::limits::ProviderLimits;
use larder_domain::node::{NodeState, SILENT_MS_MAX};
use larder_domain::ports::Store as _;
use larder_domain::ports::store::{
    AddRefusal, AddonStore as _, AppStore as _, EngineShared, EngineStore as _, Leased, NodeStore as _,
    ProviderStore as _, ReachedEngine, Standing, WorkStore as _,
};
use larder_domain::work::LEASE_MS;
use larder_domain::{Digest, EngineName, OperationId};
use larder_store::{ManualClock, OpenError, SqlStore};
use tokio::task::yield_now;

use crate::added;
use crate::world::{Build as _, World, new_addon};
use crate::world_postgres::{alter, database, node, node_by_the_server};

/// A database with a node of each name, on one clock.
struct Nodes {
    url: String,
    clock: Arc<ManualClock>,
    all: Vec<Arc<SqlStore>>,
}

impl Nodes {
    async fn start(names: &[&str]) -> Option<Self> {
        let url = database()?;
        let clock = Arc::new(ManualClock::default());
        let all = names.iter().map(|name| Arc::new(node(&url, name, &clock).unwrap())).collect();
        let nodes = Self { url, clock, all };
        for store in &nodes.all {
            store.announce("http://somewhere".to_owned(), vec![]).await.unwrap().unwrap();
        }
        Some(nodes)
    }

    /// A world whose store is the first node.
    fn world(&self) -> World {
        let store: Arc<SqlStore> = Arc::clone(&self.all[0]);
        World::new(Arc::clone(&self.clock), Box::new(move || store.clone() as Arc<dyn larder_domain::ports::Store>))
    }
}

fn engine(name: &str, url: &str) -> ReachedEngine {
    let (name, url, advertise) = (name.parse().unwrap(), url.to_owned(), "10.0.0.1".to_owned());
    ReachedEngine { name, url, advertise, labels: EngineLabels::new(), weight: 1, is_added: false }
}

#[tokio::test]
async fn five_nodes_start_on_an_empty_database_at_once() {
    let Some(url) = database() else { return };
    let start = |name: String| {
        let url = url.clone();
        thread::spawn(move || node(&url, &name, &Arc::new(ManualClock::default())))
    };
    let starting: Vec<_> = (0..5).map(|number| start(format!("node-{number}"))).collect();
    let stores: Vec<SqlStore> = starting.into_iter().map(|start| start.join().unwrap().unwrap()).collect();
    let installation = stores[0].installation();
    assert!(stores.iter().all(|store| store.installation() == installation), "all are of one installation");
    assert_eq!(stores[4].nodes().await.unwrap().len(), 5);
}

#[tokio::test]
async fn what_one_node_commits_the_others_hear_and_see() {
    let Some(nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    let (mut work, mut history, mut others) = (b.watch_work(), b.watch_history(), b.watch_others());
    let id = nodes.world().create(new_addon(&nodes.world(), None)).await;
    assert!(work.changed().await && history.changed().await && others.changed().await);
    assert!(b.addon(id).await.unwrap().is_some());
    let leased = b.lease_due(b.node(), 5, vec![]).await.unwrap();
    assert_eq!(leased.len(), 1);
    assert_eq!(a.lease_due(a.node(), 5, vec![]).await.unwrap(), [], "it is another's");
}

#[tokio::test]
async fn each_piece_of_work_is_one_nodes_and_history_is_in_order() {
    let Some(nodes) = Nodes::start(&["a", "b", "c"]).await else { return };
    let world = nodes.world();
    for number in 0..30 {
        world.create(new_addon(&world, None).named(&format!("db-{number}")).by(&format!("p-{}", number % 3))).await;
    }
    let lease = |store: &Arc<SqlStore>| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.lease_due(store.node(), 30, vec![]).await.unwrap() })
    };
    let mut subjects = vec![];
    for leased in nodes.all.iter().map(lease).collect::<Vec<_>>() {
        subjects.extend(leased.await.unwrap().into_iter().map(|leased| match leased {
            Leased::Addon { lease, .. } | Leased::Other(lease) => lease.subject,
        }));
    }
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), 30, "each was leased once");
    let history = nodes.all[2].history(None, 0, 1_000).await.unwrap();
    assert!(history.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[tokio::test]
async fn a_node_that_comes_again_frees_what_it_had_and_nothing_else() {
    let Some(mut nodes) = Nodes::start(&["a", "b"]).await else { return };
    let world = nodes.world();
    for name in ["one", "two"] {
        world.create(new_addon(&world, None).named(name)).await;
    }
    for store in &nodes.all {
        assert_eq!(store.lease_due(store.node(), 1, vec![]).await.unwrap().len(), 1);
    }
    drop(world);
    nodes.all.pop();
    let again = node(&nodes.url, "b", &nodes.clock).unwrap();
    assert_eq!(again.lease_due(again.node(), 5, vec![]).await.unwrap().len(), 1, "its own at once");
    nodes.clock.advance_ms(LEASE_MS);
    assert_eq!(again.lease_due(again.node(), 5, vec![]).await.unwrap().len(), 2, "all others when they run out");
}

#[tokio::test]
async fn a_name_is_one_processs() {
    let Some(nodes) = Nodes::start(&["a"]).await else { return };
    let (url, clock) = (nodes.url.clone(), Arc::clone(&nodes.clock));
    let second = thread::spawn(move || node(&url, "a", &clock)).join().unwrap();
    assert!(matches!(second, Err(OpenError::Taken(name)) if name.as_str() == "a"));
    assert_eq!(nodes.all[0].standing().await.unwrap(), Standing::Working);
}

#[tokio::test]
async fn work_about_an_engine_is_for_those_who_reach_it() {
    let Some(nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    let rack: EngineName = "rack".parse().unwrap();
    b.announce(String::new(), vec![engine("rack", "tcp://10.0.0.1:2376")]).await.unwrap().unwrap();
    let world = nodes.world();
    let id = world.create(new_addon(&world, None)).await;
    let elsewhere = a.engines_of_others().await.unwrap();
    assert_eq!(elsewhere.iter().map(|engine| &engine.name).collect::<Vec<_>>(), [&rack]);
    let candidate = larder_domain::engines::Candidate { name: rack.clone(), weight: 1, is_added: false };
    let placement = larder_domain::engines::Placement { candidates: vec![candidate], is_wished: false };
    assert_eq!(a.pin_engine(id, &placement).await.unwrap(), Some(rack));
    assert_eq!(a.lease_due(a.node(), 5, vec![]).await.unwrap(), [], "it is for the other");
    assert_eq!(a.next_due(vec![]).await.unwrap(), None, "and nothing to wake up for");
    assert!(b.next_due(vec![]).await.unwrap().is_some());
    // What nobody reaches any more is anybody's, who says so.
    nodes.clock.advance_ms(SILENT_MS_MAX);
    a.beat().await.unwrap();
    assert_eq!(a.lease_due(a.node(), 5, vec![]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_local_engine_is_one_nodes() {
    let Some(nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    let local = vec![engine("default", "unix:///run/docker.sock")];
    a.announce(String::new(), local.clone()).await.unwrap().unwrap();
    let shared = EngineShared::Socket { engine: "default".parse().unwrap(), node: "a".parse().unwrap() };
    assert_eq!(b.announce(String::new(), local.clone()).await.unwrap(), Err(shared.clone()));
    let far = vec![engine("default", "tcp://10.0.0.1:2376")];
    assert_eq!(b.announce(String::new(), far.clone()).await.unwrap(), Err(shared), "the other's is local");
    a.announce(String::new(), far.clone()).await.unwrap().unwrap();
    b.announce(String::new(), far).await.unwrap().unwrap();
    a.leave().await.unwrap();
    b.announce(String::new(), local).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drained_node_takes_nothing_and_a_silent_one_is_gone() {
    let Some(nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    let world = nodes.world();
    world.create(new_addon(&world, None)).await;
    let name = "b".parse().unwrap();
    assert!(a.set_draining(&name, true).await.unwrap());
    assert_eq!(b.beat().await.unwrap(), Standing::Draining);
    assert_eq!(b.lease_due(b.node(), 5, vec![]).await.unwrap(), []);
    assert_eq!(b.next_due(vec![]).await.unwrap(), None);
    assert!(a.set_draining(&name, false).await.unwrap());
    assert_eq!(b.lease_due(b.node(), 5, vec![]).await.unwrap().len(), 1);
    assert!(!a.set_draining(&"nobody".parse().unwrap(), true).await.unwrap());

    let states =
        || async { a.nodes().await.unwrap().iter().map(|node| (node.state(), node.leases)).collect::<Vec<_>>() };
    assert_eq!(states().await, [(NodeState::Working, 0), (NodeState::Working, 1)]);
    nodes.clock.advance_ms(SILENT_MS_MAX);
    a.beat().await.unwrap();
    assert_eq!(states().await, [(NodeState::Working, 0), (NodeState::Gone, 0)]);
    nodes.clock.advance_ms(24 * 3_600_000);
    a.beat().await.unwrap();
    assert_eq!(states().await.len(), 1, "it is not shown for ever");
}

#[tokio::test]
async fn what_changes_about_a_provider_is_known_everywhere_at_once() {
    let Some(nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    let before = b.providers_revision(Duration::ZERO).await.unwrap();
    a.create_app(&"demo".parse().unwrap()).await.unwrap();
    assert_eq!(b.providers_revision(Duration::ZERO).await.unwrap(), before, "an app is none");
    a.upload(&"secret".parse().unwrap(), Digest([1; 32]), b"wasm".to_vec()).await.unwrap();
    assert_ne!(b.providers_revision(Duration::ZERO).await.unwrap(), before);
}

#[tokio::test]
async fn whoever_changes_a_provider_is_answered_when_no_call_goes_by_what_was_before() {
    let Some(nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (a, b, secret) = (&nodes.all[0], &nodes.all[1], "secret".parse().unwrap());
    a.upload(&secret, Digest([1; 32]), b"wasm".to_vec()).await.unwrap();
    let revision = a.provider(&secret).await.unwrap().unwrap().revision;
    // What each commit of the node tells it, a call may go by for a while, however long ago it would be content with.
    let call = async || b.providers_revision(Duration::from_secs(3_600)).await.unwrap();
    let began = Instant::now();
    b.create_app(&"one".parse().unwrap()).await.unwrap();
    let before = b.providers_revision(Duration::ZERO).await.unwrap();
    let mut change = pin!(a.set_limits(&secret, ProviderLimits::default(), revision));
    let (mut seen, mut first_after) = (vec![], None);
    let answer = loop {
        match poll_fn(|cx| Poll::Ready(change.as_mut().poll(cx))).await {
            Poll::Ready(answer) => break answer,
            Poll::Pending => seen.push(call().await),
        }
        first_after.get_or_insert(began.elapsed());
        seen.dedup();
        yield_now().await;
    };
    answer.unwrap().unwrap();
    assert_ne!(call().await, before);
    // Unless this test was stopped for so long that nothing was remembered any more.
    let is_in_time = first_after.is_some_and(|after| after < Duration::from_millis(50));
    assert!(!is_in_time || seen.contains(&before), "it was gone by meanwhile: {seen:?}");
}

#[tokio::test]
async fn a_call_does_not_go_by_what_was_before_its_lease() {
    let Some(nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    b.create_app(&"one".parse().unwrap()).await.unwrap();
    let before = b.providers_revision(Duration::ZERO).await.unwrap();
    a.upload(&"secret".parse().unwrap(), Digest([1; 32]), b"wasm".to_vec()).await.unwrap();
    let leased_at = Instant::now();
    b.lease_due(b.node(), 1, vec![]).await.unwrap();
    assert_ne!(b.providers_revision(leased_at.elapsed()).await.unwrap(), before);
}

#[tokio::test]
async fn a_transfer_is_looked_after_as_long_as_its_process_lives() {
    let Some(mut nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (one, other) = (OperationId::generate(), OperationId::generate());
    let b = nodes.all.pop().unwrap();
    let a = Arc::clone(&nodes.all[0]);
    b.look_after(one).await.unwrap();
    b.look_after(other).await.unwrap();
    assert!(a.is_looked_after(one).await.unwrap());
    assert!(!b.is_looked_after(one).await.unwrap(), "by another");
    b.let_go(one).await.unwrap();
    assert!(!a.is_looked_after(one).await.unwrap());
    assert!(a.is_looked_after(other).await.unwrap());
    drop(b);
    let again = node(&nodes.url, "b", &nodes.clock).unwrap();
    again.announce(String::new(), vec![]).await.unwrap().unwrap();
    assert!(!a.is_looked_after(other).await.unwrap(), "its process is gone");
}

#[tokio::test]
async fn nodes_of_the_next_version_run_beside_those_of_this_one() {
    let Some(nodes) = Nodes::start(&["a"]).await else { return };
    // What adds something lets the others go on.
    alter(
        &nodes.url,
        "ALTER TABLE addon ADD COLUMN shade TEXT NOT NULL DEFAULT 'none'; ALTER TABLE app ADD COLUMN hue BIGINT;
                       UPDATE schema_version SET version = version + 1",
    );
    let b = node(&nodes.url, "b", &nodes.clock).unwrap();
    b.announce(String::new(), vec![]).await.unwrap().unwrap();
    let world = nodes.world();
    world.create(new_addon(&world, None)).await;
    assert_eq!(b.lease_due(b.node(), 5, vec![]).await.unwrap().len(), 1);
    // What takes something away does not.
    alter(&nodes.url, "UPDATE schema_version SET oldest = version");
    let refused = nodes.all[0].create_app(&"late".parse().unwrap()).await;
    assert!(matches!(refused, Err(larder_domain::ports::StoreError::Unreachable(_))), "it writes no more: {refused:?}");
    let (url, clock) = (nodes.url.clone(), Arc::clone(&nodes.clock));
    let late = thread::spawn(move || node(&url, "c", &clock)).join().unwrap();
    assert!(matches!(late, Err(OpenError::Newer { .. })));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_found_again() {
    let Some(nodes) = Nodes::start(&["a"]).await else { return };
    let store = &nodes.all[0];
    // Whoever holds the one row lets nobody else write.
    let url = nodes.url.clone();
    let (held, holds) = std::sync::mpsc::channel();
    let (let_go, may_go) = std::sync::mpsc::channel::<()>();
    let holder = thread::spawn(move || {
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let mut transaction = client.transaction().unwrap();
        transaction.execute("SELECT 1 FROM installation FOR UPDATE", &[]).unwrap();
        held.send(()).unwrap();
        let _gone = may_go.recv();
    });
    holds.recv().unwrap();
    let refused = store.create_app(&"demo".parse().unwrap()).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(store.nodes().await.unwrap().len(), 1, "reads go on");
    drop(let_go);
    holder.join().unwrap();
    store.create_app(&"demo".parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_jump_of_the_servers_clock_uses_up_nobodys_time() {
    let Some(url) = database() else { return };
    let store = Arc::new(node_by_the_server(&url).unwrap());
    store.create_app(&"demo".parse().unwrap()).await.unwrap();
    let before = store.now();
    // As if the server's clock had been set forward by a day, and then back by two.
    for (name, jump) in [
        ("forward", "UPDATE installation SET clock_zero_ms = clock_zero_ms - 86400000"),
        ("back", "UPDATE installation SET clock_zero_ms = clock_zero_ms + 172800000"),
    ] {
        alter(&url, jump);
        store.create_app(&name.parse().unwrap()).await.unwrap();
        let now = store.now();
        assert!(now >= before && now.since_ms(before) < 60_000, "{name}: {before:?} {now:?}");
    }
    // Nor does it stand still after that.
    let (then, mut tries) = (store.now(), 0);
    while store.now() <= then {
        store.create_app(&format!("try-{tries}").parse().unwrap()).await.unwrap();
        tries += 1;
        assert!(tries < 1_000);
    }
    // Who comes later goes on from there.
    drop(store);
    let again = node_by_the_server(&url).unwrap();
    again.create_app(&"again".parse().unwrap()).await.unwrap();
    assert!(again.now() >= then && again.now().since_ms(before) < 60_000);
}

#[tokio::test]
async fn an_engine_that_is_added_through_one_node_is_known_to_all() {
    let Some(nodes) = Nodes::start(&["a", "b"]).await else { return };
    let (a, b) = (&nodes.all[0], &nodes.all[1]);
    let (mut heard, before) = (b.watch_engines(), b.engines_revision().await.unwrap());
    a.add_engine(added::engine("rack", "tcp://10.0.0.1:2376", 1)).await.unwrap().unwrap();
    assert!(heard.changed().await);
    assert_ne!(b.engines_revision().await.unwrap(), before);
    let own = async |store: &Arc<SqlStore>| {
        let (_, engines) = store.added_engines().await.unwrap();
        engines.into_iter().filter(|engine| engine.is_own).map(|engine| engine.name.to_string()).collect::<Vec<_>>()
    };
    // A socket is one machine's.
    let socket = added::engine("socket", "unix:///run/docker.sock", 1);
    a.add_engine(socket.clone()).await.unwrap().unwrap();
    assert_eq!((own(a).await, own(b).await), (vec!["rack".into(), "socket".into()], vec!["rack".into()]));
    let refused = AddRefusal::Elsewhere { engine: "socket".parse().unwrap(), node: "a".parse().unwrap() };
    assert_eq!(b.add_engine(socket).await.unwrap(), Err(refused));
    let other = added::engine("socket-b", "unix:///run/docker.sock", 1);
    assert_eq!(b.add_engine(other).await.unwrap(), Ok(true), "the same path there is another machine's");

    // What a living node names is not to be added; when it is gone, who adds it keeps that node out.
    let named = vec![added::reached("named", "tcp://10.0.0.2:2376", false)];
    b.announce(String::new(), named.clone()).await.unwrap().unwrap();
    let refused = a.add_engine(added::engine("named", "tcp://10.0.0.3:2376", 1)).await.unwrap();
    assert!(matches!(refused, Err(AddRefusal::InFile { .. })), "{refused:?}");
    let refused = a.add_engine(added::engine("more", "tcp://10.0.0.2:2376", 1)).await.unwrap();
    assert_eq!(refused, Err(AddRefusal::UrlTaken("named".parse().unwrap())));
    b.leave().await.unwrap();
    a.add_engine(added::engine("named", "tcp://10.0.0.2:2376", 1)).await.unwrap().unwrap();
    let late = node(&nodes.url, "c", &nodes.clock).unwrap();
    assert_eq!(late.announce(String::new(), named).await.unwrap(), Err(EngineShared::Added("named".parse().unwrap())));
    assert_eq!(late.forget_engine(&"named".parse().unwrap()).await.unwrap(), Ok(0));
    assert!(!own(a).await.contains(&"named".to_owned()));
}
