//! A user, who works all the time on an app that nobody else works on, and notes what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Host, Random, Tally};

use super::addon::{Addon, Kind, Life};
use super::kill::Fuse;

/// How many addons a user has at once, those that were deleted and are looked at included.
const ADDONS_MAX: usize = 10;
/// How many variables a user sets.
const VARIABLES: usize = 6;
/// How long an answer may take: much longer than it does.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What an answer was.
pub(super) enum Said {
    Yes(Value),
    /// It was refused, with this code.
    No(u16, String),
    /// The host could not tell what became of it.
    Unknown,
    /// It got lost.
    Lost,
}

/// What all users share.
pub(super) struct Office<'a> {
    pub(super) host: &'a Host,
    pub(super) fuse: &'a Fuse,
    pub(super) tally: &'a Mutex<Tally>,
}

impl Office<'_> {
    /// Asks for something, and counts it.
    pub(super) async fn ask(&self, request: RequestBuilder) -> Said {
        let Ok(response) = request.timeout(ANSWER_MAX).send().await else { return self.lost() };
        let status = response.status().as_u16();
        let Ok(text) = response.text().await else { return self.lost() };
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = match status {
            200..300 => Said::Yes(body),
            400..500 => Said::No(status, body["code"].as_str().unwrap_or_default().to_owned()),
            _ => Said::Unknown,
        };
        let what = match said {
            Said::Yes(_) => "acknowledged",
            Said::No(..) => "refused",
            _ => "unknown",
        };
        self.tally().count(what, 1);
        self.fuse.burn();
        said
    }

    fn lost(&self) -> Said {
        self.tally().count("lost", 1);
        Said::Lost
    }

    pub(super) fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap()
    }

    /// Something was refused for another reason than those that a user has to reckon with.
    fn only_for(&self, what: &str, said: &Said, codes: &[&str]) {
        if let Said::No(status, code) = said {
            let is_known = codes.contains(&code.as_str());
            self.tally().holds("refusals_have_their_reasons", is_known, || format!("{what}: {status} {code}"));
        }
    }
}

/// One of them.
pub(super) struct User {
    pub(super) app: String,
    random: Random,
    pub(super) addons: Vec<Addon>,
    /// Addons that are gone and cleaned up.
    pub(super) over: Vec<String>,
    /// What each variable may be.
    pub(super) variables: BTreeMap<String, BTreeSet<Option<String>>>,
    made: u64,
}

impl User {
    pub(super) fn new(app: String, random: Random) -> Self {
        let variables = (0..VARIABLES).map(|number| (format!("OWN_{number}"), BTreeSet::from([None]))).collect();
        Self { app, random, addons: vec![], over: vec![], variables, made: 0 }
    }

    /// Works until the host is gone.
    pub(super) async fn work(&mut self, office: &Office<'_>) {
        while !office.fuse.is_over() {
            let is_lost = match self.random.below(20) {
                0..6 => self.set(office).await,
                6..10 => self.create(office).await,
                10 => self.delete(office).await,
                11 => self.undelete(office).await,
                12 | 13 => self.rotate(office).await,
                14 => self.resize(office).await,
                15 => self.again(office).await,
                16 | 17 => self.refused(office).await,
                _ => self.read(office).await,
            };
            if is_lost == Some(Lost) {
                return;
            }
        }
    }

    fn config(&self, office: &Office<'_>, values: &Value) -> RequestBuilder {
        office.host.request(Method::PATCH, &format!("/v1/apps/{}/config", self.app)).json(values)
    }

    /// Sets some variables, and unsets one.
    async fn set(&mut self, office: &Office<'_>) -> Option<Lost> {
        self.made += 1;
        let mut wanted: BTreeMap<String, Option<String>> = BTreeMap::new();
        for _ in 0..=self.random.below(3) {
            let value = (!self.random.one_in(4)).then(|| format!("{}-{}", self.made, self.random.word(8)));
            wanted.insert(format!("OWN_{}", self.random.below(VARIABLES)), value);
        }
        let said = office.ask(self.config(office, &json!(wanted))).await;
        office.only_for("a variable", &said, &[]);
        for (name, value) in wanted {
            let may = self.variables.get_mut(&name).unwrap();
            if matches!(said, Said::Yes(_)) {
                may.clear();
            }
            if !matches!(said, Said::No(..)) {
                may.insert(value);
            }
        }
        lost(&said)
    }

    pub(super) fn post(&self, office: &Office<'_>, addon: &Addon) -> RequestBuilder {
        let request = office.host.request(Method::POST, &format!("/v1/apps/{}/addons", self.app));
        request.header("idempotency-key", &addon.key).json(&addon.body)
    }

    async fn create(&mut self, office: &Office<'_>) -> Option<Lost> {
        if self.addons.len() >= ADDONS_MAX {
            return self.read(office).await;
        }
        self.made += 1;
        let kind = self.random.one_of(&[Kind::Secret, Kind::Store]);
        let key = format!("{}-{}", self.app, self.made);
        let mut addon = Addon::new(kind, format!("a-{}", self.made), 16 + self.random.below(200) as u64, key);
        let said = office.ask(self.post(office, &addon)).await;
        office.only_for("a new addon", &said, &[]);
        match &said {
            Said::Yes(made) => {
                addon.id = made["id"].as_str().map(str::to_owned);
                addon.is(Life::Live);
            }
            Said::Lost | Said::Unknown => addon.may_be(&[Life::Live]),
            Said::No(..) => {}
        }
        self.addons.push(addon);
        lost(&said)
    }

    /// One of the addons that are known to be this.
    fn one(&mut self, life: Life) -> Option<usize> {
        let of: Vec<usize> = (0..self.addons.len()).filter(|at| self.addons[*at].life() == Some(life)).collect();
        (!of.is_empty()).then(|| self.random.one_of(&of))
    }

