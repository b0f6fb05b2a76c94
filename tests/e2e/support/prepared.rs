//! Data directories with providers in them, made once for each set of providers: a test copies one in no time, whereas compiling takes
//! seconds.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use tokio::sync::OnceCell;

use super::Host;

/// All of this process, below a folder that the next one removes.
static PREPARED: LazyLock<Mutex<HashMap<String, Arc<OnceCell<PathBuf>>>>> = LazyLock::new(Mutex::default);
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for old in fs::read_dir(all).unwrap().flatten() {
        let name = old.file_name().into_string().unwrap();
        let is_gone = |pid: &str| !Path::new("/proc").join(pid).exists();
        if name.strip_prefix("prepared-").is_some_and(is_gone) {
            fs::remove_dir_all(old.path()).unwrap();
        }
    }
    let folder = all.join(format!("prepared-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    folder
});

/// Fills an empty folder with the data of a host that has these providers, and an app `demo`.
pub(super) async fn copy(providers: &[&str], to: &Path) {
    let name = format!("of-{}", providers.join("-"));
    let cell = Arc::clone(PREPARED.lock().unwrap().entry(name.clone()).or_default());
    let prepare = async {
        let (made, path) = (Host::prepare(providers).await, FOLDER.join(&name));
        copy_all(made.path(), &path);
        path
    };
    copy_all(cell.get_or_init(|| prepare).await, to);
}

/// Copies a folder with all that is in it.
pub(super) fn copy_all(from: &Path, to: &Path) {
    if !to.exists() {
        fs::create_dir(to).unwrap();
    }
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
