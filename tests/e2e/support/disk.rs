//! A disk of a test's own, which gets full or breaks. It is mounted where only this test sees it, and goes with the test.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::world::run;

/// What fills a disk.
const FILLER: &str = "filler";
/// What is written at once, in bytes: the last of them fill what is left.
const PIECES_BYTES: [usize; 3] = [1024 * 1024, 4096, 1];

/// Where a host runs whose data are on such a disk, and what its data directory is called there. The test sees that elsewhere.
pub(super) struct Within {
    namespace: String,
    pub(super) dir: PathBuf,
}

impl Within {
    /// A program in there.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(&self.namespace).arg(program);
        command
    }
}

/// A disk, gone when dropped.
pub(crate) struct Disk {
    /// Whoever has the only sight of it; ends with this process.
    keeper: Child,
    /// Its place as everybody can go to it.
    path: PathBuf,
    /// The same as its keeper sees it, and what it is made of.
    outside: TempDir,
}

impl Disk {
    /// A disk of so many MiB, in memory.
    pub(crate) fn of_mib(mib: u32) -> Self {
        Self::mounted(&format!("mount -t tmpfs -o size={mib}m tmpfs \"$1/disk\""), TempDir::new().unwrap())
    }

    /// A disk that can be broken.
    pub(crate) fn fragile(mib: u64) -> Self {
        let outside = TempDir::new().unwrap();
        let image = outside.path().join("image");
        File::create_new(&image).unwrap().set_len(mib * 1024 * 1024).unwrap();
        run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        Self::mounted("mount -o loop,errors=remount-ro \"$1/image\" \"$1/disk\"", outside)
    }

    fn mounted(mount: &str, outside: TempDir) -> Self {
        fs::create_dir(outside.path().join("disk")).unwrap();
        let mut keeper = Command::new("unshare");
        keeper.args(["--mount", "--propagation", "private", "sh", "-c"]);
        keeper.arg(format!("{mount} && echo ready && read -r _")).arg("sh").arg(outside.path());
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n", "the disk can't be mounted");
        let seen = outside.path().join("disk");
        let path = Path::new("/proc").join(keeper.id().to_string()).join("root").join(seen.strip_prefix("/").unwrap());
        Self { keeper, path, outside }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whoever uses a folder on it.
    pub(super) fn within(&self, folder: &Path) -> Within {
        let dir = self.outside.path().join("disk").join(folder.strip_prefix(&self.path).unwrap());
        Within { namespace: format!("--mount=/proc/{}/ns/mnt", self.keeper.id()), dir }
    }

    /// A file elsewhere, which has room whatever becomes of this disk.
    pub(super) fn elsewhere(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    /// Leaves no room on it.
    pub(crate) fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.path.join(FILLER)).unwrap();
        for bytes in PIECES_BYTES {
            let piece = vec![0; bytes];
            while filler.write_all(&piece).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.path.join(FILLER)).unwrap();
    }

    /// Has what a test itself has put there survive whatever comes.
    pub(super) fn sync(&self) {
        self.inside("sync -f \"$1/disk\"");
    }

    /// Has its file system find that it is broken: from then on it can only be read.
    pub(crate) fn break_down(&self) {
        self.inside("mount -o remount,abort \"$1/disk\"");
    }

    /// The same disk after it was mended. Nobody may have a file on it open.
    pub(crate) fn mend(&self) {
        self.inside("umount \"$1/disk\" && mount -o loop,errors=remount-ro \"$1/image\" \"$1/disk\"");
    }

    fn inside(&self, script: &str) {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id())).args(["sh", "-c", script, "sh"]);
        run(command.arg(self.outside.path()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = self.keeper.kill();
        let _reaped = self.keeper.wait();
    }
}
