//! What is looked at: right after a crash, and when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::{Answer, Host, Tally};

use super::addon::{Addon, Kind, Life};
use super::ledger::Ledger;
use super::user::{User, password_in};

/// How long it may take until something is at rest: much longer than it does.
const REST_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// So much of a password is looked for, in bytes; as much in hexadecimal.
const NEEDLE: usize = 16;
/// Every state that an addon can have.
const STATES: &str = "waiting_for_provision,provisioned,ready,deprovisioned,error";

impl User {
    /// Right after a crash.
    pub(super) async fn look(&mut self, host: &Host, ledger: &Ledger, tally: &mut Tally) {
        let config = host.get(&format!("/v1/apps/{}/config", self.app)).await.expect(200);
        let is_own = |detail: &&Value| detail["addon"].is_null() && detail["name"] != "LARDER_SERVICES";
        let details = config["details"].as_array().unwrap().iter().filter(is_own);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut own: BTreeMap<String, String> =
            details.map(|detail| (text(&detail["name"]), text(&detail["value"]))).collect();
        for (name, may) in &mut self.variables {
            let value = own.remove(name);
            tally.holds("an_acknowledged_variable_is_as_it_was_left", may.contains(&value), || {
                format!("{name} may be {may:?} and is {value:?}")
            });
            *may = BTreeSet::from([value]);
        }
        tally.holds("nothing_is_there_that_was_refused", own.is_empty(), || format!("{own:?}"));
        for at in 0..self.addons.len() {
            if self.addons[at].id.is_some() || self.addons[at].life() != Some(Life::Absent) {
                self.look_at(at, host, tally).await;
            }
        }
        // Those of which nothing came.
        self.addons.retain(|addon| addon.life() != Some(Life::Absent));
        self.are_over(ledger, tally);
    }

    /// Of those that are gone and cleaned up nothing is left, and nobody works on them any more.
    fn are_over(&mut self, ledger: &Ledger, tally: &mut Tally) {
        for addon in self.addons.extract_if(.., |addon| addon.is_over) {
            let id = addon.id.unwrap();
            tally.holds("nothing_is_left_of_what_is_gone", ledger.forget(&id), || format!("{} {id}", addon.name));
            self.over.push(id);
        }
    }

    async fn look_at(&mut self, at: usize, host: &Host, tally: &mut Tally) {
        if self.addons[at].id.is_none() {
            // As a client does that has no answer: the same once more, and then once more.
            let post = |user: &Self| {
                let request = host.request(Method::POST, &format!("/v1/apps/{}/addons", user.app));
                Answer::of(request.header("idempotency-key", &user.addons[at].key).json(&user.addons[at].body))
            };
            let (first, second) = (post(self).await, post(self).await);
            let addon = &mut self.addons[at];
            tally.holds("the_same_key_is_the_same_addon", first.id() == second.id(), || {
                format!("{}: {} and {}", addon.name, first.text, second.text)
            });
            addon.id = Some(first.id());
            addon.is(Life::Live);
        }
        let addon = &mut self.addons[at];
        let seen = host.get(&format!("/v1/addons/{}", addon.id.as_deref().unwrap())).await;
        addon.is_as_acknowledged((seen.status == 200).then_some(&seen.body), tally);
        addon.is_over = addon.life() == Some(Life::Gone) && is_at_rest(addon, &seen.body);
    }

