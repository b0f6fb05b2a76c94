//! What is read, what is refused, what is permitted.

use serde_json::{Value, json};

use super::*;
use crate::secret::SecretString;

fn container(name: &str, more: &Value) -> Value {
    let mut document =
        json!({ "kind": "container", "name": name, "image": "redis:7", "memory_bytes": 64 * 1024 * 1024 });
    let more = more.as_object().cloned().unwrap_or_default();
    document.as_object_mut().unwrap().extend(more);
    document
}

fn objects(documents: &[Value]) -> Objects {
    let wanted = documents.iter().map(|document| Wanted::parse(SecretString::new(document.to_string())).unwrap());
    wanted.map(|wanted| (wanted.spec.name().clone(), wanted)).collect()
}

fn policy(asked: &[&str], granted: &[&str]) -> Policy {
    let read = |values: &[&str]| values.iter().map(|value| value.parse().unwrap()).collect();
    Policy::new(read(asked), read(granted))
}

#[test]
fn an_image_is_named_literally() {
    for name in ["redis:7", "registry.example:5000/team/redis:7.2-alpine", "a/b_c/d-e:_x"] {
        assert_eq!(name.parse::<Image>().unwrap().to_string(), name);
    }
    let digest = format!("redis@sha256:{}", "0f".repeat(32));
    assert_eq!(digest.parse::<Image>().unwrap().to_string(), digest);
    let long = format!("{}:7", "a".repeat(300));
    let cases: [&str; 22] = [
        "redis",
        "",
        ":7",
        "redis:",
        "Redis:7",
        "redis:7 --privileged",
        "redis:7\n",
        "--privileged:7",
        "../redis:7",
        "a/../redis:7",
        "library//redis:7",
        "/redis:7",
        "redis:.7",
        "redis:-7",
        "redis@sha256:00",
        "redis@md5:00",
        "redis:7@",
        "re\0dis:7",
        "rédis:7",
        "redis:7:8",
        "host:99999/redis:7",
        &long,
    ];
    for name in cases {
        assert!(name.parse::<Image>().is_err(), "{name:?}");
    }
}

