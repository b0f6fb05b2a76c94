//! Desired and actual, and what follows.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::cli::apply::wanted::{INDEPENDENT, Section};

fn wanted(name: &str, service: &str) -> WantedAddon {
    let (name, service) = (name.to_owned(), service.to_owned());
    WantedAddon { line: 7, name, service, provision_type: INDEPENDENT.to_owned(), ..WantedAddon::default() }
}

fn sharing(name: &str, service: &str, experiment: &str) -> WantedAddon {
    let shared_experiment = Some(experiment.to_owned());
    WantedAddon { provision_type: SHARED.to_owned(), shared_experiment, ..wanted(name, service) }
}

fn there(id: &str, name: &str, service: &str) -> Addon {
    Addon {
        id: id.to_owned(),
        name: name.to_owned(),
        service: service.to_owned(),
        plan: "small".to_owned(),
        provider: "p".to_owned(),
        provision_type: INDEPENDENT.to_owned(),
        ..Addon::default()
    }
}

fn target(app: &str, addons: Vec<WantedAddon>, variables: &[(&str, &str)]) -> Target {
    let variable =
        |(name, value): &(&str, &str)| Variable { line: 3, name: (*name).to_owned(), value: (*value).to_owned() };
    Target { app: app.to_owned(), section: Section { variables: variables.iter().map(variable).collect(), addons } }
}

/// An app's name, its addons, its own variables.
type App<'a> = (&'a str, Vec<Addon>, &'a [(&'a str, &'a str)]);

fn actual(apps: Vec<App<'_>>) -> Actual {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let state = |addons, variables: &[(&str, &str)]| AppState {
        addons,
        variables: variables.iter().map(text).collect(),
        of_addons: BTreeMap::from([("REDIS_URL".to_owned(), "1".to_owned())]),
    };
    apps.into_iter().map(|(app, addons, variables)| (app.to_owned(), state(addons, variables))).collect()
}

fn planned(targets: &[Target], actual: &Actual, prune: bool) -> std::result::Result<Plan, (String, String)> {
    let mut mistakes = Mistakes::default();
    let plan = plan(targets, actual, prune, &mut mistakes);
    mistakes.or("f.yml", plan).map_err(|failure| (failure.code, failure.detail))
}

#[track_caller]
fn check_refused(wanted: WantedAddon, there: Addon, detail: &str) {
    let (targets, actual) = ([target("web", vec![wanted], &[])], actual(vec![("web", vec![there], &[])]));
    let refused = planned(&targets, &actual, false).unwrap_err();
    assert_eq!(refused, ("addon_differs".to_owned(), format!("f.yml:7: the addon web/redis {detail}")));
}

#[test]
fn what_is_missing_is_created() {
    let targets = [target("web", vec![wanted("redis", "redis")], &[("A", "1")])];
    let plan = planned(&targets, &Actual::new(), false).unwrap();
    let app = &plan.apps[0];
    assert_eq!((app.is_new, app.create.len(), app.set.len()), (true, 1, 1));
}

#[test]
fn what_is_as_wanted_stays() {
    let targets = [target("web", vec![wanted("redis", "redis")], &[("A", "1"), ("B", "2")])];
    let actual = actual(vec![(
        "web",
        vec![there("1", "redis", "redis"), there("2", "old", "redis")],
        &[("A", "1"), ("B", "x"), ("C", "3")],
    )]);
    let plan = planned(&targets, &actual, false).unwrap();
    let app = &plan.apps[0];
    assert!(!app.is_new && app.create.is_empty() && app.delete.is_empty());
    assert_eq!((app.unchanged.len(), app.left[0].id.as_str()), (1, "2"));
    assert_eq!(
        (app.set[0].name.as_str(), app.set.len(), app.set_already.as_slice()),
        ("B", 1, ["A".to_owned()].as_slice())
    );
    let pruned = planned(&targets, &actual, true).unwrap();
    assert_eq!((pruned.apps[0].left.len(), pruned.apps[0].delete[0].id.as_str()), (0, "2"));
}

