//! The providers that come with Larder: components in `share/larder/providers` beside the binary, each named after its file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use larder_control::{Code, Control, ControlError};
use larder_domain::ProviderName;

use super::files::DataDir;

/// How long the check of a new one is waited for before the server says that it is there.
const CHECK_MAX: Duration = Duration::from_secs(30);
/// How many files are looked at.
const FILES_MAX: usize = 256;

/// Uploads every shipped provider whose version the store doesn't know yet, except one that was there before and that the
/// operator has removed. One that can't be installed is reported and left out: the others, and the server, are not to
/// suffer for it.
pub(super) async fn install(control: &Control, dir: &DataDir) -> anyhow::Result<()> {
    let before = dir.installed_once()?;
    let mut installed = before.clone();
    for path in files() {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match install_one(control, &path, &stem, before.contains(&stem)).await {
            Ok(()) => drop(installed.insert(stem)),
            Err(error) => tracing::warn!(file = %path.display(), %error, "a shipped provider could not be installed"),
        }
    }
    if installed != before {
        dir.remember_installed(&installed)?;
    }
    Ok(())
}

async fn install_one(control: &Control, path: &Path, stem: &str, was_there: bool) -> anyhow::Result<()> {
    let name = stem.parse()?;
    if was_there && is_removed(control, &name).await? {
        tracing::info!(provider = %name, "a shipped provider stays removed; upload it to have it back");
        return Ok(());
    }
    let uploaded = control.upload(&name, tokio::fs::read(path).await?).await?;
    if !uploaded.known {
        tracing::info!(provider = %name, version = %uploaded.version.digest, "installing a shipped provider");
        // Whoever sees the server for the first time finds what it comes with.
        control.wait_for_version(&name, uploaded.version.digest, CHECK_MAX).await?;
    }
    Ok(())
}

async fn is_removed(control: &Control, name: &ProviderName) -> anyhow::Result<bool> {
    match control.provider(name).await {
        Ok(_) => Ok(false),
        Err(ControlError::Refused { code: Code::UnknownProvider, .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn files() -> Vec<PathBuf> {
    let folder =
        std::env::current_exe().ok().and_then(|exe| exe.parent().map(|dir| dir.join("share/larder/providers")));
    let Some(entries) = folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok()) else {
        tracing::info!(?folder, "there are no shipped providers beside this binary");
        return vec![];
    };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "wasm")).take(FILES_MAX).collect();
    files.sort();
    files
}
