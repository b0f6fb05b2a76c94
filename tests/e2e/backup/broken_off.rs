//! Backups and restores that are broken off in the middle: nothing of them goes by the name of a whole.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Backup, command, larder, names, path};
use crate::support::{Host, until};

/// A server that sends the first half of a backup, and keeps the rest until it is dropped.
struct Half {
    listener: TcpListener,
    bytes: Vec<u8>,
}

impl Half {
    fn of(backup: &Backup) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), bytes: fs::read(backup.file()).unwrap() }
    }

    /// The command that asks it.
    fn command(&self, output: &Path) -> Command {
        let url = format!("http://{}", self.listener.local_addr().unwrap());
        let mut command = command(Path::new("/nowhere"), &["--url", &url, "--token", "t", "backup", "--output"]);
        command.arg(output).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn answer(&self) -> TcpStream {
        let (mut stream, _) = self.listener.accept().unwrap();
        let mut head = [0; 4_096];
        let _request = stream.read(&mut head).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", self.bytes.len()).unwrap();
        stream.write_all(&self.bytes[..self.bytes.len() / 2]).unwrap();
        stream
    }
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// Waits until something that is no whole was written into a folder.
async fn begun(folder: &Path, prefix: &str) {
    let is_begun = || names(folder).iter().any(|name| name.starts_with(prefix));
    until("it to begin", async || is_begun().then_some(())).await;
}

#[tokio::test]
async fn a_backup_that_is_broken_off_leaves_no_file_by_its_name() {
    let host = Host::start(&["secret"]).await;
    let half = Half::of(&Backup::of(&host));
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("larder.backup");

    let asking = half.command(&output).spawn().unwrap();
    drop(half.answer());
    let ended = asking.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(3) && error.contains("code: backup_incomplete"), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);

    let asking = half.command(&output).spawn().unwrap();
    let _stream = half.answer();
    begun(folder.path(), ".larder-backup-").await;
    signal(&asking, "-INT");
    let ended = asking.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && error.contains("code: interrupted"), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);

    let mut asking = half.command(&output).spawn().unwrap();
    let _stream = half.answer();
    begun(folder.path(), ".larder-backup-").await;
    asking.kill().unwrap();
    asking.wait().unwrap();
    assert!(!output.exists());
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_is_there_is_not_written_over() {
    let host = Host::start(&["secret"]).await;
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = command(host.dir(), &["backup", "-o", "-"]).stdout(full).output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && error.contains("code: output_lost"), "{error}");
    let (code, _, error) = host.cli(&["backup", "-o", "/dev/full"]);
    assert!(code == 2 && error.contains("is no file"), "{error}");

    let folder = TempDir::new().unwrap();
    let output = folder.path().join("larder.backup");
    // As on a disk with no room for all of it.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" backup -o \"$1\"";
    let mut small = Command::new("sh");
    small.args(["-c", script, env!("CARGO_BIN_EXE_larder"), path(&output)]).env("LARDER_DATA_DIR", host.dir());
    let ended = small.output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && error.contains("code: unwritable"), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);

    fs::write(&output, "mine").unwrap();
    let (code, _, error) = host.cli(&["backup", "-o", path(&output)]);
    assert!(code == 1 && error.contains("code: file_exists") && error.contains("--force"), "{error}");
    assert_eq!(fs::read(&output).unwrap(), b"mine");
    assert_eq!(host.cli(&["backup", "-o", path(&output), "--force"]).0, 0);
    assert_eq!(names(folder.path()), ["larder.backup"]);
    let (code, out, error) = larder(host.dir(), &["restore", path(&output), "--check"]);
    assert_eq!(code, 0, "{out}{error}");
}

#[tokio::test]
async fn a_restore_that_is_killed_has_changed_nothing_and_the_next_one_tidies_up() {
    let host = Host::start(&["secret"]).await;
    let backup = Backup::of(&host);
    let whole = fs::read(backup.file()).unwrap();
    let parent = TempDir::new().unwrap();
    let to = parent.path().join("data");
    let key = backup.key();
    let mut restoring = command(&to, &["restore", "-", "--key", path(&key)]).stdin(Stdio::piped()).spawn().unwrap();
    restoring.stdin.as_mut().unwrap().write_all(&whole[..whole.len() / 2]).unwrap();
    begun(parent.path(), ".data.restore-").await;
    // Another one at the same time takes nothing away from it.
    let (code, out, error) = backup.restore(&parent.path().join("data"), &["--check"]);
    assert_eq!(code, 0, "{out}{error}");
    restoring.kill().unwrap();
    restoring.wait().unwrap();
    let left = names(parent.path());
    assert!(left.len() == 1 && left[0].starts_with(".data.restore-"), "{left:?}");

    let (code, out, error) = backup.restore(&to, &[]);
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(names(parent.path()), ["data"]);
}
