//! Each rule once kept and once broken.

use std::path::Path;

use super::direction::{Arrow, objection};
use super::size::functions;
use super::source::{code_only, production};
use super::*;

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

fn lines(count: usize) -> String {
    "let x = 1;\n".repeat(count)
}

#[test]
fn code_only_blanks_prose_and_keeps_lines() {
    let source = concat!(
        "let a = \"{ \\\" }\"; // {\n",
        "/* { /* nested { */ { */ let b = '{';\n",
        "let c = r#\"{ \" {\"#; let d = b\"{\"; let e = '\\'';\n",
        "fn f<'a>(x: &'a str) { br\"{\\\"; }\n",
        "let word_r = 1; // ends in r\n",
    );
    let code = code_only(source);
    assert_eq!(code.lines().count(), source.lines().count());
    assert_eq!(code.matches('{').count(), 1, "{code}");
    assert_eq!(code.matches('}').count(), 1, "{code}");
    assert!(code.contains("fn f<'a>(x: &'a str)") && code.contains("let word_r = 1;"));
}

#[test]
fn production_ends_where_inline_tests_begin() {
    let code = "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\nmod more {\n}\n";
    assert_eq!(production(code), "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n");
    assert_eq!(production("fn a() {}\n"), "fn a() {}\n");
}

#[test]
fn long_files_warn_then_fail() {
    let problems = |count| size::file_length(&file("host/a/src/lib.rs", &lines(count)));
    assert!(problems(400).is_empty());
    assert!(problems(401)[0].is_warning);
    assert!(!problems(451)[0].is_warning);
    let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(300), lines(300));
    assert!(size::file_length(&file("host/a/src/lib.rs", &with_tests)).is_empty());
    for path in ["host/a/src/tests.rs", "tests/e2e/main.rs", "host/a/benches/b.rs", "README.md"] {
        assert!(size::file_length(&file(path, &lines(500))).is_empty(), "{path}");
    }
}

#[test]
fn long_functions_fail_by_name_and_line() {
    let long = format!("//! Doc.\n\npub(crate) async fn long(\n) {{\n{}}}\n", lines(68));
    let found = size::function_length(&file("host/a/src/lib.rs", &long));
    assert_eq!((found.len(), found[0].line), (1, 3));
    assert!(found[0].what.contains("`long` has 71 lines"), "{}", found[0]);
    let short = format!("fn short() {{\n{}}}\n", lines(68));
    assert!(size::function_length(&file("host/a/src/lib.rs", &short)).is_empty());
}

#[test]
fn functions_are_found_with_and_without_bodies() {
    let code = concat!(
        "trait T {\n    fn declared(&self) -> [u8; 2];\n    fn given(&self) {\n    }\n}\n",
        "pub const unsafe fn one() -> [u8; 2] { [0; 2] }\n",
        "let call: fn (u8) = f;\nlet name = fn_name();\n",
        "pub(in crate::a) fn generic<T>(t: T)\nwhere\n    T: Fn(u8) -> u8,\n{\n}\n",
    );
    let found = functions(code);
    let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
    assert_eq!(found, [("given", 3, 2), ("one", 6, 1), ("generic", 9, 5)]);
}

#[test]
fn files_begin_with_their_reason() {
    let problems = |path, text| layout::module_doc(&file(path, text)).len();
    assert_eq!(problems("host/a/src/lib.rs", "//! Why.\n"), 0);
    assert_eq!(problems("host/a/src/lib.rs", "use std::fs;\n"), 1);
    assert_eq!(problems("sdk/src/lib.rs", ""), 1);
    assert_eq!(problems("providers/secret/src/lib.rs", "use std::fs;\n"), 0);
}

#[test]
fn lints_are_expected_not_allowed() {
    let text = "//! Doc.\n#[expect(a, reason = \"b\")]\n#[allow(a)]\nconst T: &str = \"#[allow(\";\n";
    let found = layout::no_allow(&file("host/a/src/lib.rs", text));
    assert_eq!(found.iter().map(|problem| problem.line).collect::<Vec<_>>(), [3]);
    assert_eq!(layout::no_allow(&file("a.rs", "#![allow(dead_code)]\n")).len(), 1);
}

