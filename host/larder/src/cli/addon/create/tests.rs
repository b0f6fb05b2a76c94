//! What `addon create` sends.

use clap::Parser;

use super::*;
use crate::cli::failure::Kind;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: CreateArgs,
}

fn parse(words: &str) -> CreateArgs {
    let words = ["create"].into_iter().chain(words.split_whitespace());
    Command::try_parse_from(words).unwrap().args
}

fn sent(words: &str) -> Value {
    body(parse(words)).unwrap()
}

#[test]
fn what_is_not_given_is_not_sent() {
    assert_eq!(sent("redis --app web"), json!({"service": "redis"}));
}

#[test]
fn everything_given_is_sent() {
    let words = "redis --app web --name cache --plan small --provider r2 --provision-type communal --attach-as blue \
         --protected --param size=10 --param tls:=true --params-json {\"size\":1,\"user\":\"ann\"}";
    let expected = json!({
        "service": "redis", "name": "cache", "plan": "small", "provider": "r2", "provision_type": "communal",
        "attach_as": "blue", "protected": true, "parameters": {"size": "10", "tls": true, "user": "ann"},
    });
    assert_eq!(sent(words), expected);
}

#[test]
fn parameters_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("params.json");
    std::fs::write(&path, "{\"size\": 3}").unwrap();
    let words = format!("redis --app web --params-json @{}", path.display());
    assert_eq!(sent(&words)["parameters"], json!({"size": 3}));
    std::fs::write(&path, "[1]").unwrap();
    assert_eq!(body(parse(&words)).unwrap_err().kind, Kind::Usage);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(body(parse(&words)).unwrap_err().code, "unreadable");
}

#[test]
fn waiting_may_be_given_a_length() {
    assert_eq!(parse("redis --app web").wait, None);
    assert_eq!(parse("redis --app web --wait").wait, Some(Duration::from_secs(60)));
    assert_eq!(parse("redis --wait 5m --app web").wait, Some(Duration::from_secs(300)));
    assert_eq!(parse("redis --wait=90 --app web").wait, Some(Duration::from_secs(90)));
}
