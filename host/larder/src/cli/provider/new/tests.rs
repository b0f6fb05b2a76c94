//! What a new project looks like.

use super::*;

const TEMPLATE: &[File] = &[
    ("Cargo.toml.tmpl", b"[package]\nname = \"{{name}}\"\n"),
    ("src/{{crate_name}}.rs", b"use {{crate_name}} as it; // {{other}}"),
    ("logo.bin", b"\xff{{name}}"),
];

fn find<'a>(files: &'a [(PathBuf, Vec<u8>)], path: &str) -> Option<&'a [u8]> {
    files.iter().find(|(found, _)| found == Path::new(path)).map(|(_, content)| content.as_slice())
}

fn args(name: &str, path: &Path) -> NewArgs {
    NewArgs { name: name.parse().unwrap(), path: Some(path.to_owned()) }
}

#[test]
fn names_are_put_in_their_places() {
    let files = project("my-redis", TEMPLATE);
    assert_eq!(find(&files, "Cargo.toml"), Some(b"[package]\nname = \"my-redis\"\n".as_slice()));
    assert_eq!(find(&files, "src/my_redis.rs"), Some(b"use my_redis as it; // {{other}}".as_slice()));
    assert_eq!(find(&files, "logo.bin"), Some(b"\xff{{name}}".as_slice()));
}

#[test]
fn the_sdk_and_the_interfaces_come_along() {
    let files = project("redis", TEMPLATE);
    for path in [".larder/sdk/Cargo.toml", ".larder/sdk/src/lib.rs", ".larder/wit/provider/lifecycle.wit"] {
        assert!(find(&files, path).is_some_and(|content| !content.is_empty()), "{path} is missing");
    }
    let strays = ["template", "target", "Cargo.lock"].map(|name| Path::new(".larder/sdk").join(name));
    assert!(files.iter().all(|(path, _)| strays.iter().all(|stray| !path.starts_with(stray))));
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("below/redis");
    let files = project_files();
    write(&project, &files).unwrap();
    assert!(project.join("Cargo.toml").is_file());
    std::fs::write(project.join("Cargo.toml"), "mine").unwrap();
    assert!(write(&project, &files).is_err());
    assert_eq!(std::fs::read_to_string(project.join("Cargo.toml")).unwrap(), "mine");
}

fn project_files() -> Vec<(PathBuf, Vec<u8>)> {
    super::project("redis", TEMPLATE)
}

#[test]
fn a_name_that_no_package_may_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let failure = run(Out::default(), &args("3scale", &folder.path().join("x"))).unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
    assert!(!folder.path().join("x").exists());
}
