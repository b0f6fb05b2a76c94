//! The command tree as a whole.

use clap::{CommandFactory, Parser};

use crate::cli::args::Cli;

const COMMANDS: &[&str] = &[
    "larder serve",
    "larder serve --listen 127.0.0.1:0 --data-dir /tmp/d --log-format json --allow-host larder.lan",
    "larder status",
    "larder provider upload redis.wasm",
    "larder provider upload redis.wasm --name redis --no-wait",
    "larder provider list --json",
    "larder provider show redis",
    "larder provider activate redis 3fa9",
    "larder provider remove redis --force",
    "larder provider new redis --path /tmp/redis",
    "larder provider build /tmp/redis",
    "larder catalog",
    "larder app create web",
    "larder app list",
    "larder app show web.blue",
    "larder app attach web shop_default",
    "larder app detach web",
    "larder app delete web --cascade",
    "larder engine forget rack-2",
    "larder engine add rack-2 unix:///run/docker.sock",
    "larder engine add rack-2 tcp://rack-2:2376 --advertise rack-2 --publish-at 10.0.0.2 --ports 1-2 --label disk=ssd --label zone=a --weight 2 --tls-ca a --tls-cert b --tls-key c",
    "larder engine add rack-2 tcp://rack-2:2376 --publish-at 10.0.0.2 --insecure",
    "larder serve --no-added-engines",
    "larder addon create redis --app web",
    "larder addon create redis --app web --name cache \
     --plan small --provider redis --provision-type independent \
     --attach-as blue --param a=b --param c:=1 --params-json {} --protected --idempotency-key k --wait 60s",
    "larder addon create redis --app web --wait",
    "larder addon list",
    "larder addon list --app web --state ready,error --json",
    "larder addon list --all",
    "larder addon show web/cache",
    "larder addon show cache --app web",
    "larder addon wait cache --app web --timeout 60s",
    "larder addon events web/cache --follow",
    "larder addon logs web/cache -f",
    "larder addon protect web/cache",
    "larder addon unprotect cache --app web",
    "larder addon update web/db --plan large --param size:=3 --timeout 10m",
    "larder addon update db --app web --params-json {}",
    "larder addon rotate web/db --overlap 1h --timeout 0",
    "larder addon rotate web/db --overlap 7d",
    "larder addon delete web/cache web/other --force --now",
    "larder addon delete web/cache --wait",
    "larder addon delete web/cache web/other --wait 2m",
    "larder addon list --deleted --app web",
    "larder addon undelete web/cache",
    "larder addon undelete cache --app web --wait 2m",
    "larder serve --delete-grace 7d",
    "larder addon connect web/cache",
    "larder addon connect cache --app web --image redis:8 -- --raw PING",
    "larder addon tunnel web/cache",
    "larder addon tunnel web/cache --localport 7000 --listen ::1 --reveal --json",
    "larder run --app web -- env",
    "larder run --app web env --app other --json",
    "larder run --app web --wait env",
    "larder run --app web --wait=2m --env-only -- env",
    "larder config show web",
    "larder config show web --format env",
    "larder config set web A=1 B=2",
    "larder config unset web A B",
    "larder apply -f larder.yml",
    "larder apply --file - --app web --dry-run --prune --json",
    "larder apply -f larder.yml --wait",
    "larder apply -f larder.yml --wait=5m",
    "larder experiment create web blue -f .labtest.yml --wait 2m",
    "larder experiment create web blue -f .labtest.yml --dry-run",
    "larder experiment update web blue -f .labtest.yml --prune",
    "larder experiment delete web blue",
    "larder experiment list",
    "larder experiment list web --json",
    "larder experiment show web blue",
    "larder backup --output larder.backup",
    "larder backup -o - --force",
    "larder restore larder.backup --data-dir /tmp/d --key sealing.key --replace",
    "larder restore - --check",
    "larder store migrate --from sqlite:/var/lib/larder --to postgres://larder@db/larder",
    "larder store migrate --from sqlite:data --to postgres://db/larder --ca-file ca.pem --json",
    "larder key status --json",
    "larder key rotate",
    "larder completions bash",
    "larder completions powershell",
];

fn is_taken(words: &str) -> bool {
    Cli::try_parse_from(words.split_whitespace()).is_ok()
}

#[test]
fn the_command_tree_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_documented_command_is_taken() {
    for words in COMMANDS {
        assert!(is_taken(words), "{words}");
    }
}

#[test]
fn the_documentation_has_every_command() {
    let documentation = include_str!("../../../../../docs/cli.md");
    for noun in Cli::command().get_subcommands() {
        let verbs: Vec<_> = noun.get_subcommands().filter(|verb| verb.get_name() != "help").collect();
        let alone = format!("larder {}", noun.get_name());
        assert!(documentation.contains(&alone), "{alone} is not documented");
        for verb in verbs {
            let command = format!("{alone} {}", verb.get_name());
            assert!(documentation.contains(&command), "{command} is not documented");
        }
    }
}

#[test]
fn mistakes_are_refused() {
    for words in [
        "larder",
        "larder addon",
        "larder addon create redis",
        "larder addon create redis --app web --param x",
        "larder addon create redis --app web --wait soon",
        "larder addon create redis --app web --provision-type own",
        "larder addon list --state broken",
        "larder addon list --all --state ready",
        "larder addon show a/b/c",
        "larder addon delete",
        "larder addon rotate web/db --overlap 8d",
        "larder addon list --deleted --all",
        "larder addon undelete web/a web/b",
        "larder serve --delete-grace 31d",
        "larder serve --delete-grace soon",
        "larder apply",
        "larder apply -f a.yml --dry-run --wait",
        "larder experiment create web -f a.yml",
        "larder experiment create web blue",
        "larder experiment create web blue -f a.yml --prune",
        "larder experiment create web.green blue -f a.yml",
        "larder experiment show web",
        "larder addon connect web/cache PING",
        "larder addon tunnel web/cache --localport 0",
        "larder addon tunnel web/cache --listen nowhere",
        "larder run --app web",
        "larder run --app web --",
        "larder run env",
        "larder run --app web --wiat env",
        "larder run --app web --wait=soon env",
        "larder config set web",
        "larder config set web NAME",
        "larder config show web --format yaml",
        "larder provider upload x.wasm --no-wait --timeout 5s",
        "larder provider new Not_A_Name",
        "larder restore",
        "larder restore a b",
        "larder restore a --check --replace",
        "larder store migrate --from sqlite:data",
        "larder completions tcsh",
        "larder serve --listen nowhere",
    ] {
        assert!(!is_taken(words), "{words}");
    }
}

#[test]
fn global_options_stand_anywhere() {
    for words in
        ["larder --json --url x addon list", "larder addon list --url x --json", "larder addon --json list --url x"]
    {
        let cli = Cli::try_parse_from(words.split_whitespace()).unwrap();
        assert!(cli.global.json && cli.global.url.as_deref() == Some("x"), "{words}");
    }
    let cli = Cli::try_parse_from(["larder", "--data-dir", "d", "serve", "--listen", "127.0.0.1:0"]).unwrap();
    assert_eq!(cli.global.data_dir.as_deref(), Some(std::path::Path::new("d")));
}

#[test]
fn help_does_not_tell_the_token() {
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains("LARDER_TOKEN") && help.contains("[env: LARDER_TOKEN]"), "{help}");
}
