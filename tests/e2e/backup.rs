//! Backups by command line: taken while the server works, restored somewhere else, and refused where they are not what they should be.

mod broken_off;
mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Host, behave};

/// Addons that are made before the backup begins.
const BEFORE: usize = 6;

/// Runs the program: exit code, standard output, standard error.
fn larder(data_dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = command(data_dir, args).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn command(data_dir: &Path, args: &[&str]) -> Command {
    let mut larder = Command::new(env!("CARGO_BIN_EXE_larder"));
    larder.args(args).env("LARDER_DATA_DIR", data_dir).env_remove("LARDER_URL").env_remove("LARDER_TOKEN");
    larder.stdin(Stdio::null());
    larder
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A backup of a host, in a folder of its own, and a copy of the key that it needs.
struct Backup {
    folder: TempDir,
}

impl Backup {
    fn of(host: &Host) -> Self {
        let it = Self { folder: TempDir::new().unwrap() };
        let (code, out, error) = host.cli(&["backup", "--output", path(&it.file())]);
        assert_eq!(code, 0, "{out}{error}");
        it.keep_key(host);
        it
    }

    fn keep_key(&self, host: &Host) {
        fs::copy(host.dir().join("sealing.key"), self.key()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("larder.backup")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("sealing.key")
    }

    /// Restores it to this directory, with this beside.
    fn restore(&self, to: &Path, beside: &[&str]) -> (i32, String, String) {
        let (file, key) = (self.file(), self.key());
        larder(to, &[&["restore", path(&file), "--key", path(&key)], beside].concat())
    }

    /// The same, where it must succeed.
    fn restored(&self) -> TempDir {
        let to = TempDir::new().unwrap();
        let (code, out, error) = self.restore(to.path(), &[]);
        assert_eq!(code, 0, "{out}{error}");
        to
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn request(name: &str) -> Value {
    let pending = json!({ "pending": { "after_ms": 20, "message": "not yet" } });
    let mut request = behave(json!({ "complete": [pending, { "ok": {} }] }));
    request["name"] = json!(name);
    request["attach_as"] = json!(name.replace('-', "_"));
    request
}

#[tokio::test]
async fn a_backup_taken_while_addons_are_made_has_every_one_that_was_acknowledged() {
    let mut host = Host::start(&["chameleon", "secret"]).await;
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let (mut acknowledged, mut variables) = (vec![], host.variables().await);
    for number in 0..BEFORE {
        acknowledged.push(host.create(request(&format!("before-{number}"))).await.id());
    }
    let backup = Backup { folder: TempDir::new().unwrap() };
    let (dir, file) = (host.dir().to_owned(), backup.file());
    let mut backing_up =
        tokio::task::spawn_blocking(move || larder(&dir, &["backup", "--json", "--output", path(&file)]));
    let mut during = 0;
    let (code, out, error) = loop {
        tokio::select! {
            done = &mut backing_up => break done.unwrap(),
            made = host.create(request(&format!("during-{during}"))) => drop(made.id()),
        }
        during += 1;
    };
    assert_eq!(code, 0, "{error}");
    assert!(during > 0, "somebody wrote meanwhile");
    backup.keep_key(&host);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["bytes"], fs::metadata(backup.file()).unwrap().len());
    let key = told["keys"][0].as_str().unwrap();
    assert!(error.contains(key) && error.contains("sealing.key"), "{error}");
    assert_eq!(mode(&backup.file()), 0o600);
    assert_eq!(names(backup.folder.path()), ["larder.backup", "sealing.key"]);
    assert!(names(host.dir()).iter().all(|name| !name.starts_with('.')), "nothing is left on the server");

    let (token, to) = (fs::read(host.dir().join("admin.token")).unwrap(), backup.restored());
    // A host beside which no providers lie has installed none.
    let there: Vec<_> = names(to.path()).into_iter().filter(|name| name != "shipped-providers").collect();
    assert_eq!(there, ["admin.token", "larder.db", "lock", "sealing.key"]);
    for name in names(to.path()) {
        assert_eq!(mode(&to.path().join(name)), 0o600);
    }
    assert_eq!((mode(to.path()), fs::read(to.path().join("admin.token")).unwrap()), (0o700, token));
    host.kill();
    host.restore(to);
    for id in &acknowledged {
        assert_eq!(host.settled(id).await["state"], "ready");
    }
    // What was there has the values that it had.
    let now = host.variables().await;
    variables.as_object_mut().unwrap().remove("LARDER_SERVICES");
    for (name, value) in variables.as_object().unwrap() {
        assert_eq!(&now[name], value);
    }
    let (_, audit, _) = host.cli(&["audit"]);
    assert!(audit.contains(" restored ") && audit.contains(" backed_up "), "{audit}");
}

#[tokio::test]
async fn a_backup_goes_through_a_pipe_and_a_whole_one_is_known() {
    let host = Host::start(&["secret"]).await;
    let mut backing_up = command(host.dir(), &["backup", "-o", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut checking = command(host.dir(), &["restore", "-", "--check"]);
    let checked = checking.stdin(backing_up.stdout.take().unwrap()).output().unwrap();
    assert!(backing_up.wait().unwrap().success());
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("the backup is whole, and the key fits"), "{checked:?}");
}

/// What is to be refused, and with which words.
fn assert_refused((code, out, error): &(i32, String, String), problem: &str, words: &[&str]) {
    assert_eq!(*code, if problem == "key_missing" { 2 } else { 1 }, "{out}{error}");
    assert!(problem == "key_missing" || error.contains(&format!("code: {problem}\n")), "{error}");
    assert!(error.contains("help: ") && words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
}

#[tokio::test]
async fn what_is_no_whole_backup_or_has_another_key_is_refused_and_changes_nothing() {
    let host = Host::start(&["secret"]).await;
    let backup = Backup::of(&host);
    let whole = fs::read(backup.file()).unwrap();
    let parent = TempDir::new().unwrap();
    let to = parent.path().join("data");
    let refused = |bytes: &[u8], problem: &str, words: &[&str]| {
        fs::write(backup.file(), bytes).unwrap();
        assert_refused(&backup.restore(&to, &[]), problem, words);
        assert_refused(&backup.restore(&to, &["--check"]), problem, words);
        assert_eq!(names(parent.path()), [""; 0]);
    };
    let changed = |at: usize, to: u8| {
        let mut bytes = whole.clone();
        bytes[at] = to;
        bytes
    };
    refused(&whole[..whole.len() / 2], "backup_truncated", &["cut off after"]);
    refused(&whole[..whole.len() - 1], "backup_truncated", &["cut off after"]);
    refused(&[], "backup_truncated", &["cut off after 0 bytes"]);
    refused(&changed(whole.len() / 2, !whole[whole.len() / 2]), "backup_damaged", &["checksum"]);
    refused(&[&whole[..], b"and more"].concat(), "backup_damaged", &["follows its end"]);
    refused(b"-- a dump of another program", "backup_foreign", &["no backup of Larder's", "larder backup"]);
    let format = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    refused(&changed(format, 200), "backup_newer", &["format 200", "newer"]);
    // Somebody who had no key has made the checksum anew.
    refused(&changed(whole.len() - 3, !whole[whole.len() - 3]), "backup_forged", &["did not have its key"]);

    fs::write(backup.file(), &whole).unwrap();
    let right = fs::read(backup.key()).unwrap();
    fs::write(backup.key(), "7".repeat(64)).unwrap();
    assert_refused(&backup.restore(&to, &[]), "wrong_key", &["needs the key", "--key"]);
    fs::write(backup.key(), "nothing like a key").unwrap();
    assert_refused(&backup.restore(&to, &[]), "key_unreadable", &["holds no key"]);
    assert_refused(&larder(&to, &["restore", path(&backup.file())]), "key_missing", &["--key", "sealing.key"]);
    assert_eq!(names(parent.path()), [""; 0]);
    fs::write(backup.key(), right).unwrap();
    assert_eq!(backup.restore(&to, &[]).0, 0);
}

#[tokio::test]
async fn what_is_there_already_is_moved_aside_on_demand_and_no_running_server_loses_its_data() {
    let mut host = Host::start(&["secret"]).await;
    let backup = Backup::of(&host);
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let later = host.variables().await;
    for beside in [&[][..], &["--replace"]] {
        assert_refused(&backup.restore(host.dir(), beside), "in_use", &["in use by process", "stop that server"]);
    }
    host.get("/healthz").await.expect(200);
    host.stop();
    assert_refused(&backup.restore(host.dir(), &[]), "not_empty", &["is not empty", "--replace"]);
    host.restart();
    assert_eq!(host.variables().await, later, "nothing has happened to it");
    host.stop();

    // The key that is there will do.
    let (code, out, error) = larder(host.dir(), &["restore", path(&backup.file()), "--replace", "--json"]);
    assert_eq!(code, 0, "{out}{error}");
    let told: Value = serde_json::from_str(&out).unwrap();
    host.restart();
    assert_eq!(host.variables().await, json!({}));
    host.kill();
    let aside = Path::new(told["aside"].as_str().unwrap());
    assert!(aside.file_name().unwrap().to_str().unwrap().ends_with(".before-restore"), "{aside:?}");
    let moved = TempDir::new().unwrap();
    fs::remove_dir(moved.path()).unwrap();
    fs::rename(aside, moved.path()).unwrap();
    host.restore(moved);
    assert_eq!(host.variables().await, later, "and what was there is there still");
}

#[tokio::test]
async fn a_directory_in_which_only_the_key_lies_is_as_good_as_empty() {
    let mut host = Host::start(&["secret"]).await;
    host.create_and_wait(json!({ "service": "secret" })).await.expect(201);
    let variables = host.variables().await;
    let backup = Backup::of(&host);
    host.kill();
    let parent = TempDir::new().unwrap();
    let to = parent.path().join("data");
    fs::create_dir(&to).unwrap();
    fs::copy(backup.key(), to.join("sealing.key")).unwrap();
    let (code, out, error) = larder(&to, &["restore", path(&backup.file())]);
    assert_eq!((code, names(parent.path())), (0, vec!["data".to_owned()]), "{out}{error}");
    assert!(error.contains("larder doctor") && error.contains("at the same time"), "{error}");
    let data = TempDir::new().unwrap();
    fs::remove_dir(data.path()).unwrap();
    fs::rename(&to, data.path()).unwrap();
    host.restore(data);
    assert_eq!(host.variables().await, variables);
}
