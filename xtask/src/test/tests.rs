//! Tests of the reading and counting, with output as cargo prints it.

use std::time::Duration;

use super::output::{Binary, Ignored, Outcome, Reader};
use super::rings::{Ring, Rings, is_over};
use super::skips;
use super::summary::{Counts, Summary};

const GOOD: &str = "\
   Compiling larder-domain v0.1.0 (/src/host/domain)
    Finished `test` profile [unoptimized] target(s) in 0.5s
     Running unittests src/lib.rs (target/release/deps/larder_domain-0123456789abcdef)

running 3 tests
test retry::tests::grows ... ok
test docker::tests::pulls ... ignored, needs Docker
test ids::tests::sorts ... ok

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.25s

     Running unittests src/main.rs (target/release/deps/larder-00000000deadbeef)

running 0 tests

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests larder_sdk

running 1 test
test src/lib.rs - export (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s
";

const BAD: &str = "\
warning: unused variable
     Running tests/e2e/main.rs (target/release/deps/e2e-0123456789abcdef)

running 2 tests
test lifecycle::restart ... FAILED
test lifecycle::upload ... ok

failures:

---- lifecycle::restart stdout ----
test result: ok. 90 passed; of another program
test something ... odd

failures:
    lifecycle::restart

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.00s

error: test failed, to rerun pass `-p larder --test e2e`
     Running tests/worker.rs (target/release/deps/worker-0123456789abcdef)

running 5 tests
error: test failed, to rerun pass `-p larder --test worker`
";

const METADATA: &str = r#"{"packages": [
    {"name": "larder-domain", "targets": [{"name": "larder_domain"}]},
    {"name": "larder-sandbox", "targets": [{"name": "larder-sandbox"}, {"name": "limits"}]},
    {"name": "larder", "targets": [{"name": "larder"}, {"name": "e2e"}]}
]}"#;

fn read(text: &str, succeeded: bool) -> (Outcome, Vec<String>) {
    let (mut reader, mut shown) = (Reader::default(), Vec::new());
    for line in text.lines() {
        reader.line(line, &mut |line| shown.push(line.to_owned()));
    }
    (reader.finish(succeeded), shown)
}

fn counted(runs: &[(&str, bool)], skips: &str) -> Counts {
    let rings = Rings::parse(METADATA).unwrap();
    let mut summary = Summary::default();
    for (text, succeeded) in runs {
        summary.add(read(text, *succeeded).0, &rings, None);
    }
    summary.skip(skips::parse(skips));
    summary.counts()
}

fn binary(name: &str) -> Binary {
    Binary { name: name.to_owned(), is_doc: false, passed: 1, failed: 0, seconds: 0.1 }
}

#[test]
fn results_are_read_per_binary() {
    let (outcome, _) = read(GOOD, true);
    let domain = Binary { passed: 2, seconds: 0.25, ..binary("larder_domain") };
    assert_eq!(outcome.binaries[0], domain);
    assert!(outcome.binaries[2].is_doc);
    let ignored = Ignored { name: "docker::tests::pulls".into(), reason: "needs Docker".into() };
    assert_eq!(outcome.ignored, [ignored]);
    assert!(outcome.crashed.is_empty() && outcome.failures.is_empty());
}

#[test]
fn binaries_without_tests_are_not_shown() {
    let (_, shown) = read(GOOD, true);
    let text = shown.join("\n");
    assert!(text.contains("larder_domain-0123456789abcdef") && text.contains("Doc-tests"));
    assert!(!text.contains("larder-00000000deadbeef") && !text.contains("running 0 tests"));
}

#[test]
fn what_a_binary_prints_before_or_without_counting_is_shown() {
    let header = "     Running tests/odd.rs (target/release/deps/odd-0123456789abcdef)";
    let (outcome, shown) = read(&format!("{header}\ncannot load a library"), false);
    assert_eq!(shown, [header, "cannot load a library"]);
    assert_eq!(outcome.crashed, ["odd"]);
}

#[test]
fn failures_and_crashes_both_count() {
    let (outcome, _) = read(BAD, false);
    assert_eq!(outcome.failures, ["e2e: lifecycle::restart"]);
    assert_eq!(outcome.crashed, ["worker"]);
    assert_eq!(counted(&[(BAD, false)], ""), Counts { passed: 1, failed: 2, skipped: 0 });
}

