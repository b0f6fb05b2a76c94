//! Embeds what `larder provider new` writes: the project template, the SDK's sources and the interface
//! definitions. The binary alone is enough to begin a provider, and what it writes fits it exactly.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What one folder contributes.
struct Tree {
    constant: &'static str,
    folder: &'static str,
    /// Entries at its top that stay out.
    without: &'static [&'static str],
}

const TREES: [Tree; 3] = [
    Tree { constant: "TEMPLATE", folder: "sdk/template", without: &[] },
    Tree { constant: "SDK", folder: "sdk", without: &["template", "target", "tests", "Cargo.lock"] },
    Tree { constant: "WIT", folder: "wit", without: &[] },
];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = here.join("../..").canonicalize()?;
    let mut code = String::new();
    for tree in TREES {
        let folder = root.join(tree.folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, &folder, tree.without, &mut files)?;
        files.sort();
        constant(&mut code, tree.constant, &folder, &files)?;
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("embedded.rs"), code)?;
    Ok(())
}

/// The files below a folder, relative to `top`. A folder that is missing has none.
fn collect(top: &Path, folder: &Path, without: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if without.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(top, &entry.path(), &[], files)?;
        } else {
            files.push(entry.path().strip_prefix(top)?.to_owned());
        }
    }
    Ok(())
}

fn constant(code: &mut String, name: &str, folder: &Path, files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    writeln!(code, "pub(crate) const {name}: &[File] = &[")?;
    for file in files {
        let path = file.to_str().ok_or("a file's name is not UTF-8")?;
        writeln!(code, "    ({path:?}, include_bytes!({:?})),", folder.join(file))?;
    }
    writeln!(code, "];")?;
    Ok(())
}
