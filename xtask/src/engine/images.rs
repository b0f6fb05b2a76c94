//! The images that tests run: made here of Debian's packages and of what is in `tests/images`, since nothing can be pulled everywhere.
//!
//! One root with all packages is the costly part; it stays in the engine under a name that tells what it was made from.
//! Five sets of settings on top of it are the images. Each carries a label with the recipe that it was made by, so that
//! a changed recipe makes it anew.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::engine::docker;
use crate::engine::place::Place;
use crate::workspace::Workspace;
use crate::{debian, shell};

/// The names of the images, `larder-test/redis:1` and so on.
pub(crate) const IMAGES: [&str; 5] = ["redis", "postgres", "mariadb", "memcached", "rabbitmq"];

const ROOT: &str = "larder-test/root";
/// What the tests of the engine itself run.
const BUSYBOX: &str = "larder-test/busybox:1";
const RELEASE: &str = "bookworm";
/// How many roots of older recipes stay: checkouts of several branches take turns.
const OLDER_MAX: usize = 2;
const PACKAGES: &str = "redis-server,postgresql-15,mariadb-server-core,mariadb-client,memcached,rabbitmq-server";

/// Nothing is written to be kept for long, and nobody reads manuals in there: a third less time.
const DPKG: &str = "force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n\
    path-exclude=/usr/share/locale/*\npath-exclude=/usr/share/info/*\n";

const LABEL: &str = "larder.recipe";
const PROGRAMS: [(&str, &str); 1] = [("debootstrap", "debootstrap")];

/// Makes those images that the engine lacks.
pub(crate) fn ensure(workspace: &Workspace, endpoint: &str, place: &Place) -> Result<()> {
    if label(endpoint, BUSYBOX).is_none() {
        timed(&format!("image: {BUSYBOX}"), || make_busybox(workspace, endpoint, place))?;
    }
    let folder = workspace.root.join("tests/images");
    let recipe = Recipe::read(&folder)?;
    if IMAGES.iter().all(|name| is_there(endpoint, name, &recipe)) {
        return Ok(());
    }
    let root = format!("{ROOT}:{}", recipe.root);
    if label(endpoint, &root).is_none() {
        timed("a root of Debian's packages, about two minutes", || make_root(workspace, endpoint, place, &root))?;
    }
    timed(&format!("images: {}", IMAGES.join(", ")), || {
        IMAGES.iter().try_for_each(|name| build(endpoint, &folder, name, &root, &recipe))
    })?;
    drop_older(endpoint, &recipe);
    Ok(())
}

/// What images are made from, as short names: another name, another image.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    root: String,
    images: String,
}

impl Recipe {
    /// Reads the folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let script = fs::read(folder.join("root.sh")).context("tests/images/root.sh cannot be read")?;
        let root = hash([RELEASE.as_bytes(), PACKAGES.as_bytes(), DPKG.as_bytes(), &script]);
        let mut files = Vec::new();
        collect(folder, &mut files).context("tests/images cannot be read")?;
        files.sort();
        let parts = files.iter().flat_map(|(path, bytes)| [path.as_os_str().as_encoded_bytes(), bytes.as_slice()]);
        let images = hash(std::iter::once(root.as_bytes()).chain(parts));
        Ok(Self { root, images })
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            // Without the checkout's own path, so that all checkouts share the images.
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            let name = folder.file_name().map(PathBuf::from).unwrap_or_default().join(name);
            files.push((name, fs::read(&path)?));
        }
    }
    Ok(())
}

/// FNV-1a, the same with every compiler. It tells recipes apart and guards nothing.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let part =
        |hash, part: &[u8]| part.iter().copied().fold(part.len().to_le_bytes().into_iter().fold(hash, step), step);
    format!("{:016x}", parts.into_iter().fold(0xcbf2_9ce4_8422_2325, part))
}

fn is_there(endpoint: &str, name: &str, recipe: &Recipe) -> bool {
    label(endpoint, &format!("larder-test/{name}:1")).is_some_and(|label| label == recipe.images)
}