#[test]
fn a_grant_has_one_spelling_that_says_all() {
    for (given, canonical) in [
        ("redis:7", "redis:7 containers=1 memory=512MiB cpus=1 pids=128"),
        ("redis:* cpus=0.50 memory=1024MiB", "redis:* containers=1 memory=1GiB cpus=0.5 pids=128"),
        (
            "pg:16 capabilities=SETUID,CHOWN commands=psql,pg_dump containers=2 pids=200",
            "pg:16 containers=2 memory=512MiB cpus=1 pids=200 capabilities=CHOWN,SETUID commands=pg_dump,psql",
        ),
        ("volumes=3", "volumes=3"),
    ] {
        let grant: Grant = given.parse().unwrap();
        assert_eq!(grant.to_string(), canonical);
        assert_eq!(canonical.parse::<Grant>().unwrap(), grant);
    }
    for wrong in [
        "",
        "redis",
        "*",
        "*:*",
        "redis:7*",
        "redis:7  cpus=1",
        "redis:7 cpus",
        "redis:7 cpus=0",
        "redis:7 cpus=-1",
        "redis:7 cpus=1.2345",
        "redis:7 memory=0",
        "redis:7 memory=5MiB",
        "redis:7 memory=99999999999GiB",
        "redis:7 memory=512mb",
        "redis:7 pids=0",
        "redis:7 pids=99999",
        "redis:7 containers=17",
        "volumes=0",
        "volumes=3 cpus=1",
        "redis:7 cpus=1 cpus=2",
        "redis:7 capabilities=SYS_ADMIN",
        "redis:7 commands=a b",
        "redis:7 commands=--x",
        "redis:7 privileged=true",
        "redis:7 containers=01",
    ] {
        assert!(wrong.parse::<Grant>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_grant_covers_what_it_would_permit() {
    for (wide, narrow, covers) in [
        ("redis:*", "redis:7", true),
        ("redis:7", "redis:*", false),
        ("redis:7", "redis:8", false),
        ("redis:7 memory=1GiB", "redis:7", true),
        ("redis:7", "redis:7 memory=1GiB", false),
        ("redis:7 commands=a,b", "redis:7 commands=b", true),
        ("redis:7", "redis:7 commands=b", false),
        ("redis:7 capabilities=CHOWN", "redis:7 capabilities=SETUID", false),
        ("volumes=2", "volumes=1", true),
        ("volumes=1", "redis:7", false),
        ("team/redis:*", "redis:7", false),
    ] {
        let (wide, narrow): (Grant, Grant) = (wide.parse().unwrap(), narrow.parse().unwrap());
        assert_eq!(wide.covers(&narrow), covers, "{wide} / {narrow}");
    }
}

#[test]
fn both_lists_must_permit_what_an_addon_has() {
    let with = |more: Value| objects(&[container("a", &more)]);
    let both = |grant: &str| policy(&[grant], &[grant]);
    assert!(both("redis:7").permits(&with(json!({}))).is_ok());
    assert!(policy(&["redis:7"], &[]).permits(&with(json!({}))).is_err());
    assert!(policy(&[], &["redis:7"]).permits(&with(json!({}))).is_err());
    for (more, wanted) in [
        (json!({ "image": "redis:8" }), "redis:8"),
        (json!({ "image": "evil/redis:7" }), "evil/redis:7"),
        (json!({ "memory_bytes": 513 * 1024 * 1024 }), "redis:7 memory=513MiB"),
        (json!({ "cpu_millis": 1500 }), "redis:7 cpus=1.5"),
        (json!({ "pids": 129 }), "redis:7 pids=129"),
        (json!({ "capabilities": ["CHOWN"] }), "redis:7 capabilities=CHOWN"),
    ] {
        let Err(Refused::Denied(denied)) = both("redis:7").permits(&with(more)) else {
            panic!("{wanted} is permitted")
        };
        assert_eq!((denied.wanted.as_str(), denied.missing), (wanted, None));
    }
    let digest = json!({ "image": format!("redis:7@sha256:{}", "0f".repeat(32)) });
    assert!(both("redis:7").permits(&with(digest.clone())).is_err(), "beside a digest a tag means nothing");
    assert!(both("redis:*").permits(&with(digest)).is_ok());
    let others = objects(&[container("a", &json!({})), container("b", &json!({ "image": "redis:6" }))]);
    assert!(both("redis:*").permits(&others).is_err(), "all tags count together");
    let two = objects(&[container("a", &json!({})), container("b", &json!({}))]);
    assert!(both("redis:7").permits(&two).is_err());
    assert!(both("redis:7 containers=2").permits(&two).is_ok());
}

#[test]
fn what_is_missing_is_what_the_manifest_asks_for() {
    let asked = "redis:7 containers=1 memory=1GiB cpus=1 pids=128";
    let refused =
        policy(&[asked], &["redis:7"]).permits(&objects(&[container("a", &json!({ "memory_bytes": 1 << 30 }))]));
    let Err(Refused::Denied(denied)) = refused else { panic!("it is permitted") };
    assert_eq!((denied.wanted.as_str(), denied.missing.as_deref()), ("redis:7 memory=1GiB", Some(asked)));
}

#[test]
fn volumes_are_granted_by_number_and_mounted_by_name() {
    let volume = |name: &str| json!({ "kind": "volume", "name": name });
    let mounts = json!({ "mounts": [{ "volume": "data", "path": "/data" }] });
    let granted = ["redis:7", "volumes=1"];
    let both = policy(&granted, &granted);
    assert!(both.permits(&objects(&[volume("data"), container("a", &mounts)])).is_ok());
    assert!(both.permits(&objects(&[volume("data"), volume("more")])).is_err());
    assert!(matches!(both.permits(&objects(&[container("a", &mounts)])), Err(Refused::NoVolume(_))));
    let own = json!({ "mounts": [{ "volume": "a", "path": "/data" }] });
    assert!(matches!(both.permits(&objects(&[container("a", &own)])), Err(Refused::NoVolume(_))));
    assert!(policy(&["redis:7"], &["redis:7"]).permits(&objects(&[volume("data")])).is_err());
}

#[test]
fn commands_are_granted_by_the_names_of_programs() {
    let ObjectSpec::Container(spec) = objects(&[container("a", &json!({}))]).into_values().next().unwrap().spec else {
        panic!("it is no container")
    };
    let both = policy(&["redis:7 commands=redis-cli"], &["redis:7 commands=redis-cli,sh"]);
    assert!(both.permits_command(&spec, "redis-cli").is_ok());
    for program in ["sh", "", "redis-cli ", "/bin/redis-cli"] {
        assert!(both.permits_command(&spec, program).is_err(), "{program:?}");
    }
}

#[test]
fn a_document_has_no_way_to_the_hosts_own() {
    let refused = |more: Value| ObjectSpec::parse(&container("a", &more).to_string()).unwrap_err().to_string();
    for field in ["privileged", "devices", "network_mode", "pid_mode", "cap_add", "binds", "sysctls", "runtime"] {
        assert!(refused(json!({ field: true })).contains("unknown field"), "{field}");
    }
    for path in ["data", "/", "", "/a/../b", "/a//b", "/proc/1", "/sys", "/dev/shm", "/a:ro", "/a\nb", "/data/"] {
        let mount = json!({ "mounts": [{ "volume": "data", "path": path }] });
        assert!(refused(mount).contains("no place for a mount"), "{path:?}");
    }
    for (more, why) in [
        (json!({ "memory_bytes": 0 }), "memory_bytes"),
        (json!({ "memory_bytes": u64::MAX }), "memory_bytes"),
        (json!({ "memory_bytes": -1 }), "invalid value"),
        (json!({ "cpu_millis": 0 }), "cpu_millis"),
        (json!({ "pids": 0 }), "pids"),
        (json!({ "ports": [0] }), "ports"),
        (json!({ "ports": [1, 1] }), "ports"),
        (json!({ "mounts": [{ "volume": "a", "path": "/d" }, { "volume": "b", "path": "/d" }] }), "two mounts"),
        (json!({ "mounts": [{ "volume": "a", "path": "/d" }], "tmpfs": [{ "path": "/d", "bytes": 1 }] }), "two mounts"),
        (json!({ "user": "root; rm" }), "user"),
        (json!({ "env": { "A=B": "c" } }), "environment"),
        (json!({ "env": { "A": "c\u{0}" } }), "NUL"),
        (json!({ "command": vec!["x"; 65] }), "command"),
        (json!({ "tmpfs": [{ "path": "/tmp", "bytes": 1_u64 << 40 }] }), "tmpfs"),
        (json!({ "capabilities": ["SYS_ADMIN"] }), "unknown variant"),
        (json!({ "name": "../x" }), "name"),
        (json!({ "name": "x".repeat(64) }), "name"),
        (json!({ "stop_s": 1000 }), "stop_s"),
    ] {
        let reason = refused(more);
        assert!(reason.contains(why), "{why}: {reason}");
    }
    let long = container("a", &json!({ "env": { "A": "x".repeat(SPEC_BYTES_MAX) } })).to_string();
    assert!(ObjectSpec::parse(&long).unwrap_err().to_string().contains("bytes"));
}

#[test]
fn what_is_stored_keeps_no_rules_that_are_younger_than_it() {
    let twice = json!({ "mounts": [{ "volume": "a", "path": "/d" }, { "volume": "b", "path": "/d" }] });
    let document = || SecretString::new(container("a", &twice).to_string());
    assert!(Wanted::parse(document()).is_err());
    let stored = Wanted::stored(document()).unwrap();
    assert_eq!((stored.spec.name().as_str(), stored.document), ("a", document()));
    assert!(Wanted::stored(SecretString::new(r#"{"kind":"container"}"#)).is_err());
}

#[test]
fn a_document_shows_no_secret_when_it_is_printed() {
    let wanted = objects(&[container("a", &json!({ "command": ["hunter2"], "env": { "P": "hunter2" } }))]);
    assert!(!format!("{wanted:?}").contains("hunter2"));
}

#[test]
fn too_many_objects_are_refused() {
    let heavy = |n: usize| container(&format!("c{n}"), &json!({ "env": { "A": "x".repeat(SPEC_BYTES_MAX - 512) } }));
    let heavy: Vec<Value> = (0..5).map(heavy).collect();
    let grants = ["redis:7 containers=16"];
    assert_eq!(policy(&grants, &grants).permits(&objects(&heavy)), Err(Refused::TooMany));
    assert!(policy(&grants, &grants).permits(&objects(&heavy[..3])).is_ok());
    let all: Vec<Value> = (0..=OBJECTS_MAX).map(|n| json!({ "kind": "volume", "name": format!("v{n}") })).collect();
    assert_eq!(policy(&["volumes=16"], &["volumes=16"]).permits(&objects(&all)), Err(Refused::TooMany));
}

#[test]
fn long_words_of_an_environment_may_be_secrets() {
    let document = r#"{"kind":"container","name":"db","image":"redis:7","memory_bytes":67108864,
        "env":{"A":"postgres","B":"/var/lib/postgresql","C":"hunter2-hunter2"}}"#;
    let wanted = Wanted::parse(crate::SecretString::new(document)).unwrap();
    assert_eq!(wanted.secrets().map(crate::SecretString::reveal).collect::<Vec<_>>(), ["hunter2-hunter2"]);
}
