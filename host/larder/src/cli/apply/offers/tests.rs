//! What the catalog doesn't have, or not so.

use serde_json::json;

use super::*;
use crate::cli::apply::wanted::InitialData;
use crate::cli::model;

fn catalog() -> Vec<Service> {
    let open = json!({"type": "object"});
    let closed = json!({"type": "object", "additionalProperties": false,
        "properties": {"size": {"type": "integer", "maximum": 9}, "mode": {"type": "string"}}});
    let service = |provider: &str, name: &str, schema: &Value| {
        json!({"name": name, "provider": provider, "provision_types": ["independent", "communal"],
            "variables": ["REDIS_URL"], "exports": ["update"],
            "plans": [{"name": "small", "parameters": schema}, {"name": "large"}]})
    };
    let any = json!({"name": "any", "provider": "p", "provision_types": ["independent"], "variables": "any",
        "exports": ["transfer"], "plans": [{"name": "default", "parameters": open}]});
    let services = [service("p", "redis", &closed), service("p", "cache", &open), service("q", "cache", &open), any];
    services.iter().map(|service| model::read(service).unwrap()).collect()
}

fn wanted(name: &str, service: &str) -> WantedAddon {
    let (name, service, provision_type) = (name.to_owned(), service.to_owned(), "independent".to_owned());
    WantedAddon { line: 7, name, service, provision_type, ..WantedAddon::default() }
}

fn with_parameters(parameters: &Value) -> WantedAddon {
    let parameters = parameters.as_object().unwrap().clone();
    let parameter_lines = parameters.keys().enumerate().map(|(n, name)| (name.clone(), 20 + n)).collect();
    WantedAddon { parameters, parameter_lines, ..wanted("db", "redis") }
}

fn checked(app: AppPlan, is_labtest: bool) -> std::result::Result<(), (String, String)> {
    let mut mistakes = Mistakes::default();
    check(&Plan { apps: vec![app] }, &catalog(), is_labtest, &mut mistakes);
    mistakes.or("f.yml", ()).map_err(|failure| (failure.code, failure.detail))
}

#[track_caller]
fn check_refused(addon: WantedAddon, code: &str, detail: &str) {
    let refused = checked(AppPlan { create: vec![addon], ..AppPlan::default() }, false).unwrap_err();
    assert_eq!(refused, (code.to_owned(), detail.to_owned()));
}

#[test]
fn what_nobody_offers_is_told_with_what_there_is() {
    let by = |provider: &str, service: &str| WantedAddon { provider: Some(provider.into()), ..wanted("db", service) };
    check_refused(
        wanted("db", "rediss"),
        "unknown_service",
        "f.yml:7: no provider offers the service rediss; there are any, cache, redis",
    );
    check_refused(
        by("r", "redis"),
        "unknown_provider",
        "f.yml:7: there is no provider r with an active version; there are p, q",
    );
    check_refused(
        by("q", "redis"),
        "unknown_service",
        "f.yml:7: the provider q offers no service redis; it offers cache",
    );
    check_refused(wanted("db", "cache"), "ambiguous_service", "f.yml:7: the service cache is offered by p, q");
    check_refused(
        WantedAddon { plan: Some("huge".into()), ..wanted("db", "redis") },
        "unknown_plan",
        "f.yml:7: the service redis has no plan huge; it has small, large",
    );
    check_refused(
        WantedAddon { provision_type: "shared".into(), ..wanted("db", "redis") },
        "provision_type_not_offered",
        "f.yml:7: the service redis is not offered as shared, only as independent, communal",
    );
    assert_eq!(checked(AppPlan { create: vec![by("q", "cache")], ..AppPlan::default() }, false), Ok(()));
}

#[test]
fn parameters_are_held_against_the_schema() {
    check_refused(
        with_parameters(&json!({"mode": "x", "sizes": 3})),
        "invalid_parameters",
        "f.yml:21: the service redis has no parameter `sizes`; it has mode, size",
    );
    let labtest = AppPlan { create: vec![with_parameters(&json!({"imge": "x"}))], ..AppPlan::default() };
    let (code, detail) = checked(labtest, true).unwrap_err();
    assert_eq!(code, "invalid_file");
    assert_eq!(
        detail,
        "f.yml:20: unknown key `imge` in the service `db`; there are provider, service, plan, provision_type, \
         shared_experiment_name, shared_instance_name, shared_app_name, attach_as, engine, initial_data_source, mode, size"
    );
    let wrong =
        AppPlan { create: vec![with_parameters(&json!({"mode": "x", "size": "hunter2"}))], ..AppPlan::default() };
    let (code, detail) = checked(wrong, false).unwrap_err();
    assert!(
        code == "invalid_parameters" && detail.starts_with("f.yml:21: the parameter /size of the addon `db`: "),
        "{detail}"
    );
    assert!(detail.contains("integer") && !detail.contains("hunter2"), "{detail}");
    let large =
        WantedAddon { parameters: json!({"x": "x".repeat(70_000)}).as_object().unwrap().clone(), ..wanted("a", "any") };
    assert!(
        checked(AppPlan { create: vec![large], ..AppPlan::default() }, false).unwrap_err().1.contains("at most 65536")
    );
    assert_eq!(
        checked(AppPlan { create: vec![with_parameters(&json!({"size": 9}))], ..AppPlan::default() }, false),
        Ok(())
    );
}