/// The recipe that an image was made by; `None` if there is no such image.
fn label(endpoint: &str, image: &str) -> Option<String> {
    let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
    let output = shell::ask(docker(endpoint).args(["image", "inspect", "--format", &format, image]))?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn timed(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    shell::say(&format!("      {what}"));
    let began = Instant::now();
    work()?;
    shell::say(&format!("      … made in {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

/// The smallest image with a shell: one program, by all its names.
fn make_busybox(workspace: &Workspace, endpoint: &str, place: &Place) -> Result<()> {
    debian::need(workspace, &[("busybox", "busybox-static")])?;
    let program = debian::find("busybox").context("busybox was installed and is not there")?;
    let folder = place.cache.join("busybox");
    shell::remove_folder(&folder)?;
    let bin = folder.join("bin");
    let made = || format!("{} cannot be made", bin.display());
    fs::create_dir_all(&bin).with_context(made)?;
    fs::copy(&program, bin.join("busybox")).with_context(made)?;
    let names = shell::read(debian::tool("busybox").arg("--list"), "install busybox-static")?;
    for name in names.lines().filter(|name| *name != "busybox") {
        symlink("busybox", bin.join(name)).with_context(made)?;
    }
    import(endpoint, &folder, BUSYBOX)?;
    shell::remove_folder(&folder)
}

/// In the cache folder, since a temporary one may be in memory, or forbid devices.
fn make_root(workspace: &Workspace, endpoint: &str, place: &Place, name: &str) -> Result<()> {
    debian::need(workspace, &PROGRAMS)?;
    let folder = place.cache.join("root");
    shell::remove_folder(&folder)?;
    let config = folder.join("etc/dpkg/dpkg.cfg.d");
    fs::create_dir_all(&config).with_context(|| format!("{} cannot be made", config.display()))?;
    fs::write(config.join("lean"), DPKG).context("the root's settings cannot be written")?;
    let log = place.cache.join("root.log");
    let output = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
    let errors = output.try_clone().context("the log of debootstrap cannot be written")?;
    let mut debootstrap = debian::tool("debootstrap");
    debootstrap.args(["--variant=minbase", &format!("--include={PACKAGES}"), RELEASE]).arg(&folder);
    debootstrap.arg(debian::mirror(workspace)?).stdin(Stdio::null()).stdout(output).stderr(errors);
    shell::run(&mut debootstrap, &format!("see {}", log.display()))?;
    let script = fs::read_to_string(workspace.root.join("tests/images/root.sh")).context("root.sh cannot be read")?;
    let mut chroot = debian::tool("chroot");
    chroot.arg(&folder).args(["/bin/bash", "-c", &script]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    shell::run(&mut chroot, "mend tests/images/root.sh")?;
    import(endpoint, &folder, name)?;
    shell::remove_folder(&folder)
}

/// `tar` into `docker import`, with owners by number.
fn import(endpoint: &str, folder: &Path, name: &str) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("--directory").arg(folder).args(["--one-file-system", "--numeric-owner", "--create", "."]);
    let mut packing = tar.stdout(Stdio::piped()).spawn().context("`tar` could not be started; install it")?;
    let packed = packing.stdout.take().context("`tar` has no output")?;
    let mut import = docker(endpoint);
    import.args(["import", "--change", &format!("LABEL {LABEL}=root"), "-", name]);
    let imported = shell::run(import.stdin(packed).stdout(Stdio::null()), "is the disk full?");
    let status = packing.wait().context("`tar` cannot be waited for")?;
    imported?;
    if !status.success() {
        bail!("`tar` failed ({status}); is the disk full?");
    }
    Ok(())
}

/// By the engine's own builder, which needs no plugin and no network.
fn build(endpoint: &str, folder: &Path, name: &str, root: &str, recipe: &Recipe) -> Result<()> {
    let mut build = docker(endpoint);
    build
        .env("DOCKER_BUILDKIT", "0")
        .args(["build", "--quiet", "--network", "none", "--target", name, "--build-arg", &format!("ROOT={root}")])
        .args(["--label", &format!("{LABEL}={}", recipe.images), "--tag", &format!("larder-test/{name}:1")])
        .arg(folder);
    let output = shell::ask(&mut build).context("`docker` could not be started; install docker.io")?;
    if !output.status.success() {
        bail!("the image {name} can't be built: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Removes the oldest roots, and the images that lost their names. The engine lists the newest first.
fn drop_older(endpoint: &str, recipe: &Recipe) {
    let output = shell::ask(docker(endpoint).args(["images", "--format", "{{.Tag}}", ROOT]));
    let tags = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    for tag in tags.lines().filter(|tag| **tag != recipe.root).skip(OLDER_MAX) {
        let _ = shell::ask(docker(endpoint).args(["image", "rm", &format!("{ROOT}:{tag}")]));
    }
    let _ = shell::ask(docker(endpoint).args(["image", "prune", "--force", "--filter", &format!("label={LABEL}")]));
}
