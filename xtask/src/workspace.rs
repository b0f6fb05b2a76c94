//! Where things are: the checkout, its target folder, the guests' folders.
//!
//! Everything is found at run time, so that a copied or moved checkout works, from any folder in it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::toolchain::GuestToolchain;

/// One checkout of the repository.
pub(crate) struct Workspace {
    /// Top of the checkout, absolute.
    pub(crate) root: PathBuf,
    /// Cargo's target folder for the host, absolute; handed to every cargo that is started.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Finds the checkout: the one cargo runs us from, else the one around the current folder, else
    /// the one this program was compiled in.
    pub(crate) fn find() -> Result<Self> {
        let here = env::current_dir().context("the current folder cannot be read")?;
        let from_cargo = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let compiled = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root =
            from_cargo.iter().map(PathBuf::as_path).chain([here.as_path(), compiled]).find_map(enclosing_checkout);
        let Some(root) = root else {
            bail!("no checkout of Larder around {}; change into one and try again", here.display())
        };
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()) {
            Some(folder) => here.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The workspace of the guests: shipped providers and test guests.
    pub(crate) fn guest_manifest(&self) -> PathBuf {
        self.root.join("providers/Cargo.toml")
    }

    /// Target folder of the guests. Rustup's toolchains use the one that a plain cargo in there would.
    /// A linked one has a folder to itself, because cargo does not notice that its standard library is
    /// another.
    pub(crate) fn guest_target(&self, toolchain: &GuestToolchain) -> PathBuf {
        let shared = if self.target == self.root.join("target") {
            self.root.join("providers/target")
        } else {
            self.target.join("guests")
        };
        match toolchain.std_build {
            None => shared,
            Some(_) => shared.join(&toolchain.name),
        }
    }

    /// A folder for this program's own short-lived files.
    pub(crate) fn scratch(&self) -> Result<PathBuf> {
        let folder = self.target.join("xtask");
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(folder)
    }
}

fn enclosing_checkout(folder: &Path) -> Option<PathBuf> {
    let is_checkout =
        |folder: &&Path| folder.join("xtask/guest-toolchain.sh").is_file() && folder.join("host").is_dir();
    folder.ancestors().find(is_checkout).map(Path::to_path_buf)
}

/// Whether this run is unattended, where "skipped" must not look like "passed".
pub(crate) fn in_ci() -> bool {
    matches!(env::var("CI").as_deref(), Ok("true" | "1"))
}

/// Whether tests may install packages, start services and take minutes.
pub(crate) fn may_change_the_machine() -> bool {
    in_ci() || env::var_os("LARDER_WORLD").is_some()
}

/// A folder for what is made once, outside the checkout, so that all checkouts share it.
pub(crate) fn cache() -> Result<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("larder"))
        .context("no folder for tools; set HOME or XDG_CACHE_HOME")
}
