//! The crash campaign: a hundred rounds of wishes by chance, and in each the host is killed at a moment of its work that is chosen
//! beforehand, so that no step of an addon's life is left out. In the end every addon is what its user wants it to be, with its data,
//! and nothing that was made for one is left.
//!
//! `LARDER_SEED` has everything happen again that chance decides, and `LARDER_CAMPAIGN_ROUNDS` or `LARDER_CAMPAIGN_MINUTES` makes it longer.

mod addons;
mod steps;

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Engine, Host, Length, Random, Tally, Tripwire, until};

use addons::Addon;
use steps::{Kind, Moment, Step, Wish};

/// How many rounds there are, if nobody says otherwise.
const ROUNDS: u64 = 100;
/// How many addons there are at once beside servers that users share.
const ADDONS_MAX: usize = 9;

/// What is going on.
struct Campaign {
    engine: Engine,
    wire: Tripwire,
    host: Host,
    random: Random,
    /// Those that somebody wants.
    live: Vec<Addon>,
    /// Those that were deleted.
    over: Vec<String>,
    /// Those that users share.
    servers: BTreeSet<String>,
    /// How many there have been.
    made: usize,
    tally: Tally,
}

#[tokio::test]
async fn world_docker_a_hundred_crashes_leave_no_orphan_and_no_addon_stuck() {
    let test = "world_docker_a_hundred_crashes_leave_no_orphan_and_no_addon_stuck";
    let Some(engine) = Engine::for_test(test) else { return };
    let length = Length::from_environment("LARDER_CAMPAIGN", ROUNDS);
    let mut campaign = Campaign::begin(engine).await;
    let (mut rounds, mut struck, seed) = (0, BTreeSet::new(), campaign.random.seed());
    eprintln!("LARDER_SEED={seed} has this happen again");
    // A plan has each moment in it; where it was gone through, there is another one.
    while length.goes_on(rounds) {
        for step in steps::plan(length.rounds_or(ROUNDS), &mut campaign.random) {
            eprintln!("{:6.1} s, round {rounds}: {step:?}", length.seconds());
            match step.moment {
                Moment::Asks(asks, _) if asks.needs_an_end() => campaign.clear(Some(step)).await,
                _ => campaign.round(step).await,
            }
            campaign.tally.struck(step.moment.fault());
            struck.insert(format!("{step:?}"));
            rounds += 1;
            if !length.goes_on(rounds) {
                break;
            }
        }
    }
    let untouched: Vec<_> = steps::all().into_iter().filter(|step| !struck.contains(&format!("{step:?}"))).collect();
    assert!(rounds < ROUNDS || untouched.is_empty(), "no kill at {untouched:?}");
    eprintln!("{:6.1} s: all is to come to rest", length.seconds());
    campaign.clear(None).await;
    campaign.tally.tell("moments", json!(struck.len()));
    campaign.tally.close("campaign_docker", rounds, &length, Some(seed));
}

impl Campaign {
    async fn begin(engine: Engine) -> Self {
        let wire = Tripwire::before(&engine);
        let behind = Engine::behind(&wire);
        let host = behind.host_with("redis", "redis").await;
        behind.install(&host, "volume", "busybox").await;
        behind.install_as_it_is(&host, "chameleon").await;
        let (live, over, servers) = (vec![], vec![], BTreeSet::new());
        Self {
            engine,
            wire,
            host,
            random: Random::from_environment(),
            live,
            over,
            servers,
            made: 0,
            tally: Tally::default(),
        }
    }

    /// Somebody wants something, and the host is killed at this moment of it. What it was about before may still be under way.
    async fn round(&mut self, step: Step) {
        let mut about = match step.wish {
            Wish::Create => None,
            _ => Some(self.one_at_rest(step.kind).await),
        };
        if self.live.len() >= ADDONS_MAX {
            self.wish_by_chance(about.as_ref(), &[Wish::Delete]).await;
        } else if self.random.below(2) == 0 {
            self.wish_by_chance(about.as_ref(), &[Wish::Delete, Wish::Resize, Wish::Rotate]).await;
        }
        if let Moment::Asks(asks, when) = step.moment {
            let others = self.all_but(about.as_ref());
            self.wire.stretch(when, move |method, path, body| {
                let is_anothers = || others.iter().any(|id| path.contains(id) || body.contains(id));
                asks.is(method, path, body) && (asks.is_nobodys() || !is_anothers())
            });
        }
        match &mut about {
            Some(addon) => addon.wish(&self.host, step.wish, &mut self.random).await,
            None => about = Some(self.create(step.kind).await),
        }
        let about = about.unwrap();
        match step.moment {
            Moment::Asks(..) => self.wire.stumbled(&format!("{step:?} of {}", about.id)).await,
            moment => about.has_come_to(&self.host, moment).await,
        }
        self.host.kill();
        self.host.restart();
        match step.wish {
            Wish::Delete => self.over.push(about.id),
            _ => self.live.push(about),
        }
        self.nothing_is_there_twice();
    }

