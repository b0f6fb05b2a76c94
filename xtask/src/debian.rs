//! Debian's packages, for what the tests need and a bare machine lacks: programs are looked for, and installed where that is allowed.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// Asked by maintainers' scripts whether they may start a service; where it is missing, they may.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Whether this process is root's.
pub(crate) fn is_root() -> bool {
    // SAFETY: a plain system call that cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Makes sure that all programs are there: the packages of those that are missing are installed, but start no service.
pub(crate) fn need(workspace: &Workspace, programs: &[(&str, &str)]) -> Result<()> {
    let mut packages: Vec<&str> =
        programs.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    if find("apt-get").is_none() || !is_root() {
        bail!("{names} must be installed, which needs root on Debian");
    }
    shell::say(&format!("      installing {names}"));
    let _quiet = NoServices::begin()?;
    let advice = "check the network and the package sources, then try again";
    shell::run(apt(workspace).arg("update"), advice)?;
    let mut install = apt(workspace);
    install.args(["install", "--yes", "--no-install-recommends"]).args(packages).stdout(Stdio::null());
    shell::run(&mut install, advice)?;
    match programs.iter().find(|(program, _)| find(program).is_none()) {
        Some((program, package)) => bail!("`{program}` is missing, although {package} was installed; Debian 12 has it"),
        None => Ok(()),
    }
}

/// The program's place: on PATH, or where programs for root are.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The program, which itself finds those for root.
pub(crate) fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    if let Ok(path) = env::join_paths(folders()) {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null());
    command
}

fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect()
}

/// The mirror that this machine takes Debian from.
pub(crate) fn mirror(workspace: &Workspace) -> Result<String> {
    let mut targets = shell::tool(workspace, "apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI)"]);
    let listed = shell::read(&mut targets, "mend the package sources")?;
    let main = |line: &&str| line.trim_end_matches('/').ends_with("/debian");
    let mirror = listed.lines().find(main).context("no Debian mirror is configured; add one to the package sources")?;
    Ok(mirror.to_owned())
}

fn apt(workspace: &Workspace) -> Command {
    let mut apt = shell::tool(workspace, "apt-get");
    apt.args(["-qq", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root"]);
    apt.env("DEBIAN_FRONTEND", "noninteractive").env("DEBCONF_NOWARNINGS", "yes").stdin(Stdio::null());
    apt
}

/// While it lives, a package that is installed starts no service: what is needed of it is started by hand, beside whatever runs.
struct NoServices {
    is_ours: bool,
}

impl NoServices {
    fn begin() -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY);
        let Ok(mut file) = file else {
            // Somebody has a policy already, or there is no folder for one.
            return Ok(Self { is_ours: false });
        };
        // It says no only as long as this process lives, should nobody be left to remove it.
        let text = format!("#!/bin/sh\nkill -0 {} 2>/dev/null && exit 101\nexit 0\n", std::process::id());
        file.write_all(text.as_bytes()).with_context(|| format!("{POLICY} cannot be written"))?;
        Ok(Self { is_ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours && Path::new(POLICY).exists() {
            // Harmless when left behind.
            let _ = fs::remove_file(POLICY);
        }
    }
}
