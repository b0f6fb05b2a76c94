//! Whole files: what good ones mean, and what is said of bad ones, line and all.

use serde_json::json;

use super::*;
use crate::cli::apply::wanted::{InitialData, WantedAddon};

const APP: Aim<'_> = Aim::App(None);
const BLUE: Aim<'_> = Aim::Experiment { app: "web", experiment: "blue" };

fn read(text: &str, aim: Aim<'_>) -> Result<Vec<Target>> {
    understand(text, "f.yml".to_owned(), Path::new("there"), aim).map(|read| read.targets)
}

#[track_caller]
fn check_refused(text: &str, aim: Aim<'_>, code: &str, detail: &str) {
    let failure = read(text, aim).unwrap_err();
    assert_eq!(failure.detail, detail, "{text}");
    assert_eq!((failure.code.as_str(), failure.kind.exit_code()), (code, 1), "{text}");
    assert!(failure.advice.is_some_and(|advice| advice.contains("nothing was changed")));
}

/// Each app with its variables and the names of its addons.
fn shown(targets: &[Target]) -> Vec<(&str, Vec<String>, Vec<&str>)> {
    let variables =
        |target: &Target| target.section.variables.iter().map(|v| format!("{}={}", v.name, v.value)).collect();
    let show = |target| (variables(target), target);
    let shown = targets.iter().map(show).map(|(variables, target)| {
        (target.app.as_str(), variables, target.section.addons.iter().map(|addon| addon.name.as_str()).collect())
    });
    shown.collect()
}

#[test]
fn the_examples_of_the_documentation_are_taken() {
    let documentation = include_str!("../../../../../../docs/experiments.md");
    let mut examples = documentation.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let (labtest, own) = (examples.next().unwrap(), examples.next().unwrap());
    let blue = read(labtest, BLUE).unwrap();
    assert_eq!(
        shown(&blue),
        [("web.blue", vec!["MODE=fast".into(), "FEATURES=search,export".into()], vec!["cache", "sessions", "db"])]
    );
    let web = read(own, APP).unwrap();
    assert_eq!(web.iter().map(|target| target.app.as_str()).collect::<Vec<_>>(), ["web", "web.blue", "web.green"]);
    assert_eq!(examples.next(), None);
}

#[test]
fn a_labtest_file_becomes_variables_and_addons() {
    let text = "labtest:\n  environment:\n    - URL=http://x/?a=b\n    - EMPTY=\n  services:\n    db:\n      provider: docker\n      \
                service: postgres\n      extensions: [uuid]\n      size: 2\n    queue:\n      provider: nats\n      service: nats\n      \
                provision_type: shared\n      shared_instance_name: main\n      shared_app_name: api\n      attach_as: q\n    \
                mail:\n      provider: docker\n      service: mysql\n      initial_data_source: ./dumps\n";
    let targets = read(text, BLUE).unwrap();
    assert_eq!(shown(&targets)[0].1, ["URL=http://x/?a=b", "EMPTY="]);
    let [db, queue, mail] = &targets[0].section.addons[..] else { panic!("{targets:?}") };
    let expected = json!({"name": "db", "service": "postgres", "provision_type": "independent", "protected": false,
        "parameters": {"extensions": ["uuid"], "size": 2}});
    assert_eq!((db.body(), db.line, db.parameter_lines["size"]), (expected, 6, 10));
    let expected = json!({"name": "queue", "service": "nats", "provider": "nats", "provision_type": "shared", "protected": false,
        "parameters": {}, "shared_experiment_name": "main", "shared_app_name": "api", "attach_as": "Q"});
    assert_eq!((queue.body(), queue.owner_app("web.blue")), (expected, Some("api.main".into())));
    let data = InitialData { line: 21, source: "./dumps".to_owned(), file: None };
    assert_eq!((&mail.initial_data, mail.parameters.len()), (&Some(data), 0));
}

