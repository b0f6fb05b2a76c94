//! The data directory: what is in it beside the store, and who may read it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bytes of randomness in the admin token.
const TOKEN_BYTES: usize = 32;
/// What it begins with.
const TOKEN_PREFIX: &str = "larder_";
/// The file that holds it.
const TOKEN: &str = "admin.token";
/// The file with the names of the shipped providers that were installed once.
const INSTALLED_ONCE: &str = "shipped-providers";

/// The file that tells the data directories of nodes apart.
const NODE_ID: &str = "node.id";

/// A data directory that only its owner can read.
pub(super) struct DataDir(PathBuf);

impl DataDir {
    /// Makes the directory if it isn't there.
    pub(super) fn prepare(path: &Path) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| {
            format!("can't make the data directory {}; choose another with --data-dir", path.display())
        })?;
        Ok(Self(path.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The key that seals secrets in the store. Whoever copies the store needs it too.
    pub(super) fn key_file(&self) -> PathBuf {
        self.0.join("sealing.key")
    }

    /// Where compiled components are kept. Can be removed at any time while the server does not run.
    pub(super) fn artefacts(&self) -> PathBuf {
        self.0.join("artefacts")
    }

    /// Where uploads are received, in files without names.
    pub(super) fn uploads(&self) -> anyhow::Result<PathBuf> {
        let path = self.0.join("uploads");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.with_context(|| format!("can't make {}", path.display()))?;
        Ok(path)
    }

    /// Which directory this is among those of an installation's nodes, made at the first start as one of them.
    pub(super) fn node_id(&self) -> anyhow::Result<Uuid> {
        let path = self.0.join(NODE_ID);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().with_context(|| format!("{} is damaged; remove it", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let id = Uuid::new_v4();
                self.write_private(NODE_ID, &format!("{id}\n"))?;
                Ok(id)
            }
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// The admin token, made at the first start.
    pub(super) fn admin_token(&self) -> anyhow::Result<Zeroizing<String>> {
        let path = self.0.join(TOKEN);
        // To open a pipe is to wait until somebody writes into it.
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            anyhow::bail!("{} is no file; remove it, and the next start makes a new token", path.display());
        }
        match fs::read_to_string(&path).map(Zeroizing::new) {
            // Nothing else can be sent in a header.
            Ok(text) if text.trim().len() >= TOKEN_BYTES && text.trim().bytes().all(|byte| byte.is_ascii_graphic()) => {
                fs::set_permissions(&path, Permissions::from_mode(0o600))?;
                return Ok(Zeroizing::new(text.trim().to_owned()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() != std::io::ErrorKind::InvalidData => {
                return Err(error).with_context(|| format!("can't read {}", path.display()));
            }
            _ => anyhow::bail!("{} is damaged; remove it, and the next start makes a new token", path.display()),
        }
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
        // Room for it all at once: growing would leave copies behind that nobody wipes.
        let mut token = Zeroizing::new(String::with_capacity(TOKEN_PREFIX.len() + 2 * TOKEN_BYTES));
        token.push_str(TOKEN_PREFIX);
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        token.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
        self.write_private(TOKEN, &Zeroizing::new(format!("{}\n", *token)))?;
        Ok(token)
    }

    /// A database whose key is gone can't be opened with a new one: nothing is made then that looks like the right key. Nor is a database
    /// that was emptied begun anew, as if there had been nothing.
    pub(super) fn refuse_losses(&self) -> anyhow::Result<()> {
        let (key, database) = (self.key_file(), self.0.join("larder.db"));
        let length = |path: &Path| fs::metadata(path).map(|found| found.len()).ok();
        let is_used = length(&database).is_some_and(|bytes| bytes > 0);
        if is_used && !key.try_exists().with_context(|| format!("can't look for {}", key.display()))? {
            anyhow::bail!(
                "{} is missing, and {} can't be read without it: put back the copy that you keep of it (no backup has it)",
                key.display(),
                database.display()
            );
        }
        // The token is made when the database is there, whose log is not empty either before the first page is in it.
        let has_log = length(&self.0.join("larder.db-wal")).is_some_and(|bytes| bytes > 0);
        if length(&database) == Some(0) && !has_log && self.0.join(TOKEN).exists() {
            anyhow::bail!(
                "{} is empty, and an installation was here ({TOKEN} is): restore a backup (`larder restore`); or remove the \
                 empty file to begin anew without any of it",
                database.display()
            );
        }
        Ok(())
    }

    /// Names of shipped providers that were installed here once.
    pub(super) fn installed_once(&self) -> anyhow::Result<BTreeSet<String>> {
        let path = self.0.join(INSTALLED_ONCE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// Remembers them.
    pub(super) fn remember_installed(&self, names: &BTreeSet<String>) -> anyhow::Result<()> {
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        self.write_private(INSTALLED_ONCE, &text)
    }

    /// Tells command lines on this machine where the server is.
    pub(super) fn announce(&self, address: SocketAddr) -> anyhow::Result<()> {
        let server = serde_json::json!({ "url": format!("http://{address}"), "pid": std::process::id() });
        self.write_private("server.json", &format!("{server}\n"))
    }

    /// The server is no longer there.
    pub(super) fn retract(&self) {
        if let Err(error) = fs::remove_file(self.0.join("server.json")) {
            tracing::debug!(%error, "server.json could not be removed");
        }
    }

    /// Writes a file as a whole or not at all.
    fn write_private(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (path, part) = (self.0.join(name), self.0.join(format!("{name}.part")));
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().with_context(|| format!("can't write {}", path.display()))
    }
}