    /// Takes one of this kind out of the live ones: nothing is under way about it, and it is as it is to be.
    async fn one_at_rest(&mut self, kind: Kind) -> Addon {
        let of_kind: Vec<usize> = (0..self.live.len()).filter(|at| self.live[*at].kind == kind).collect();
        let mut addon = match of_kind.as_slice() {
            [] => self.create(kind).await,
            some => {
                let at = self.random.one_of(some);
                self.live.swap_remove(at)
            }
        };
        addon.is_well(&self.host).await;
        self.tally.holds("an_addon_is_as_it_was_asked_for_with_its_data", true, String::new);
        addon
    }

    /// Some other addon is to be something else, or to go.
    async fn wish_by_chance(&mut self, but: Option<&Addon>, wishes: &[Wish]) {
        let is_one_of_few = self.live.len() + usize::from(but.is_some()) < ADDONS_MAX / 2;
        if self.live.is_empty() || is_one_of_few {
            return;
        }
        let at = self.random.below(self.live.len());
        let mut addon = self.live.swap_remove(at);
        addon.is_well(&self.host).await;
        let possible: Vec<Wish> = wishes.iter().copied().filter(|wish| addon.kind.has(*wish)).collect();
        let wish = self.random.one_of(&possible);
        addon.wish(&self.host, wish, &mut self.random).await;
        match wish {
            Wish::Delete => self.over.push(addon.id),
            _ => self.live.push(addon),
        }
    }

    async fn create(&mut self, kind: Kind) -> Addon {
        self.made += 1;
        let (addon, server) = Addon::create(&self.host, kind, &format!("a{}", self.made)).await;
        self.servers.extend(server);
        addon
    }

    /// Every addon that there is or was, but this one.
    fn all_but(&self, one: Option<&Addon>) -> Vec<String> {
        let live = self.live.iter().map(|addon| &addon.id);
        let all = live.chain(&self.over).chain(&self.servers);
        all.filter(|id| one.is_none_or(|one| one.id != **id)).cloned().collect()
    }

    /// No addon has two containers for one thing.
    fn nothing_is_there_twice(&mut self) {
        let mut all: Vec<(String, String)> = vec![];
        let format = "{{.Label \"larder.addon\"}} {{.Label \"larder.object\"}} {{.Label \"larder.transfer\"}}";
        for line in self.engine.docker(&["ps", "--all", "--filter", "label=larder.addon", "--format", format]).lines() {
            if let [addon, object] = line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().as_slice() {
                let one = ((*addon).to_owned(), (*object).to_owned());
                assert!(!all.contains(&one), "{one:?} is there twice");
                all.push(one);
            }
        }
        self.tally.holds("nothing_is_there_twice", true, String::new);
    }

    /// All comes to rest, and goes; the last server last, and at this moment of that the host is killed.
    async fn clear(&mut self, step: Option<Step>) {
        for addon in &mut self.live {
            addon.is_well(&self.host).await;
            self.tally.holds("an_addon_is_as_it_was_asked_for_with_its_data", true, String::new);
        }
        let last = self.one_at_rest(Kind::Own).await;
        let described = self.engine.describe(&self.engine.containers(&last.id)[0]);
        let installation = described["Config"]["Labels"]["larder.installation"].as_str().unwrap().to_owned();
        let mut live = std::mem::take(&mut self.live);
        for addon in &mut live {
            addon.wish(&self.host, Wish::Delete, &mut self.random).await;
        }
        self.over.extend(live.into_iter().map(|addon| addon.id));
        self.are_over().await;
        // Now that nobody uses them.
        for server in std::mem::take(&mut self.servers) {
            self.host.delete(&format!("/v1/addons/{server}")).await.expect(202);
            self.over.push(server);
        }
        self.are_over().await;
        self.live.push(last);
        let step = step.unwrap_or(Step { kind: Kind::Own, wish: Wish::Delete, moment: Moment::Says("deprovisioned") });
        self.round(step).await;
        self.are_over().await;
        for kind in [&["ps", "--all"][..], &["volume", "ls"], &["network", "ls"]] {
            let filter = format!("label=larder.installation={installation}");
            // The network stays for some seconds when nothing is in it.
            let left = || self.engine.docker(&[kind, &["--quiet", "--filter", &filter]].concat());
            until("nothing to be left", || async { left().is_empty().then_some(()) }).await;
            self.tally.holds("nothing_is_left_of_an_installation", true, String::new);
        }
    }

    /// Waits until nothing is left of what was deleted.
    async fn are_over(&mut self) {
        for id in std::mem::take(&mut self.over) {
            addons::is_over(&self.host, &id).await;
            self.engine.is_rid_of(&id).await;
            self.tally.holds("nothing_is_left_of_an_addon", true, String::new);
        }
    }
}
