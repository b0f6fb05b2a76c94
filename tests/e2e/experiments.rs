//! Experiments by command line, against a real host: a file says what they are to have.

mod changes;

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::Host;

const LABTEST: &str = "\
labtest:
  environment:
    - MODE=fast
    - URL=http://db.internal/?a=b
  services:
    key:
      provider: docker
      service: secret
    settings:
      provider: parameters
      service: parameters
      GREETING: hello there
      COLOUR: '7'
    chameleon:
      provider: chameleon
      service: chameleon
      attach_as: lizard
";

/// A host, and a folder for files.
struct Bench {
    host: Host,
    folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        Self { host: Host::start(&["secret", "parameters", "chameleon"]).await, folder: TempDir::new().unwrap() }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("labtest.yml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs words and `-f` with a file of this text.
    fn with_file(&self, words: &str, text: &str) -> (i32, String, String) {
        let path = self.file(text);
        let words: Vec<&str> = words.split(' ').chain(["-f", path.to_str().unwrap()]).collect();
        self.host.cli(&words)
    }

    /// The same, which has to go well and to answer JSON.
    #[track_caller]
    fn items(&self, words: &str, text: &str) -> Vec<Value> {
        let (code, out, error) = self.with_file(&format!("{words} --json"), text);
        assert_eq!(code, 0, "{words}\n{out}\n{error}");
        serde_json::from_str::<Value>(&out).unwrap()["items"].as_array().unwrap().clone()
    }

    /// The same, which has to fail with 1 and to change nothing.
    async fn refused(&self, words: &str, text: &str) -> String {
        let before = self.everything().await;
        let (code, out, error) = self.with_file(words, text);
        assert_eq!((code, out.as_str()), (1, ""), "{words}\n{text}\n{error}");
        assert_eq!(self.everything().await, before, "{words}\n{text}");
        error
    }

    async fn everything(&self) -> (Value, Value) {
        let all = |what: &'static str| async move { self.host.get(what).await.expect(200) };
        (all("/v1/apps").await, all("/v1/addons").await)
    }

    #[track_caller]
    fn variables(&self, app: &str) -> String {
        self.host.cli(&["config", "show", app, "--format", "env"]).1
    }
}

/// `change kind name`, a line for each item.
fn changes(items: &[Value]) -> Vec<String> {
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let line =
        |item: &Value| [text(item, "change"), text(item, "kind"), text(item, "name")].join(" ").trim_end().to_owned();
    items.iter().map(line).collect()
}

fn ids(items: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn an_experiment_gets_what_its_file_says_and_goes_as_a_whole() {
    let bench = Bench::start().await;
    let blue = bench.items("experiment create web blue --wait", LABTEST);
    let expected = [
        "created app",
        "set variable MODE",
        "set variable URL",
        "created addon key",
        "created addon settings",
        "created addon chameleon",
    ];
    assert_eq!(changes(&blue), expected);
    assert!(blue[3..].iter().all(|item| item["state"] == "ready"), "{blue:?}");
    bench.items("experiment create web green --wait", LABTEST);
    let environment = bench.variables("web.blue");
    for line in ["MODE=fast", "URL='http://db.internal/?a=b'", "GREETING='hello there'", "COLOUR=7"] {
        assert!(environment.lines().any(|found| found == line), "{line}\n{environment}");
    }
    let key = |environment: &str| environment.lines().find(|line| line.starts_with("SECRET_KEY=")).unwrap().to_owned();
    assert!(environment.contains("LIZARD_CHAMELEON_URL=") && key(&environment) != key(&bench.variables("web.green")));
    let (_, list, _) = bench.host.cli(&["experiment", "list", "web"]);
    assert_eq!(list, "APP  EXPERIMENT  ADDONS\nweb  blue        3\nweb  green       3\n");
    let (_, shown, _) = bench.host.cli(&["experiment", "show", "web", "blue"]);
    assert!(shown.contains("SECRET_KEY") && shown.contains("ready") && !shown.contains("hello there"), "{shown}");
    let (code, out, _) = bench.host.cli(&["experiment", "delete", "web", "blue"]);
    assert_eq!((code, out.as_str()), (0, "deleted experiment `web.blue`\n"));
    assert_eq!(bench.host.cli(&["experiment", "show", "web", "blue"]).0, 1);
    assert!(!key(&bench.variables("web.green")).is_empty());
}

#[tokio::test]
async fn applying_again_changes_nothing_and_differences_are_told_first() {
    let bench = Bench::start().await;
    let first = bench.items("apply --app web.blue --wait", LABTEST);
    let again = bench.items("experiment update web blue --wait", LABTEST);
    assert!(again.iter().all(|item| item["change"] == "unchanged"), "{again:?}");
    assert_eq!(ids(&again), ids(&first));
    let changed = LABTEST.replace("MODE=fast", "MODE=slow").replace("lizard", "lizard\n      begin: {ok: {}}");
    let error = bench.refused("experiment update web blue", &changed).await;
    assert!(
        error.contains(
            "labtest.yml:14: the addon web.blue/chameleon differs in parameters.begin, and its provider chameleon can't"
        ),
        "{error}"
    );
    assert!(error.contains("code: addon_differs") && error.contains("larder addon delete"), "{error}");
    assert!(bench.variables("web.blue").contains("MODE=fast"));
    let less = LABTEST
        .replace("MODE=fast", "MODE=slow")
        .replace("    key:\n      provider: docker\n      service: secret\n", "");
    assert!(
        changes(&bench.items("experiment update web blue --dry-run", &less)).contains(&"left addon key".to_owned())
    );
    assert!(bench.variables("web.blue").contains("MODE=fast"));
    let pruned = changes(&bench.items("experiment update web blue --prune", &less));
    let expected = ["unchanged app", "deleted addon key", "set variable MODE", "unchanged variable URL"];
    assert_eq!(pruned[..4], expected);
    let environment = bench.variables("web.blue");
    assert!(environment.contains("MODE=slow") && !environment.contains("SECRET_KEY"), "{environment}");
}

#[tokio::test]
async fn a_mistake_names_its_line_and_nothing_is_created() {
    let bench = Bench::start().await;
    let create = "experiment create web blue";
    let cases = [
        ("service: secret", "", "labtest.yml:6: the service `key` has no `service`", "invalid_file"),
        ("provider: docker", "", "labtest.yml:6: the service `key` has no `provider`", "invalid_file"),
        (
            "service: secret",
            "service: secrets",
            "labtest.yml:6: no provider offers the service secrets",
            "unknown_service",
        ),
        ("provider: docker", "provider: dockr", "labtest.yml:6: there is no provider dockr", "unknown_provider"),
        ("attach_as: lizard", "provision_type: independant", "`independant` is no provision type", "invalid_file"),
        ("attach_as: lizard", "provision_type: communal", "not offered as communal", "provision_type_not_offered"),
        (
            "attach_as: lizard",
            "initial_data_source: .",
            "labtest.yml:17: the provider chameleon can't load data",
            "not_supported",
        ),
        (
            "attach_as: lizard",
            "initial_data_source: nowhere",
            "labtest.yml:17: the initial data of the addon `chameleon`: `",
            "not_supported",
        ),
        ("attach_as: lizard", "plan: huge", "has no plan huge; it has default, hasty", "unknown_plan"),
        ("COLOUR: '7'", "COLOUR: 7", "labtest.yml:13: the parameter /COLOUR", "invalid_parameters"),
        (
            "MODE=fast",
            "SECRET_KEY=x",
            "the addon `key` sets SECRET_KEY, which the app itself has already",
            "variable_taken",
        ),
        ("MODE=fast", "LD_PRELOAD=x", "labtest.yml:3: \"LD_PRELOAD\"", "invalid_file"),
        ("labtest:", "labtest: [", "labtest.yml:3: this is no YAML", "invalid_file"),
    ];
    for (from, to, words, code) in cases {
        let error = bench.refused(create, &LABTEST.replacen(from, to, 1)).await;
        assert!(error.contains(words) && error.contains(&format!("code: {code}")), "{from} to {to}: {error}");
    }
    let share = LABTEST.replace("attach_as: lizard", "provision_type: shared\n      shared_experiment_name: nosuch");
    assert!(bench.refused(create, &share).await.contains("there is no addon chameleon in web.nosuch"));
    assert!(bench.refused("experiment update web blue", LABTEST).await.contains("unknown_experiment"));
    assert!(bench.refused("apply", LABTEST).await.contains("the file names no app"));
}

#[tokio::test]
async fn an_app_and_its_experiments_stand_in_one_file() {
    let bench = Bench::start().await;
    let text = r#"{"app": "demo", "variables": {"MODE": "slow"}, "experiments": {
        "blue": {"variables": {"MODE": "fast"}, "addons": [{"service": "secret", "protected": true}]}, "green": null}}"#;
    let expected = [
        "unchanged app",
        "created app",
        "created app",
        "set variable MODE",
        "set variable MODE",
        "created addon secret",
    ];
    assert_eq!(changes(&bench.items("apply --wait", text)), expected);
    assert!(bench.variables("demo.blue").contains("SECRET_KEY=") && bench.variables("demo").contains("MODE=slow"));
    let (code, _, error) = bench.host.cli(&["experiment", "delete", "demo", "blue"]);
    assert!(code == 1 && error.contains("code: protected"), "{error}");
}