#[test]
fn a_compile_error_is_one_failure_and_no_pass() {
    let text = "error[E0308]: mismatched types\nerror: could not compile `larder`";
    assert_eq!(counted(&[(text, false)], ""), Counts { passed: 0, failed: 1, skipped: 0 });
}

#[test]
fn cargo_failing_after_good_results_is_a_failure() {
    assert_eq!(counted(&[(GOOD, false)], ""), Counts { passed: 3, failed: 1, skipped: 1 });
}

#[test]
fn noted_skips_leave_the_passed() {
    let noted = "world_docker\tno engine\nworld_docker\tno engine\n";
    assert_eq!(counted(&[(GOOD, true)], noted), Counts { passed: 2, failed: 0, skipped: 2 });
    let entry = Ignored { name: "world_docker".into(), reason: "no engine".into() };
    assert_eq!(skips::parse(noted), [entry]);
}

#[test]
fn colours_do_not_disturb() {
    let coloured = GOOD
        .replace("     Running", "\u{1b}[1m\u{1b}[92m     Running\u{1b}[0m")
        .replace(". 2 passed", "\u{1b}[m. 2 passed")
        .replace(" ... ok", " ... \u{1b}[32mok\u{1b}[m");
    assert_eq!(read(&coloured, true).0.binaries, read(GOOD, true).0.binaries);
}

#[test]
fn binaries_belong_to_the_ring_of_their_crate() {
    let rings = Rings::parse(METADATA).unwrap();
    let expected = [
        ("larder_domain", Ring::Pure),
        ("larder", Ring::Fakes),
        ("unheard_of", Ring::Fakes),
        ("larder_sandbox", Ring::Wasm),
        ("limits", Ring::Wasm),
        ("e2e", Ring::Wasm),
        ("world_docker", Ring::World),
    ];
    for (name, ring) in expected {
        assert_eq!(rings.of(&binary(name)), Some(ring), "{name}");
    }
    assert_eq!(rings.of(&Binary { is_doc: true, ..binary("larder_domain") }), None);
}

#[test]
fn a_ring_over_budget_is_told_and_fails_nobody() {
    assert!(!is_over(Ring::Pure, 0.9) && is_over(Ring::Pure, 1.1));
    let mut summary = Summary::default();
    summary.rings_complete = true;
    let slow = GOOD
        .replace("test docker::tests::pulls ... ignored, needs Docker\n", "")
        .replace("finished in 0.", "finished in 99999.");
    summary.add(read(&slow, true).0, &Rings::parse(METADATA).unwrap(), None);
    let (text, is_well) = summary.close(true);
    assert!(text.contains("over budget: make its slowest test faster"), "{text}");
    assert!(is_well, "{text}");
}

#[test]
fn skips_and_silence_fail_where_they_must() {
    let verdict = |skips: &str, text: &str, in_ci: bool| {
        let mut summary = Summary::default();
        summary.phase("build", Duration::from_secs(1));
        summary.add(read(text, true).0, &Rings::parse(METADATA).unwrap(), None);
        summary.skip(skips::parse(skips));
        summary.close(in_ci).1
    };
    let without_ignored = GOOD.replace("test docker::tests::pulls ... ignored, needs Docker\n", "");
    assert!(verdict("", &without_ignored, true));
    assert!(verdict("a\tb", &without_ignored, false));
    assert!(!verdict("a\tb", &without_ignored, true));
    assert!(!verdict("", "", false));
}

#[test]
fn the_closing_text_names_what_was_skipped_and_what_failed() {
    let mut summary = Summary::default();
    summary.rings_complete = true;
    summary.add(read(GOOD, true).0, &Rings::parse(METADATA).unwrap(), None);
    summary.add(read(BAD, false).0, &Rings::parse(METADATA).unwrap(), None);
    let (text, is_well) = summary.close(false);
    assert!(!is_well);
    for part in ["docker::tests::pulls: needs Docker", "e2e: lifecycle::restart", "3 wasm"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(text.lines().last(), Some("4 passed, 2 failed, 1 skipped"));
}