#[test]
fn two_that_set_the_same_variable_collide() {
    let two = |prefix: Option<&str>| {
        let second = WantedAddon { line: 9, attach_as: prefix.map(str::to_owned), ..wanted("b", "redis") };
        AppPlan { create: vec![wanted("a", "redis"), second], ..AppPlan::default() }
    };
    let (code, detail) = checked(two(None), false).unwrap_err();
    assert_eq!(code, "variable_taken");
    assert_eq!(detail, "f.yml:9: the addon `b` sets REDIS_URL, which the addon `a` has already");
    assert_eq!(checked(two(Some("BLUE")), false), Ok(()));
    let own = AppPlan { held: HashMap::from([("BLUE_REDIS_URL".to_owned(), None)]), ..two(Some("BLUE")) };
    assert_eq!(
        checked(own, false).unwrap_err().1,
        "f.yml:9: the addon `b` sets BLUE_REDIS_URL, which the app itself has already"
    );
    let older = crate::cli::model::Addon {
        name: "c".into(),
        service: "redis".into(),
        provider: "p".into(),
        ..Default::default()
    };
    let older = AppPlan { left: vec![older], create: vec![wanted("a", "redis")], ..AppPlan::default() };
    assert!(checked(older, false).unwrap_err().1.ends_with("which the addon `c` has already"));
}

/// What is said of an addon that is there and is to be as wanted.
fn updated(wanted: WantedAddon, provider: &str) -> std::result::Result<(), (String, String)> {
    let (name, service) = (wanted.name.clone(), wanted.service.clone());
    let (provider, plan, id) = (provider.to_owned(), "small".to_owned(), "1".to_owned());
    let addon = model::Addon { id, name, service, provider, plan, ..model::Addon::default() };
    let update = vec![Update::of(&wanted, &addon).unwrap()];
    checked(AppPlan { app: "web".to_owned(), update, ..AppPlan::default() }, false)
}

#[test]
fn what_is_updated_is_checked_as_what_is_new() {
    assert_eq!(updated(with_parameters(&json!({"size": 9})), "p"), Ok(()));
    let (code, detail) = updated(with_parameters(&json!({"size": 10})), "p").unwrap_err();
    assert!(code == "invalid_parameters" && detail.starts_with("f.yml:20: the parameter /size"), "{detail}");
    let large = |service| WantedAddon { plan: Some("large".into()), ..wanted("db", service) };
    assert_eq!(updated(large("redis"), "p"), Ok(()));
    let huge = WantedAddon { plan: Some("huge".into()), ..wanted("db", "redis") };
    assert_eq!(updated(huge, "p").unwrap_err().0, "unknown_plan");
    // Its provider is who it is, also if others offer the service.
    for (service, provider) in [("any", "p"), ("redis", "q")] {
        let (code, detail) = updated(large(service), provider).unwrap_err();
        assert_eq!(code, "addon_differs");
        let why = format!("its provider {provider} can't update it");
        assert_eq!(detail, format!("f.yml:7: the addon web/db differs in plan, and {why}"));
    }
    // It is protected without its provider.
    assert_eq!(updated(WantedAddon { protected: Some(true), ..wanted("db", "any") }, "p"), Ok(()));
}

#[test]
fn data_need_a_provider_that_can_load_them() {
    let with_data = |service| {
        let initial_data = Some(InitialData { line: 9, source: "x".into(), file: None });
        AppPlan { create: vec![WantedAddon { initial_data, ..wanted("db", service) }], ..AppPlan::default() }
    };
    assert_eq!(checked(with_data("any"), false), Ok(()));
    let (code, detail) = checked(with_data("redis"), false).unwrap_err();
    assert_eq!(code, "not_supported");
    assert_eq!(detail, "f.yml:9: the provider p can't load data, and the addon `db` is to have some");
}