#[test]
fn what_can_not_be_changed_is_named_and_no_value_of_a_parameter_is() {
    let redis = || wanted("redis", "redis");
    let is = || there("1", "redis", "redis");
    check_refused(wanted("redis", "valkey"), is(), "has the service redis, and the file says valkey");
    let provider = Some("q".to_owned());
    check_refused(WantedAddon { provider, ..redis() }, is(), "has the provider p, and the file says q");
    let provision_type = "communal".to_owned();
    check_refused(
        WantedAddon { provision_type, ..redis() },
        is(),
        "has the provision_type independent, and the file says communal",
    );
    check_refused(
        redis(),
        Addon { attach_as: Some("BLUE".into()), ..is() },
        "has the attach_as BLUE, and the file says none",
    );
}

#[test]
fn an_engine_that_is_another_than_the_file_says_is_named() {
    let (line, wish) = (8, "near".parse().unwrap());
    let engine = Some(WantedEngine { line, wish, fitting: Vec::new() });
    let wanted = || WantedAddon { engine: engine.clone(), ..wanted("redis", "redis") };
    let on = |engine: &str| Addon { engine: Some(engine.into()), ..there("1", "redis", "redis") };
    check_refused(wanted(), on("far"), "is on the engine far for good, and the file says near");
    check_refused(wanted(), there("1", "redis", "redis"), "is on no engine, and the file says near");
    assert_eq!(changed(wanted(), on("near")), None);
}

/// What is to be changed of an addon, in one line, and the request.
fn changed(wanted: WantedAddon, there: Addon) -> Option<(String, serde_json::Value)> {
    let (targets, actual) = ([target("web", vec![wanted], &[])], actual(vec![("web", vec![there], &[])]));
    let plan = planned(&targets, &actual, false).unwrap();
    let [app] = &plan.apps[..] else { panic!("{plan:?}") };
    assert_eq!(app.update.len() + app.unchanged.len(), 1);
    let told = |update: &Update| update.changes.iter().map(update::Changed::text).collect::<Vec<_>>().join(", ");
    app.update.first().map(|update| (told(update), update.body()))
}

#[test]
fn what_can_be_changed_is_and_no_value_of_a_parameter_is_told() {
    let redis = || wanted("redis", "redis");
    let is = || there("1", "redis", "redis");
    let plan = |name: &str| Some(name.to_owned());
    assert_eq!(changed(WantedAddon { plan: plan("small"), ..redis() }, is()), None);
    let larger = changed(WantedAddon { plan: plan("large"), ..redis() }, is());
    assert_eq!(larger, Some(("plan small -> large".into(), json!({"plan": "large"}))));
    let parameters = |value: serde_json::Value| value.as_object().unwrap().clone();
    let new = parameters(json!({"a": 1, "password": "hunter2", "same": [1]}));
    let old = parameters(json!({"gone": "hunter1", "password": "hunter1", "same": [1]}));
    let other = changed(WantedAddon { parameters: new.clone(), ..redis() }, Addon { parameters: old, ..is() });
    let told = "parameters.a, parameters.password, parameters.gone".to_owned();
    assert_eq!(other, Some((told, json!({"parameters": new}))));
    // Of what the file doesn't say, nothing is known but that it may stay.
    assert_eq!(changed(redis(), Addon { protected: true, ..is() }), None);
    let free = changed(WantedAddon { protected: Some(false), ..redis() }, Addon { protected: true, ..is() });
    assert_eq!(free, Some(("protected true -> false".into(), json!({"protected": false}))));
    let both = changed(WantedAddon { protected: Some(true), plan: plan("large"), ..redis() }, is()).unwrap();
    assert_eq!(both.1, json!({"protected": true, "plan": "large"}));
}