#[test]
fn the_top_level_is_closed() {
    for path in ["Cargo.toml", "host/a/src/lib.rs", "xtask/src/main.rs", ".ci/run"] {
        assert!(layout::top_level(&file(path, "")).is_empty(), "{path}");
    }
    for path in ["notes.md", "scripts/run.sh"] {
        assert_eq!(layout::top_level(&file(path, "")).len(), 1, "{path}");
    }
}

#[test]
fn places_and_servers_are_banned() {
    let place = ["/wo", "rk/"].concat();
    let server = ["index.Crates", ".io"].concat();
    let text = format!("see {place}main\nsrc{place}queue.rs\n\"{place}a\"\nfrom {server}\n");
    let found = words::banned(&file("docs/a.md", &text));
    assert_eq!(found.iter().map(|problem| problem.line).collect::<Vec<_>>(), [1, 3, 4]);
    assert!(words::banned(&file("Cargo.lock", &text)).is_empty());
}

#[test]
fn links_into_the_repository_are_found() {
    let text = concat!(
        "[a](there.md) and [b](sub/other.md#part \"title\")\n[c](https://example.com/x)\n",
        "[d](#here) `[e](code.md)`\n```\n[f](fenced.md)\n```\n[g]: <ref.md>\n",
    );
    let found = links::local_targets(text);
    let expected = [(1, "there.md"), (1, "sub/other.md"), (7, "ref.md")];
    assert_eq!(found, expected.map(|(line, target)| (line, target.to_owned())));
}

#[test]
fn broken_links_are_told_apart_from_whole_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = "[a](../Cargo.toml) [b](/src/main.rs) [c](gone.md)\n";
    let found = links::broken(&file("src/a.md", text), root);
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("src/a.md:1: the link to `gone.md`"), "{}", found[0]);
}

#[test]
fn arrows_follow_the_architecture() {
    let objects = |from, to, only_tests| objection(Arrow { from, to, only_tests }).is_some();
    for (from, to) in [
        ("larder-control", "larder-domain"),
        ("larder-api", "larder-control"),
        ("larder-sandbox", "wasmtime-wasi"),
        ("larder-containers", "bollard"),
        ("larder", "larder-sandbox"),
        ("larder-control", "tokio"),
        ("larder-bench", "wasmtime"),
    ] {
        assert!(!objects(from, to, false), "{from} -> {to}");
    }
    for (from, to) in [
        ("larder-control", "larder-store"),
        ("larder-api", "larder-sandbox"),
        ("larder", "wasmtime"),
        ("larder-domain", "tokio"),
        ("larder-domain", "larder-store"),
        ("larder-store", "axum"),
        ("larder-control", "bollard"),
        ("larder", "bollard-stubs"),
        ("larder-containers", "rusqlite"),
    ] {
        assert!(objects(from, to, false), "{from} -> {to}");
    }
    assert!(!objects("larder-control", "larder-store", true));
    assert!(objects("larder-api", "larder-sandbox", true));
}

#[test]
fn a_guest_without_a_test_and_a_row_without_one_are_told() {
    let row = "| looping | time | `limits::no_loop`, `e2e: a::really_there`, `network::tests` |\n";
    let files = [
        file("tests/guests/used/Cargo.toml", ""),
        file("tests/guests/idle/Cargo.toml", "\"idle\""),
        file("tests/guests/idle/src/lib.rs", "\"idle\""),
        file("tests/guests/README.md", row),
        file("tests/e2e/a.rs", "async fn really_there() { guest(\"used\") }"),
    ];
    let told = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(told(guests::unused(&files)).contains("`idle`") && guests::unused(&files).len() == 1);
    assert_eq!(
        told(guests::missing_tests(&files)),
        "tests/guests/README.md:1: there is no test `no_loop`: correct the name, or write the test"
    );
}