#[tokio::test]
async fn two_clients_at_once_make_everything_once() {
    let bench = Bench::start().await;
    let path = bench.file(LABTEST);
    let words = ["apply", "--app", "web.blue", "--wait", "--json", "-f", path.to_str().unwrap()];
    let ended: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.host.cli(&words))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let mut created = 0;
    for (code, out, error) in ended {
        assert_eq!(code, 0, "{error}");
        let report: Value = serde_json::from_str(&out).unwrap();
        let items = report["items"].as_array().unwrap();
        created += items.iter().filter(|item| item["change"] == "created" && item["kind"] == "addon").count();
    }
    let addons = bench.host.get("/v1/apps/web.blue/addons").await.expect(200);
    assert_eq!((created, addons["addons"].as_array().unwrap().len()), (3, 3), "{addons}");
}

#[tokio::test]
async fn what_does_not_become_ready_is_told_by_the_exit_code() {
    let bench = Bench::start().await;
    let failing = LABTEST.replace("attach_as: lizard", "begin: {failed: the disk is full}");
    let (code, out, error) = bench.with_file("experiment create web blue --wait", &failing);
    assert_eq!(code, 4, "{out}\n{error}");
    assert!(error.contains("the disk is full") && out.contains("created  addon"), "{out}\n{error}");
    // What ended in error is made anew.
    let (code, out, error) = bench.with_file("experiment update web blue --wait", LABTEST);
    assert_eq!(code, 0, "{out}\n{error}");
    assert!(changes(&bench.items("apply --app web.blue", LABTEST)).iter().all(|line| line.starts_with("unchanged")));
}
