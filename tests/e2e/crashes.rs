//! Crashes of the store: several users and an operator write all the time, each noting what was acknowledged, and the host is killed at a
//! moment that is chosen by chance, again and again. What was acknowledged is there afterwards, what was refused is not, whatever was under
//! way goes on, and a broker that keeps books has seen everything once.
//!
//! `LARDER_SEED` has users wish for the same again and kills at the same places; what is under way at that moment is up to the machine.
//! `LARDER_CAMPAIGN_ROUNDS` and `LARDER_CAMPAIGN_MINUTES` make it longer; in the end one line of JSON says what it amounted to.

mod addon;
mod heard;
mod kill;
mod ledger;
mod look;
mod operator;
mod trouble;
mod user;

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use serde_json::json;

use crate::database;
use crate::support::{Host, Length, Postgres, Random, Tally, until};

use addon::Life;
use heard::Heard;
use kill::Moment;
use ledger::Ledger;
use operator::Operator;
use trouble::Trouble;
use user::{Office, User};

/// How many rounds there are on SQLite and on PostgreSQL, if nobody says otherwise.
const ROUNDS: u64 = 15;
const ROUNDS_POSTGRES: u64 = 10;
/// How many users there are.
const USERS: usize = 4;
/// Rounds after which everything is to come to rest.
const REST_EVERY: u64 = 5;
/// Rounds after which all that is on the disk is looked through.
const READ_EVERY: u64 = 50;
/// So soon after a start a host is killed again, in milliseconds at most.
const STUMBLE_MS_MAX: usize = 150;
/// What the host is told: long enough for nothing to end by itself.
const KEEPS: [&str; 2] = ["--delete-grace", "30d"];

/// What is going on.
struct Campaign {
    host: Host,
    ledger: Ledger,
    random: Random,
    users: Vec<User>,
    operator: Operator,
    heard: Heard,
    tally: Mutex<Tally>,
    /// Every password that was seen.
    passwords: HashSet<String>,
    /// The database server, if it isn't SQLite.
    server: Option<Postgres>,
}

#[tokio::test]
async fn whatever_was_acknowledged_is_there_after_every_crash() {
    let length = Length::from_environment("LARDER_CAMPAIGN", ROUNDS);
    let host = Host::start_with(&["secret", "http"], &KEEPS).await;
    Campaign::begin(host, None).await.run("campaign_sqlite", &length).await;
}

#[tokio::test]
async fn world_whatever_was_acknowledged_on_postgres_is_there_after_every_crash() {
    let test = "world_whatever_was_acknowledged_on_postgres_is_there_after_every_crash";
    let length = Length::from_environment("LARDER_CAMPAIGN", ROUNDS_POSTGRES);
    let Some((server, host)) = database::host_with(test, &["secret", "http"], &KEEPS).await else { return };
    Campaign::begin(host, Some(server)).await.run("campaign_postgres", &length).await;
}

/// A checker that can't fail proves nothing.
#[tokio::test]
async fn a_database_that_has_lost_what_was_acknowledged_is_noticed() {
    let host = Host::start_with(&["secret", "http"], &KEEPS).await;
    let mut campaign = Campaign::begin(host, None).await;
    campaign.live().await;
    let before = campaign.host.backup();
    campaign.recover().await;
    campaign.look().await;
    campaign.live().await;
    campaign.host.has_lost_all_since(before);
    campaign.recover().await;
    campaign.look().await;
    let tally = campaign.tally.into_inner().unwrap();
    let is_one = |violation: &String| violation.starts_with("an_acknowledged_variable_is_as_it_was_left");
    assert!(tally.violations().iter().any(is_one), "{:?}", tally.violations());
}

impl Campaign {
    async fn begin(host: Host, server: Option<Postgres>) -> Self {
        let mut random = Random::from_environment();
        eprintln!("LARDER_SEED={} has the same be wished for again", random.seed());
        let ledger = Ledger::open(random.fork()).await;
        host.provider(&["grant", "http", &ledger.url]);
        host.provider(&["options", "http", "--json-options", &ledger.options()]);
        let users = (0..USERS).map(|number| User::new(format!("user-{number}"), random.fork())).collect::<Vec<_>>();
        for app in users.iter().map(|user| user.app.as_str()).chain(["probe"]) {
            host.put(&format!("/v1/apps/{app}"), json!({})).await.expect(201);
        }
        let operator = Operator::new(random.fork(), &ledger.url);
        let (mut heard, tally, passwords) = (Heard::default(), Mutex::default(), HashSet::new());
        heard.listen(&host).await;
        Self { host, ledger, random, users, operator, heard, tally, passwords, server }
    }