#[test]
fn a_shared_addon_needs_an_owner() {
    let share = || vec![sharing("db", "postgres", "main")];
    let no = |targets: &[Target], actual: &Actual| planned(targets, actual, false).unwrap_err();
    let blue = target("web.blue", share(), &[]);
    let (code, detail) = no(std::slice::from_ref(&blue), &Actual::new());
    assert_eq!(code, "unknown_owner");
    assert_eq!(detail, "f.yml:7: there is no addon db in web.main that could be shared");
    let of_mysql = actual(vec![("web.main", vec![there("1", "db", "mysql")], &[])]);
    let (code, detail) = no(std::slice::from_ref(&blue), &of_mysql);
    assert_eq!(code, "invalid_share");
    assert_eq!(detail, "f.yml:7: the addon db in web.main is of the service mysql, not postgres");
    // With itself, and with what is itself only planned to share.
    assert_eq!(no(&[target("web.main", share(), &[])], &Actual::new()).0, "unknown_owner");
    let chain = [blue.clone(), target("web.main", vec![sharing("db", "postgres", "blue")], &[])];
    assert_eq!(no(&chain, &Actual::new()).0, "unknown_owner");
    let both = [blue, target("web.main", vec![wanted("db", "postgres")], &[])];
    assert_eq!(planned(&both, &Actual::new(), false).unwrap().apps[0].create.len(), 1);
}

#[test]
fn sharing_with_somebody_else_is_a_difference() {
    let targets = [target("web.blue", vec![sharing("db", "postgres", "main")], &[])];
    let shares = |parent: &str| Addon {
        provision_type: SHARED.into(),
        parent: Some(parent.into()),
        ..there("2", "db", "postgres")
    };
    let with = |owner: Addon, parent: &str| {
        actual(vec![("web.main", vec![owner], &[]), ("web.blue", vec![shares(parent)], &[])])
    };
    let owner = || there("1", "db", "postgres");
    assert_eq!(planned(&targets, &with(owner(), "1"), false).unwrap().apps[0].unchanged.len(), 1);
    assert_eq!(planned(&targets, &with(owner(), "9"), false).unwrap_err().0, "addon_differs");
    let large = WantedAddon { plan: Some("large".into()), ..sharing("db", "postgres", "main") };
    let (code, detail) = planned(&[target("web.blue", vec![large], &[])], &with(owner(), "1"), false).unwrap_err();
    assert_eq!(code, "addon_differs");
    assert!(detail.ends_with("has its owner's plan small, and the file says large"), "{detail}");
    // What is shared itself is shared with the same owner.
    let chained = Addon { provision_type: SHARED.into(), parent: Some("0".into()), ..owner() };
    assert!(planned(&targets, &with(chained, "0"), false).is_ok());
}

#[test]
fn a_variable_of_an_addon_is_not_set() {
    let targets = [target("web", vec![], &[("REDIS_URL", "x")])];
    let actual = actual(vec![("web", vec![there("1", "redis", "redis")], &[])]);
    let (code, detail) = planned(&targets, &actual, false).unwrap_err();
    assert_eq!(code, "variable_owned_by_addon");
    assert_eq!(detail, "f.yml:3: the variable REDIS_URL of web is set by the addon 1");
    assert_eq!(planned(&targets, &actual, true).unwrap().apps[0].set.len(), 1);
}

#[test]
fn what_is_pruned_is_neither_protected_nor_shared_by_the_same_file() {
    let main = |addon| vec![("web.main", vec![addon], [].as_slice())];
    let targets = [target("web.main", vec![], &[]), target("web.blue", vec![sharing("db", "postgres", "main")], &[])];
    let owner = || there("1", "db", "postgres");
    assert!(planned(&targets, &actual(main(owner())), false).is_ok());
    assert_eq!(planned(&targets, &actual(main(owner())), true).unwrap_err().0, "unknown_owner");
    let protected = actual(main(Addon { protected: true, ..owner() }));
    let (code, detail) = planned(&targets[..1], &protected, true).unwrap_err();
    assert_eq!(code, "protected");
    assert_eq!(detail, "f.yml: the addon web.main/db is to be pruned, and is protected");
}
