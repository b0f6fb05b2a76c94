//! Tests of how time is divided, of what is heard, and of the report.

use super::parts::{Build, Needs, Part, allotted};
use super::report::{About, Done, End, markdown};
use super::told::Told;

static PART: Part = Part {
    name: "campaign",
    about: "kills",
    build: Build::Tests,
    binary: "e2e",
    filter: "crashes",
    needs: Needs::World,
    variable: None,
    share: 1.0,
};

fn told(lines: &[&str]) -> Told {
    let mut told = Told::default();
    lines.iter().for_each(|line| told.hear("campaign", line));
    told
}

#[test]
fn parts_share_what_is_left_of_the_time() {
    assert_eq!(allotted(100.0, 2.0, 8.0), 25.0);
    // Somebody took longer.
    assert_eq!(allotted(-5.0, 2.0, 6.0), 0.0);
    assert_eq!(allotted(60.0, 6.0, 6.0), 60.0);
    assert_eq!(allotted(60.0, 0.0, 0.0), 0.0);
}

#[test]
fn every_part_has_a_name_of_its_own_and_says_how_long_it_may_take() {
    for (at, part) in Part::ALL.iter().enumerate() {
        assert!(Part::ALL[..at].iter().all(|other| other.name != part.name), "{}", part.name);
        assert_eq!(part.variable.is_some(), part.share > 0.0, "{}", part.name);
    }
}

#[test]
fn a_line_is_heard_behind_the_test_runners_own_words_and_several_are_added_up() {
    let first = r#"test a ... campaign: {"rounds":2,"faults":{"kill":1},"violations":["x"],"failures":1}"#;
    let second = r#"campaign: {"rounds":3,"faults":{"kill":4,"pause":1},"violations":[],"failures":0}"#;
    let told = told(&["running 2 tests", first, "another: {}", second]);
    let line = told.line().unwrap();
    assert_eq!((&line["rounds"], &line["faults"]["kill"], &line["faults"]["pause"]), (&5.into(), &5.into(), &1.into()));
    assert_eq!(told.violations(), ["x"]);
    assert_eq!(told.last().count(), 2);
}

#[test]
fn a_part_that_ends_without_a_word_is_a_failure_with_the_seed_that_it_began_with() {
    let told = told(&["LARDER_SEED=77 has this happen again", "thread 'a' panicked"]);
    let done = Done { part: &PART, minutes: 1.0, end: End::Failed, told };
    assert_eq!(done.failures(), 1);
    let text = markdown(&About::default(), &[done]);
    assert!(text.contains("LARDER_WORLD=1 LARDER_SEED=77 cargo xtask test crashes"), "{text}");
    assert!(text.contains("thread 'a' panicked") && text.contains("| **failures** | **1** |"), "{text}");
}

#[test]
fn a_report_has_what_was_done_and_nothing_of_what_there_was_not() {
    let line = r#"campaign: {"rounds":9,"seconds":1.5,"faults":{"kill_9":9},"invariants":{"all_is_there":70},"failures":0,
        "took_ms":{"from_start_to_ready":{"median":34.0,"p99":50.0,"max":60.0,"count":9}},"acknowledged":400}"#;
    let well = Done { part: &PART, minutes: 1.0, end: End::Well, told: told(&[&line.replace('\n', "")]) };
    let left = Done { part: &PART, minutes: 0.0, end: End::Left("no engine".to_owned()), told: Told::default() };
    let text = markdown(&About::default(), &[well, left]);
    for part in [
        "| campaign | kills | 9 | 1.0 | well |",
        "left out: no engine",
        "| campaign | kill 9 | 9 |",
        "| campaign | all is there | 70 |",
        "| campaign | from start to ready | 34 | 50 | 60 | 9 |",
        "| campaign | acknowledged | 400 |",
        "None.",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let nothing = markdown(&About::default(), &[]);
    assert!(!nothing.contains("Faults") && !nothing.contains("How long"), "{nothing}");
}

#[test]
fn cargos_messages_tell_where_test_binaries_are() {
    let message = r#"{"reason":"compiler-artifact","manifest_path":"/a/host/larder/Cargo.toml",
        "target":{"kind":["test"],"name":"e2e"},"executable":"/a/target/release/deps/e2e-1"}"#;
    let (name, (binary, package)) = super::binary_in(&message.replace('\n', "")).unwrap();
    assert_eq!(
        (name.as_str(), binary.to_str().unwrap(), package.to_str().unwrap()),
        ("e2e", "/a/target/release/deps/e2e-1", "/a/host/larder")
    );
    assert!(super::binary_in(&message.replace("[\"test\"]", "[\"bin\"]")).is_none());
    assert!(super::binary_in("Compiling").is_none());
}
