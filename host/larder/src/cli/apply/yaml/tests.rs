//! Trees with lines, and what is refused before it costs anything.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    parse(text).unwrap().to_json().unwrap()
}

#[track_caller]
fn check_refused(text: &str, line: usize, what: &str) {
    let began = Instant::now();
    let mistake = parse(text).unwrap_err();
    assert_eq!((mistake.line, mistake.what.as_str()), (line, what));
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
}

#[test]
fn values_are_what_the_core_schema_says() {
    let text = "a: 1\nb: 1.5\nc: true\nd: ~\ne: yes\nf: '7'\ng: !!str 8\nh: 0x10\ni: -3\nj: [1, x]\nk: 1.2.3\nl: 1e3\nm: +5\nn: inf\no: 010\np: 12e\n";
    let expected = json!({"a": 1, "b": 1.5, "c": true, "d": null, "e": "yes", "f": "7", "g": "8", "h": 16, "i": -3,
        "j": [1, "x"], "k": "1.2.3", "l": 1000.0, "m": 5, "n": "inf", "o": 10, "p": "12e"});
    assert_eq!(value(text), expected);
    assert_eq!(parse("a: .inf").unwrap().to_json().unwrap_err().line, 1);
}

#[test]
fn json_is_read_too() {
    let json = json!({"app": "web", "addons": [{"name": "a\n\"b\"", "parameters": {"n": 1, "x": null, "s": ""}}]});
    assert_eq!(value(&json.to_string()), json);
    assert_eq!(value(&serde_json::to_string_pretty(&json).unwrap()), json);
    assert_eq!(value(r#"{"a": "\ud83d\ude00"}"#), json!({"a": "😀"}));
    assert_eq!(value("{\n\t\"app\":\t\"web\"\n}\n"), json!({"app": "web"}));
}

#[test]
fn every_value_knows_its_line() {
    let root = parse("# first\na: 1\nb:\n  - x\n  - y: 2\n    z: 3\n").unwrap();
    let Kind::Map(entries) = &root.kind else { panic!("{root:?}") };
    assert_eq!(entries.iter().map(|(key, node)| (key.line, node.line)).collect::<Vec<_>>(), [(2, 2), (3, 4)]);
    let Kind::List(items) = &entries[1].1.kind else { panic!("{entries:?}") };
    assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [4, 5]);
}

#[test]
fn aliases_stand_for_whole_values() {
    assert_eq!(value("a: &x {n: 1}\nb: *x\n"), json!({"a": {"n": 1}, "b": {"n": 1}}));
    check_refused("a: &x [*x]\n", 1, "this alias stands within what it is an alias of");
    check_refused("a: *x\n", 1, "this is no YAML: while parsing node, found unknown anchor");
}

#[test]
fn what_a_file_can_not_be_is_told() {
    check_refused("", 1, "the file is empty");
    check_refused("# only a comment\n", 1, "the file is empty");
    check_refused("a: 1\na: 2\n", 2, "`a` is here for the second time; the first is in line 1");
    check_refused("a: 1\n---\nb: 1\n", 2, "a second document begins here; use a file for each");
    check_refused("? [a]\n: 1\n", 1, "a key has to be a text, not a list");
    check_refused(
        "a: &x {n: 1}\nb:\n  <<: *x\n",
        3,
        "`<<` is not supported; write the entries out, or use an alias for a whole value",
    );
    check_refused("a: !!python/object x\n", 1, "the tag `tag:yaml.org,2002:!python/object` is not supported");
    check_refused("a: [1\nb: 2\n", 2, "this is no YAML: illegal placement of ':' indicator");
}

#[test]
fn a_bomb_of_aliases_is_refused_by_its_weight() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        let alias = format!("*a{}", n - 1);
        writeln!(bomb, "a{n}: &a{n} [{}]", [alias.as_str(); 10].join(", ")).unwrap();
    }
    check_refused(&bomb, 6, "the file is too large: with its aliases written out, it has more than 4 MiB");
}

#[test]
fn depth_is_bounded_with_and_without_aliases() {
    for open in ["[", "{a: ", "- "] {
        check_refused(&open.repeat(100), 1, "this is nested more than 48 deep");
    }
    for (open, count) in [("[", 500_000), ("{a: ", 200_000), ("- ", 400_000), ("? ", 400_000), ("[a: ", 200_000)] {
        let began = Instant::now();
        assert!(parse(&open.repeat(count)).is_err(), "{open}");
        assert!(began.elapsed() < Duration::from_secs(5), "{open} took {:?}", began.elapsed());
    }
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for n in 1..100 {
        writeln!(chain, "a{n}: &a{n} [*a{}]", n - 1).unwrap();
    }
    check_refused(&chain, 48, "this is nested more than 48 deep");
}

#[test]
fn a_large_file_takes_no_long_time() {
    let large = format!("a:\n{}", "- {x: 1, y: [2, 3]}\n".repeat(1024 * 1024 / 20));
    check_refused(&large, 35_248, "the file is too large: with its aliases written out, it has more than 4 MiB");
}
