//! Rounds by chance: nodes are killed, stopped for longer than a lease lasts, and cut off, while users go on at whichever node answers.
//!
//! `LARDER_SEED` has the same be chosen again, `LARDER_NODES_ROUNDS` and `LARDER_NODES_MINUTES` make it longer; in the end one line of JSON
//! says what it amounted to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use larder_domain::work::LEASE_MS;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::cluster::Cluster;
use super::sleeper;
use crate::support::{Answer, Length, Random, Tally, until_within};

/// How many rounds there are, if nobody says otherwise.
const ROUNDS: u64 = 3;
/// Addons that are asked for in a round.
const ADDONS: usize = 6;
/// How long everything may take to come to rest.
const RESTS_WITHIN: Duration = Duration::from_secs(120);
/// How long a node is stopped: longer than what it has leased is its own.
const STOPPED: Duration = Duration::from_millis(LEASE_MS + 2_000);

/// What happens to a node.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Kill,
    Stop,
    Cut,
}

/// What a user knows.
#[derive(Default)]
struct Known {
    /// The addons that were accepted, with the password that was seen.
    live: BTreeMap<String, Option<Value>>,
    deleted: Vec<String>,
    made: usize,
}

#[tokio::test]
async fn world_nodes_that_go_by_chance_lose_nothing_and_do_nothing_twice() {
    let test = "world_nodes_that_go_by_chance_lose_nothing_and_do_nothing_twice";
    let length = Length::from_environment("LARDER_NODES", ROUNDS);
    let Some(mut cluster) = Cluster::start(test).await else { return };
    let mut random = Random::from_environment();
    let (mut tally, mut known, mut rounds) = (Tally::default(), Known::default(), 0);
    while length.goes_on(rounds) && tally.violations().is_empty() {
        round(&mut cluster, &mut random, &mut known, &mut tally).await;
        rounds += 1;
    }
    tally.close("nodes", rounds, &length, Some(random.seed()));
}

async fn round(cluster: &mut Cluster, random: &mut Random, known: &mut Known, tally: &mut Tally) {
    let blow = random.one_of(&[Blow::Kill, Blow::Stop, Blow::Cut]);
    let struck = random.below(cluster.nodes.len());
    let well: Vec<usize> = (0..cluster.nodes.len()).filter(|at| *at != struck).collect();
    wish(cluster, random, known, &[0, 1, 2]).await;
    sleep(Duration::from_millis(random.below(400) as u64)).await;
    let began = Instant::now();
    match blow {
        Blow::Kill => {
            tally.struck("kill");
            cluster.nodes[struck].host.kill();
        }
        Blow::Stop => {
            tally.struck("stop");
            cluster.nodes[struck].host.signal("STOP");
        }
        Blow::Cut => {
            tally.struck("cut_off");
            cluster.nodes[struck].way.cut();
        }
    }
    wish(cluster, random, known, &well).await;
    comes_to_rest(cluster, well[0], known, tally).await;
    tally.took("from_the_blow_to_rest", began.elapsed());
    match blow {
        Blow::Kill => cluster.nodes[struck].host.restart(),
        Blow::Stop => {
            sleep(STOPPED.saturating_sub(began.elapsed())).await;
            cluster.nodes[struck].host.signal("CONT");
        }
        Blow::Cut => cluster.nodes[struck].way.mend(),
    }
    let back = async || (cluster.nodes[struck].host.get("/readyz").await.status == 200).then_some(());
    until_within(RESTS_WITHIN, "the node that was struck", back).await;
    comes_to_rest(cluster, struck, known, tally).await;
}

/// Users ask for addons and delete some, at nodes that answer.
async fn wish(cluster: &Cluster, random: &mut Random, known: &mut Known, at: &[usize]) {
    for _ in 0..ADDONS / 2 {
        known.made += 1;
        let host = &cluster.nodes[random.one_of(at)].host;
        let request = sleeper(&format!("n-{}", known.made), random.below(1_500) as u64);
        known.live.insert(host.create(request).await.id(), None);
    }
    if let Some(id) = known.live.keys().next().cloned().filter(|_| known.live.len() > 2 * ADDONS) {
        cluster.nodes[random.one_of(at)].host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        known.live.remove(&id);
        known.deleted.push(id);
    }
}

/// Every addon is what its user wants, once, and with the password that it had.
async fn comes_to_rest(cluster: &Cluster, at: usize, known: &mut Known, tally: &mut Tally) {
    let host = &cluster.nodes[at].host;
    for (id, password) in &mut known.live {
        let ready = async || (host.settled(id).await["state"] == "ready").then_some(());
        until_within(RESTS_WITHIN, "an addon to be ready", ready).await;
        let history = host.history(id).await;
        let times = |kind: &str| history.iter().filter(|event| event["kind"] == kind).count();
        tally.holds("an_addon_becomes_ready_once", times("ready") == 1 && times("provisioned") == 1, || {
            format!("{id}: {history:?}")
        });
        let numbers = history.iter().map(|event| event["seq"].as_u64().unwrap());
        tally.holds("a_history_has_no_hole", numbers.eq(1..=history.len() as u64), || format!("{id}: {history:?}"));
        let config: Answer = host.get(&format!("/v1/addons/{id}/config")).await;
        let now = config.expect(200)["variables"].clone();
        let before = password.get_or_insert_with(|| now.clone());
        tally.holds("a_password_stays", *before == now, || format!("{id}: its variables changed"));
    }
    for id in &known.deleted {
        let addon = host.get(&format!("/v1/addons/{id}")).await.expect(200);
        tally.holds("a_deleted_addon_stays_deleted", addon["state"] == "deprovisioned", || addon.to_string());
    }
    let variables = host.variables().await;
    let names = variables.as_object().unwrap().keys().filter(|name| name.ends_with("CHAMELEON_URL")).count();
    tally.holds("each_live_addon_has_its_variables", names == known.live.len(), || {
        json!({ "variables": variables, "live": known.live.len() }).to_string()
    });
}
