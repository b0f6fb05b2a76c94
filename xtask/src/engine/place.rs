//! Where the private engine keeps what: images outlive a run, in the user's cache folder; sockets, locks and the log do
//! not outlive the machine, in `/run`, whose paths are short enough for sockets.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::workspace;

/// The one place of the one private engine of a machine.
#[derive(Clone)]
pub(crate) struct Place {
    /// What is short-lived.
    pub(crate) run: PathBuf,
    /// What is kept.
    pub(crate) cache: PathBuf,
}

impl Place {
    /// Finds it; nothing is made yet.
    pub(crate) fn find() -> Result<Self> {
        Ok(Self { run: PathBuf::from("/run/larder-engine"), cache: workspace::cache()?.join("engine") })
    }

    /// Where the engine listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run.join("docker.sock")
    }

    /// The same, as clients write it.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The engine's process id.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.run.join("dockerd.pid")
    }

    /// What the engine prints.
    pub(crate) fn log(&self) -> PathBuf {
        self.run.join("dockerd.log")
    }

    /// What the engine is configured by, besides its words.
    pub(crate) fn settings(&self) -> PathBuf {
        self.run.join("daemon.json")
    }

    /// What the engine notes of containers that run.
    pub(crate) fn exec(&self) -> PathBuf {
        self.run.join("exec")
    }

    /// The name of the engine's bridge.
    pub(crate) fn bridge(&self) -> PathBuf {
        self.run.join("bridge")
    }

    /// There when the engine is to stay after a run.
    pub(crate) fn keep(&self) -> PathBuf {
        self.run.join("keep")
    }

    /// Tells runs whether to leave the engine alone.
    pub(crate) fn set_keep(&self, keep: bool) -> Result<()> {
        let file = self.keep();
        match keep {
            true => fs::write(&file, "").with_context(|| format!("{} cannot be written", file.display())),
            false if file.exists() => {
                fs::remove_file(&file).with_context(|| format!("{} cannot be removed", file.display()))
            }
            false => Ok(()),
        }
    }

    /// Held by everyone who uses the engine, and alone by the one who stops it.
    pub(crate) fn lock_to_use(&self) -> Result<File> {
        let file = self.lock_file("users.lock")?;
        file.lock_shared().context("the engine's lock cannot be taken")?;
        Ok(file)
    }

    /// Held alone while the engine is started or its images are made.
    pub(crate) fn lock_to_change(&self) -> Result<File> {
        let file = self.lock_file("change.lock")?;
        file.lock().context("the engine's lock cannot be taken")?;
        Ok(file)
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.run);
        made.with_context(|| format!("{} cannot be made, which needs root", self.run.display()))?;
        let path = self.run.join(name);
        File::create(&path).with_context(|| format!("{} cannot be written, which needs root", path.display()))
    }
}