    async fn run(mut self, name: &str, length: &Length) {
        let mut rounds = 0;
        while length.goes_on(rounds) && self.tally.get_mut().unwrap().violations().is_empty() {
            self.round().await;
            rounds += 1;
            if rounds % REST_EVERY == 0 {
                self.rest().await;
            }
            if rounds % READ_EVERY == 0 {
                self.read();
            }
        }
        self.end().await;
        let seed = self.random.seed();
        self.tally.into_inner().unwrap().close(name, rounds, length, Some(seed));
    }

    /// Everybody works, the host is killed at a moment of it, and started again.
    async fn round(&mut self) {
        self.live().await;
        if self.random.one_in(6) {
            self.tally.get_mut().unwrap().struck("kill_while_starting");
            self.host.stumble(Duration::from_millis(self.random.below(STUMBLE_MS_MAX) as u64));
        }
        self.recover().await;
        self.look().await;
    }

    /// Everybody works until the host is killed.
    async fn live(&mut self) {
        let moment = Moment::by_chance(&mut self.random);
        let trouble = Trouble::by_chance(self.server.as_ref(), &mut self.random);
        let tally = &self.tally;
        tally.lock().unwrap().struck(moment.fault());
        trouble.iter().for_each(|trouble| tally.lock().unwrap().struck(trouble.fault()));
        let strike = || trouble.into_iter().for_each(Trouble::strike);
        let (fuse, killer) = kill::light(moment, self.host.pid(), &self.ledger, &mut self.random, strike);
        let office = Office { host: &self.host, fuse: &fuse, tally };
        join(join_all(self.users.iter_mut().map(|user| user.work(&office))), self.operator.work(&office)).await;
        tokio::task::spawn_blocking(|| killer.join()).await.unwrap().unwrap();
        self.host.kill();
    }

    /// Starts the host again, and measures how long it takes until it says that it can work, and until it has.
    async fn recover(&mut self) {
        let began = Instant::now();
        self.host.restart();
        until("the host to be ready", async || (self.host.get("/readyz").await.status == 200).then_some(())).await;
        let ready = began.elapsed();
        self.host.patch("/v1/apps/probe/config", json!({ "PROBE": "there" })).await.expect(200);
        let tally = self.tally.get_mut().unwrap();
        tally.took("from_start_to_ready", ready);
        tally.took("from_start_to_the_first_write", began.elapsed());
        self.heard.listen(&self.host).await;
    }

    /// Right after a crash.
    async fn look(&mut self) {
        let tally = self.tally.get_mut().unwrap();
        for user in &mut self.users {
            user.look(&self.host, &self.ledger, tally).await;
        }
        self.operator.look(&self.host, tally).await;
    }

    async fn rest(&mut self) {
        let tally = self.tally.get_mut().unwrap();
        self.passwords.extend(self.ledger.passwords());
        for user in &mut self.users {
            user.rest(&self.host, &self.ledger, tally).await;
            self.passwords.extend(user.addons.iter().flat_map(|addon| addon.passwords().cloned()));
        }
        let conflicts = self.ledger.conflicts();
        tally.holds("what_is_asked_for_again_is_the_same", conflicts.is_empty(), || format!("{conflicts:?}"));
        self.heard.compare(&self.host, tally).await;
    }

    /// Looks through all that the host has written.
    fn read(&mut self) {
        let dump = self.server.as_ref().map(|server| server.dump("larder")).unwrap_or_default();
        look::nothing_is_readable(&self.passwords, self.host.dir(), &dump, self.tally.get_mut().unwrap());
    }

    /// Everything is deleted, and nothing is left.
    async fn end(&mut self) {
        self.rest().await;
        self.read();
        for user in &mut self.users {
            for addon in &mut user.addons {
                self.host.delete(&format!("/v1/addons/{}?now=true", addon.id.as_deref().unwrap())).await.expect(202);
                addon.is(Life::Gone);
            }
        }
        self.rest().await;
        let tally = self.tally.get_mut().unwrap();
        for user in &self.users {
            user.count(&self.host, tally).await;
            tally.count("addons", user.over.len() as u64);
        }
        let left = self.ledger.addons();
        tally.holds("nothing_is_left_of_what_is_gone", left.is_empty(), || format!("{left:?}"));
    }
}