    fn about(&self, office: &Office<'_>, method: Method, at: usize, rest: &str) -> RequestBuilder {
        let id = self.addons[at].id.as_deref().unwrap();
        office.host.request(method, &format!("/v1/addons/{id}{rest}"))
    }

    async fn delete(&mut self, office: &Office<'_>) -> Option<Lost> {
        let life = if self.random.one_in(3) { Life::Kept } else { Life::Live };
        let at = self.one(life)?;
        let is_now = life == Life::Kept || self.random.one_in(2);
        let said = office.ask(self.about(office, Method::DELETE, at, if is_now { "?now=true" } else { "" })).await;
        office.only_for("a deletion", &said, &[]);
        let addon = &mut self.addons[at];
        match &said {
            Said::Yes(addon_now) if addon_now["kept_until"].is_string() => addon.is(Life::Kept),
            Said::Yes(_) => addon.is(Life::Gone),
            // Only one that was ready is kept.
            Said::Lost | Said::Unknown if is_now => addon.may_be(&[Life::Gone]),
            Said::Lost | Said::Unknown => addon.may_be(&[Life::Kept, Life::Gone]),
            Said::No(..) => return None,
        }
        addon.ended();
        lost(&said)
    }

    async fn undelete(&mut self, office: &Office<'_>) -> Option<Lost> {
        let at = self.one(Life::Kept)?;
        let said = office.ask(self.about(office, Method::POST, at, "/undelete")).await;
        office.only_for("having back", &said, &[]);
        match &said {
            Said::Yes(_) => self.addons[at].is(Life::Live),
            Said::Lost | Said::Unknown => self.addons[at].may_be(&[Life::Live]),
            Said::No(..) => {}
        }
        lost(&said)
    }

    async fn rotate(&mut self, office: &Office<'_>) -> Option<Lost> {
        let at = self.one(Life::Live)?;
        let body = json!({ "overlap_s": 0 });
        let said = office.ask(self.about(office, Method::POST, at, "/rotate").json(&body)).await;
        office.only_for("a rotation", &said, &["operation_in_progress", "not_ready"]);
        if !matches!(said, Said::No(..)) {
            self.addons[at].rotated(matches!(said, Said::Yes(_)));
        }
        lost(&said)
    }

    async fn resize(&mut self, office: &Office<'_>) -> Option<Lost> {
        let at = self.one(Life::Live)?;
        let size = 16 + self.random.below(200) as u64;
        let body = json!({ "parameters": { (self.addons[at].kind.parameter()): size } });
        let said = office.ask(self.about(office, Method::PATCH, at, "").json(&body)).await;
        office.only_for("a change", &said, &["operation_in_progress", "not_ready"]);
        if !matches!(said, Said::No(..)) {
            self.addons[at].resized(size, matches!(said, Said::Yes(_)));
        }
        lost(&said)
    }

    /// Sends a request for an addon once more that was answered.
    async fn again(&mut self, office: &Office<'_>) -> Option<Lost> {
        let at = self.one(Life::Live)?;
        let said = office.ask(self.post(office, &self.addons[at])).await;
        office.only_for("the same request", &said, &[]);
        if let Said::Yes(same) = &said {
            let addon = &self.addons[at];
            office.tally().holds("the_same_key_is_the_same_addon", same["id"].as_str() == addon.id.as_deref(), || {
                format!("{} is {:?}, and {same} with the same key", addon.name, addon.id)
            });
        }
        lost(&said)
    }

    /// Asks for something that can't be, half of which could.
    async fn refused(&mut self, office: &Office<'_>) -> Option<Lost> {
        let at = self.one(Life::Live)?;
        self.made += 1;
        let addon = &self.addons[at];
        let is_about_a_name = addon.kind == Kind::Store || self.random.one_in(2);
        let request = if is_about_a_name {
            let body = json!({ "service": "secret", "name": addon.name, "attach_as": format!("refused{}", self.made) });
            office.host.request(Method::POST, &format!("/v1/apps/{}/addons", self.app)).json(&body)
        } else {
            let owned = format!("{}_SECRET_KEY", addon.name.replace('-', "_").to_ascii_uppercase());
            self.config(office, &json!({ "OWN_NEVER": "refused", (owned): "mine" }))
        };
        let said = office.ask(request).await;
        office
            .tally()
            .holds("what_can_not_be_is_refused", !matches!(said, Said::Yes(_)), || format!("about {}", addon.name));
        lost(&said)
    }

    /// Looks at what a ready addon gives.
    async fn read(&mut self, office: &Office<'_>) -> Option<Lost> {
        let at = self.one(Life::Live)?;
        let mut seen = vec![];
        for rest in ["", "/config", ""] {
            match office.ask(self.about(office, Method::GET, at, rest)).await {
                Said::Yes(body) => seen.push(body),
                said => return lost(&said),
            }
        }
        let [before, config, after] = <[Value; 3]>::try_from(seen).unwrap();
        let is_still = |seen: &Value| seen["state"] == "ready" && seen["operation"]["state"] != "running";
        if before["updated_at"] == after["updated_at"] && is_still(&before) && is_still(&after) {
            let password = password_in(&config);
            self.addons[at].has_password(&after, &password, &mut office.tally());
        }
        None
    }
}

/// An answer got lost, and the host with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lost;

fn lost(said: &Said) -> Option<Lost> {
    matches!(said, Said::Lost).then_some(Lost)
}

pub(super) fn password_in(config: &Value) -> String {
    let pairs = config["credentials"].as_array().into_iter().flatten();
    let password = pairs.into_iter().find(|pair| pair["key"] == "password").and_then(|pair| pair["value"].as_str());
    password.unwrap_or_default().to_owned()
}
