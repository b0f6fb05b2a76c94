//! The providers that come with Larder: components in `share/larder/providers` beside the binary, each named after its file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use larder_control::Control;

/// How long the check of a new one is waited for before the server says that it is there.
const CHECK_MAX: Duration = Duration::from_secs(30);
/// How many files are looked at.
const FILES_MAX: usize = 256;

/// Uploads every shipped provider that the store doesn't know yet. One that can't be installed is reported and left out:
/// the others, and the server, are not to suffer for it.
pub(super) async fn install(control: &Control) {
    for path in files() {
        if let Err(error) = install_one(control, &path).await {
            tracing::warn!(file = %path.display(), %error, "a shipped provider could not be installed");
        }
    }
}

async fn install_one(control: &Control, path: &Path) -> anyhow::Result<()> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.parse()?;
    let uploaded = control.upload(&name, tokio::fs::read(path).await?).await?;
    if !uploaded.known {
        tracing::info!(provider = %name, version = %uploaded.version.digest, "installing a shipped provider");
        // Once in a store's life: whoever sees the server for the first time finds what it comes with.
        control.wait_for_version(&name, uploaded.version.digest, CHECK_MAX).await?;
    }
    Ok(())
}

fn files() -> Vec<PathBuf> {
    let folder =
        std::env::current_exe().ok().and_then(|exe| exe.parent().map(|dir| dir.join("share/larder/providers")));
    let Some(entries) = folder.and_then(|folder| std::fs::read_dir(folder).ok()) else {
        return vec![];
    };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "wasm")).take(FILES_MAX).collect();
    files.sort();
    files
}
