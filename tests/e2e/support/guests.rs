//! The components that the test run has built.

use std::path::{Path, PathBuf};

/// The bytes of a provider or test guest.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = guest_path(name);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run the tests with `cargo xtask test`, which builds the guests first", path.display())
    })
}

/// Where that component lies.
pub(crate) fn guest_path(name: &str) -> PathBuf {
    let folder = std::env::var_os("LARDER_GUESTS").map_or_else(default_folder, PathBuf::from);
    folder.join(format!("{}.wasm", name.replace('-', "_")))
}

fn default_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../providers/target/wasm32-wasip2/release")
}