#[test]
fn a_file_of_our_own_has_an_app_and_its_experiments() {
    let text = "app: web\nvariables: {PORT: 8080, MODE: 'fast', RATIO: 1.10}\naddons:\n- service: redis\n- {name: db, service: \
                postgres, plan: small, protected: true, parameters: {a: null}}\nexperiments:\n  blue:\n    addons: [{service: redis}]\n  empty:\n";
    let targets = read(text, APP).unwrap();
    let expected = [
        ("web", vec!["PORT=8080".to_owned(), "MODE=fast".into(), "RATIO=1.10".into()], vec!["redis", "db"]),
        ("web.blue", vec![], vec!["redis"]),
        ("web.empty", vec![], vec![]),
    ];
    assert_eq!(shown(&targets), expected);
    let db: &WantedAddon = &targets[0].section.addons[1];
    assert_eq!(
        (db.plan.as_deref(), db.protected, json!(db.parameters)),
        (Some("small"), Some(true), json!({"a": null}))
    );
    assert_eq!(read(text, Aim::App(Some("api"))).unwrap()[1].app, "api.blue");
    let json = json!({"app": "web", "addons": [{"service": "redis"}]}).to_string();
    assert_eq!(shown(&read(&json, BLUE).unwrap()), [("web.blue", vec![], vec!["redis"])]);
}

#[test]
fn each_mistake_in_a_labtest_file_names_its_line() {
    let service = |lines: &str| format!("labtest:\n  services:\n    db:\n{lines}");
    let no = |text: &str, detail: &str| check_refused(text, BLUE, "invalid_file", detail);
    no(&service("      service: redis\n"), "f.yml:3: the service `db` has no `provider`");
    no(&service("      provider: docker\n"), "f.yml:3: the service `db` has no `service`");
    no(
        &service("      provider: docker\n      service: redis\n      provision_type: independant\n"),
        "f.yml:3: `independant` is no provision type of the addon `db`; there are independent, communal, shared",
    );
    no(
        &service("      provider: docker\n      service: redis\n      provision_type: shared\n"),
        "f.yml:3: the shared addon `db` has no `shared_experiment_name`: whose resource it shares",
    );
    no(
        &service("      provider: docker\n      service: redis\n      shared_app_name: api\n"),
        "f.yml:3: `shared_app_name` goes with the provision type shared, and the addon `db` is independent",
    );
    no(
        &service(
            "      provider: docker\n      service: redis\n      shared_experiment_name: a\n      shared_instance_name: b\n      provision_type: shared\n",
        ),
        "f.yml:7: shared_experiment_name, shared_instance_name mean the same: leave one out",
    );
    no(&service("      - redis\n"), "f.yml:4: the service `db` has to be a map, not a list");
    no(
        &service("      provider: [docker]\n      service: redis\n"),
        "f.yml:4: `provider` has to be a text, not a list",
    );
    no(
        "labtest:\n  enviroment: []\n",
        "f.yml:2: unknown key `enviroment` in `labtest`; there are environment, services",
    );
    no("labtest: {}\nother: 1\n", "f.yml:2: unknown key `other` in the file; there are labtest");
    no("labtest:\n", "f.yml:1: there is nothing below `labtest`; there can be environment, services");
    no(
        "labtest:\n  environment:\n    - A=1\n    - hunter2\n",
        "f.yml:4: an entry of `environment` has to be KEY=VALUE",
    );
    no("labtest:\n  environment: {A: 1}\n", "f.yml:2: `environment` has to be a list of KEY=VALUE, not a map");
    no(
        "labtest:\n  environment:\n    - A=1\n    - A=2\n",
        "f.yml:4: the variable A is here for the second time; the first is in line 3",
    );
    no(
        &service("      provider: docker\n      service: redis\n      initial_data_source: [a]\n"),
        "f.yml:6: `initial_data_source` has to be a text, not a list",
    );
    no(
        &service("      provider: docker\n      service: redis\n      initial_data_source: ''\n"),
        "f.yml:6: `initial_data_source` has to name a file or a directory",
    );
    no(
        &service(
            "      provider: docker\n      service: redis\n      provision_type: shared\n      shared_experiment_name: a\n      initial_data_source: x\n",
        ),
        "f.yml:8: the shared addon `db` has its owner's data, so it can't have `initial_data_source`",
    );
}