    /// When nothing is asked for any more: waits until nothing is under way, and looks whether all is as it was asked for.
    pub(super) async fn rest(&mut self, host: &Host, ledger: &Ledger, tally: &mut Tally) {
        for addon in &mut self.addons {
            let id = addon.id.clone().unwrap();
            let deadline = Instant::now() + REST_MAX;
            let (seen, is_at_rest) = loop {
                let seen = host.get(&format!("/v1/addons/{id}")).await.expect(200);
                let is_at_rest = is_at_rest(addon, &seen);
                if is_at_rest || Instant::now() > deadline {
                    break (seen, is_at_rest);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            };
            addon.is_over = addon.life() == Some(Life::Gone);
            if tally.holds("everything_comes_to_rest", is_at_rest, || format!("{}: {seen}", addon.name))
                && addon.life() == Some(Life::Live)
            {
                addon.is_at_rest(&seen, tally);
                let config = host.get(&format!("/v1/addons/{id}/config")).await.expect(200);
                addon.has_password(&seen, &password_in(&config), tally);
                made_once(addon, &seen, &password_in(&config), ledger, tally);
            }
        }
        self.are_over(ledger, tally);
    }

    /// In the end: the app has had the addons that were acknowledged, and no other.
    pub(super) async fn count(&self, host: &Host, tally: &mut Tally) {
        let known: BTreeSet<&String> =
            self.over.iter().chain(self.addons.iter().filter_map(|addon| addon.id.as_ref())).collect();
        let (mut seen, mut after) = (BTreeSet::new(), String::new());
        loop {
            let page =
                host.get(&format!("/v1/apps/{}/addons?state={STATES}&limit=500{after}", self.app)).await.expect(200);
            let ids = page["addons"].as_array().unwrap().iter().filter_map(|addon| addon["id"].as_str());
            seen.extend(ids.map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let is_same = seen.iter().collect::<BTreeSet<_>>() == known;
        tally.holds("there_is_no_addon_but_those_acknowledged", is_same, || {
            format!("{}: {} are known, {} are there", self.app, known.len(), seen.len())
        });
    }
}

fn is_at_rest(addon: &Addon, seen: &Value) -> bool {
    let is_clean = matches!(seen["cleanup"]["state"].as_str(), Some("done" | "none"));
    match addon.life() {
        Some(Life::Live) => seen["state"] == "ready" && seen["operation"]["state"] != "running",
        Some(Life::Gone) => seen["state"] == "deprovisioned" && is_clean,
        _ => seen["state"] == "deprovisioned" && seen["kept_until"].is_string(),
    }
}

/// What a broker has for an addon that is ready is what the addon gives, and was made once.
fn made_once(addon: &Addon, seen: &Value, password: &str, ledger: &Ledger, tally: &mut Tally) {
    if addon.kind != Kind::Store {
        return;
    }
    let (instance, bindings) = ledger.of(seen["id"].as_str().unwrap());
    let is_one = instance.is_there && instance.made == 1;
    tally.holds("what_is_made_is_made_once", is_one, || format!("{}: {instance:?}", addon.name));
    let generation = seen["generation"].as_u64().unwrap();
    // The provider removes what a rotation left that a deletion has ended with the next one.
    let may_be_there = |number: u64| number == generation || addon.was_deleted && number == generation + 1;
    let is_right = |(number, binding): (&u64, &super::ledger::Thing)| !binding.is_there || may_be_there(*number);
    let own = bindings.get(&generation).filter(|binding| binding.is_there);
    tally.holds("there_is_one_login_for_each_addon", own.is_some() && bindings.iter().all(is_right), || {
        format!("{} in generation {generation}: {bindings:?}", addon.name)
    });
    tally.holds("an_app_has_the_login_that_is_there", own.is_some_and(|own| own.password == password), || {
        format!("{} in generation {generation}", addon.name)
    });
    let changed = instance.changed.as_ref().and_then(|changed| changed["size"].as_u64());
    let size = seen["parameters"]["size"].as_u64();
    tally.holds("what_is_changed_is_changed", addon.was_deleted || changed.is_none() || changed == size, || {
        format!("{}: {changed:?} was asked for last, and it has {size:?}", addon.name)
    });
}

/// Looks for passwords in files, and in a text.
pub(super) fn nothing_is_readable(passwords: &HashSet<String>, dir: &Path, text: &str, tally: &mut Tally) {
    let needles: HashSet<Vec<u8>> = passwords
        .iter()
        .flat_map(|password| {
            let plain = password.as_bytes()[..NEEDLE].to_vec();
            let hexadecimal: String = plain[..NEEDLE / 2].iter().map(|byte| format!("{byte:02x}")).collect();
            [plain, hexadecimal.into_bytes()]
        })
        .collect();
    look_in(&needles, "the database", text.as_bytes(), tally);
    for entry in fs::read_dir(dir).unwrap().flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
    {
        // One that is gone by now held nothing.
        let bytes = fs::read(entry.path()).unwrap_or_default();
        look_in(&needles, &entry.file_name().to_string_lossy(), &bytes, tally);
    }
}

fn look_in(needles: &HashSet<Vec<u8>>, what: &str, bytes: &[u8], tally: &mut Tally) {
    let mut run = 0;
    let found = bytes.iter().enumerate().find(|(at, byte)| {
        run = if byte.is_ascii_alphanumeric() { run + 1 } else { 0 };
        run >= NEEDLE && needles.contains(&bytes[at + 1 - NEEDLE..=*at])
    });
    tally.holds("no_password_is_readable", found.is_none(), || format!("one is in {what}"));
}
