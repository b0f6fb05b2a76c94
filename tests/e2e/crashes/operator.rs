//! An operator, who grants and makes apps meanwhile, and notes what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Host, Random, Tally};

use super::user::{Office, Said};

/// How many apps there are to be made and deleted.
const APPS: usize = 6;

pub(super) struct Operator {
    random: Random,
    /// What the provider is always granted.
    broker: String,
    /// What it may be granted beside.
    grants: BTreeSet<Option<String>>,
    /// Whether each app may be there.
    apps: BTreeMap<String, BTreeSet<bool>>,
    made: u64,
}

impl Operator {
    pub(super) fn new(random: Random, broker: &str) -> Self {
        let apps = (0..APPS).map(|number| (format!("app-{number}"), BTreeSet::from([false]))).collect();
        Self { random, broker: broker.to_owned(), grants: BTreeSet::from([None]), apps, made: 0 }
    }

    /// Works until the host is gone.
    pub(super) async fn work(&mut self, office: &Office<'_>) {
        while !office.fuse.is_over() {
            let said = if self.random.one_in(2) { self.grant(office).await } else { self.app(office).await };
            if matches!(said, Said::Lost) {
                return;
            }
        }
    }

    async fn grant(&mut self, office: &Office<'_>) -> Said {
        let Ok(seen) = office.host.request(Method::GET, "/v1/providers/http").send().await else { return Said::Lost };
        let Some(etag) = seen.headers().get("etag").cloned() else { return Said::Unknown };
        self.made += 1;
        let value = (!self.random.one_in(4)).then(|| format!("https://g{}.example.com", self.made));
        let values = [Some(&self.broker), value.as_ref()].into_iter().flatten();
        let grants: Vec<Value> = values.map(|value| json!({ "capability": "network", "value": value })).collect();
        let request = office.host.request(Method::PUT, "/v1/providers/http/grants").header("if-match", etag);
        let said = office.ask(request.json(&json!({ "grants": grants }))).await;
        note(&mut self.grants, value, &said);
        said
    }

    async fn app(&mut self, office: &Office<'_>) -> Said {
        let name = format!("app-{}", self.random.below(APPS));
        let is_wanted = self.random.one_in(2);
        let path = format!("/v1/apps/{name}");
        let request = match is_wanted {
            true => office.host.request(Method::PUT, &path).json(&json!({})),
            false => office.host.request(Method::DELETE, &path),
        };
        let said = office.ask(request).await;
        let may = self.apps.get_mut(&name).unwrap();
        match &said {
            // It was not there to be deleted.
            Said::No(404, _) => *may = BTreeSet::from([false]),
            said => note(may, is_wanted, said),
        }
        said
    }

    /// Looks right after a crash whether all is as it was left.
    pub(super) async fn look(&mut self, host: &Host, tally: &mut Tally) {
        let provider = host.get("/v1/providers/http").await.expect(200);
        let values = provider["grants"].as_array().unwrap().iter().filter_map(|grant| grant["value"].as_str());
        let beside: Vec<&str> = values.filter(|value| *value != self.broker).collect();
        let grant = beside.first().map(|value| (*value).to_owned());
        tally.holds("acknowledged_grants_are_there", beside.len() <= 1 && self.grants.contains(&grant), || {
            format!("{:?} may be granted, and {beside:?} are", self.grants)
        });
        self.grants = BTreeSet::from([grant]);
        for (name, may) in &mut self.apps {
            let is_there = host.get(&format!("/v1/apps/{name}")).await.status == 200;
            tally.holds("acknowledged_apps_are_there", may.contains(&is_there), || format!("{name}: {is_there}"));
            *may = BTreeSet::from([is_there]);
        }
    }
}

/// What may be so now that this was said of it.
fn note<T: Ord>(may: &mut BTreeSet<T>, value: T, said: &Said) {
    match said {
        Said::Yes(_) => *may = BTreeSet::from([value]),
        Said::No(..) => {}
        Said::Unknown | Said::Lost => drop(may.insert(value)),
    }
}
