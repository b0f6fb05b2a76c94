//! Tests of the command line.

use super::*;

fn parsed(line: &str) -> Result<Task> {
    parse(line.split_whitespace().map(str::to_owned))
}

fn refused(line: &str) -> String {
    parsed(line).unwrap_err().to_string()
}

#[test]
fn nothing_and_help_print_the_help() {
    for line in ["", "help", "--help", "start --help", "test -h"] {
        assert_eq!(parsed(line).unwrap(), Task::Help, "{line}");
    }
}

#[test]
fn start_has_defaults_and_takes_both_spellings_of_a_value() {
    assert_eq!(parsed("start").unwrap(), Task::Start(StartOptions::default()));
    let expected =
        Task::Start(StartOptions { exit: true, listen: "127.0.0.1:0".to_owned(), data_dir: Some("/tmp/d".into()) });
    let spaced = "start --exit --listen 127.0.0.1:0 --data-dir /tmp/d";
    let joined = "start --listen=127.0.0.1:0 --data-dir=/tmp/d --exit";
    assert_eq!(parsed(spaced).unwrap(), expected);
    assert_eq!(parsed(joined).unwrap(), expected);
}

#[test]
fn a_value_that_is_missing_or_an_option_is_refused() {
    assert!(refused("start --listen").contains("--listen needs a value"));
    assert!(refused("start --data-dir --exit").contains("--data-dir needs a value"));
    assert!(refused("start --listen=").contains("--listen needs a value"));
}

#[test]
fn what_is_unknown_is_named_with_a_way_on() {
    for (line, word) in [("stat", "stat"), ("start --port=1", "--port=1"), ("lint --all", "--all")] {
        let message = refused(line);
        assert!(message.contains(word) && message.contains("cargo xtask help"), "{message}");
    }
    assert!(refused("start --exit=yes").contains("--exit=yes"));
    assert!(refused("test a b").contains("a b"));
    assert!(refused("tidy now").contains("now"));
}

#[test]
fn the_other_commands() {
    assert_eq!(parsed("test").unwrap(), Task::Test { filter: None });
    assert_eq!(parsed("test retry").unwrap(), Task::Test { filter: Some("retry".to_owned()) });
    assert_eq!(parsed("lint").unwrap(), Task::Lint { fix: false });
    assert_eq!(parsed("lint --fix").unwrap(), Task::Lint { fix: true });
    assert_eq!(parsed("guest-toolchain").unwrap(), Task::GuestToolchain);
    assert_eq!(parsed("engine").unwrap(), Task::Engine(EngineTask::Status));
    assert_eq!(parsed("engine start").unwrap(), Task::Engine(EngineTask::Start));
    assert_eq!(parsed("engine stop").unwrap(), Task::Engine(EngineTask::Stop));
    assert!(refused("engine begin").contains("cargo xtask help"));
    assert_eq!(parsed("advisories").unwrap(), Task::Advisories);
    let args = vec!["calls".to_owned(), "--json".to_owned()];
    assert_eq!(parsed("bench calls --json").unwrap(), Task::Bench { args });
    let whole = torture::Options { minutes: 30.0, report: None, part: None };
    assert_eq!(parsed("torture").unwrap(), Task::Torture(whole));
    let part = torture::Options { minutes: 0.5, report: Some("r.md".into()), part: Some("soak".to_owned()) };
    assert_eq!(parsed("torture soak --minutes 0.5 --report r.md").unwrap(), Task::Torture(part));
    assert!(refused("torture --minutes none").contains("--minutes needs a number"));
    assert!(refused("torture --minutes 1e9").contains("1440"));
}