#[test]
fn each_mistake_in_our_own_file_names_its_line() {
    let no = |text: &str, detail: &str| check_refused(text, APP, "invalid_file", detail);
    no(
        "app: web\nadons: []\n",
        "f.yml:2: unknown key `adons` in the file; there are app, variables, addons, experiments",
    );
    no("app: web\naddons:\n- name: x\n", "f.yml:3: this addon has no `service`");
    no(
        "app: web\naddons:\n- service: redis\n  plam: x\n",
        "f.yml:4: unknown key `plam` in an addon; there are name, service, provider, plan, provision_type, \
         shared_experiment_name, shared_app_name, attach_as, parameters, protected, engine, initial_data_source",
    );
    no("app: web\naddons: {redis: {}}\n", "f.yml:2: `addons` has to be a list, not a map");
    no("app: web\naddons:\n- service: redis\n  protected: maybe\n", "f.yml:4: `protected` has to be true or false");
    no(
        "app: web\naddons:\n- service: redis\n- service: redis\n",
        "f.yml:4: the addon `redis` is here for the second time; the first is in line 3",
    );
    no("app: web\nvariables:\n  A: ~\n", "f.yml:3: the variable A has no value; write \"\" for an empty one");
    no("app: web\nvariables:\n  A: [x]\n", "f.yml:3: the variable A has to be a text, not a list");
    no("addons: []\n", "f.yml:1: the file names no app: add `app: NAME` where it can have one, or use `--app NAME`");
    no(
        "- app: web\n",
        "f.yml:1: the file has to be a map, not a list\nf.yml:1: the file names no app: add `app: NAME` where it can have one, or use `--app NAME`",
    );
    no(
        "app: web.blue\nexperiments:\n  x:\n",
        "f.yml:1: `web.blue` is an experiment itself, so it can't have `experiments`",
    );
    check_refused("app: api\n", BLUE, "invalid_file", "f.yml:1: the file is for the app `api`, not for `web.blue`");
    check_refused(
        "app: web\nexperiments:\n  blue:\n",
        BLUE,
        "invalid_file",
        "f.yml:3: a file for one experiment has no `experiments`; use `larder apply` for this one",
    );
}

#[test]
fn both_forms_have_a_wish_for_an_engine() {
    let own = |engine: &str| format!("app: web\naddons:\n- service: redis\n  engine: {engine}\n");
    let labtest = |engine: &str| {
        format!("labtest:\n  services:\n    redis: {{provider: docker, service: redis, engine: '{engine}'}}\n")
    };
    for (text, aim) in [(own("zone=a,disk=ssd"), APP), (labtest("zone=a,disk=ssd"), BLUE)] {
        let targets = read(&text, aim).unwrap();
        let [redis] = &targets[0].section.addons[..] else { panic!("{targets:?}") };
        assert_eq!((&redis.body()["engine"], redis.parameters.len()), (&json!("disk=ssd,zone=a"), 0));
    }
    let wrong = "an engine is its name, or labels like disk=ssd,zone=a: \"A B\" is not an engine's name: use ";
    for (text, aim, line) in [(own("A B"), APP, 4), (labtest("A B"), BLUE, 3)] {
        let failure = read(&text, aim).unwrap_err();
        assert_eq!(failure.code, "invalid_engine");
        let begin = format!("f.yml:{line}: `engine`: a wish for {wrong}");
        assert!(failure.detail.starts_with(&begin), "{}", failure.detail);
    }
    let twice = read(&own("a=1,a=2"), APP).unwrap_err();
    assert_eq!(twice.detail, "f.yml:4: `engine`: the label a is wished for twice");
}

#[test]
fn names_are_checked_as_the_server_checks_them() {
    for (text, line, words) in [
        ("app: Web\n", 1, "\"Web\" is not"),
        ("app: web\naddons:\n- {service: redis, name: My_Redis}\n", 3, "\"My_Redis\" is not"),
        ("app: web\naddons:\n- {service: redis, attach_as: 1x}\n", 3, "attach_as \"1x\""),
        ("app: web\nvariables:\n  LD_PRELOAD: x\n", 3, "\"LD_PRELOAD\" is obeyed"),
        ("app: web\nexperiments:\n  b.c:\n", 3, "\"b.c\" is not"),
    ] {
        let failure = read(text, APP).unwrap_err();
        assert!(
            failure.detail.starts_with(&format!("f.yml:{line}: ")) && failure.detail.contains(words),
            "{}",
            failure.detail
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "app: web\naddons:\n- name: a\n- name: b\n- service: x\n  plam: y\n";
    let failure = read(text, APP).unwrap_err();
    assert_eq!(failure.detail.lines().count(), 3, "{}", failure.detail);
    let many = format!("app: web\naddons:\n{}", "- name: a\n".repeat(50));
    assert!(read(&many, APP).unwrap_err().detail.ends_with("f.yml:22: this addon has no `service`\nand 30 more"));
}
