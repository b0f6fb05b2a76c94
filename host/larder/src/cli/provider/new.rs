//! `larder provider new`: writes a project from the template in this binary.
//!
//! The project holds its own copy of the SDK and the interface definitions, in `.larder/`, so that it
//! builds against the very version that this server speaks, without any registry.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use larder_domain::names::ProviderName;

use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::out::Out;

/// A path, and what is in the file.
type File = (&'static str, &'static [u8]);

mod embedded {
    //! Made by the build script: `TEMPLATE`, `SDK` and `WIT`.
    use super::File;
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// Where the copies lie in a project: what is in the binary, and below which folder it goes.
const COPIES: [(&[File], &str); 2] = [(embedded::SDK, ".larder/sdk"), (embedded::WIT, ".larder/wit")];
/// Kept from tools that would take a template for the real thing, `Cargo.toml` above all.
const TEMPLATE_ENDING: &str = ".tmpl";

/// What to begin.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The provider's name.
    #[arg(value_name = "NAME")]
    name: ProviderName,

    /// The project's folder [default: NAME].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    path: Option<PathBuf>,
}

pub(crate) fn run(out: Out, args: &NewArgs) -> Result<()> {
    let name = args.name.as_str();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        let failure = Failure::usage(format!("`{name}` begins with a digit, which no Rust package may"));
        return Err(failure.or_help("put a letter first"));
    }
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(name));
    let files = project(name, embedded::TEMPLATE);
    if files.is_empty() {
        let failure = Failure::new(Kind::Failed, "no_template", "this binary was built without a template");
        return Err(failure.or_help("use a release, or build from a complete checkout"));
    }
    write(&folder, &files).map_err(|error| {
        Failure::new(Kind::Failed, "not_written", format!("`{}`: {error}", folder.display()))
            .or_help("choose another folder with --path")
    })?;
    let shown = folder.display();
    if out.json {
        return out.json(&serde_json::json!({ "name": name, "path": folder }));
    }
    out.done(&format!("created the provider `{name}` in `{shown}`"))?;
    let readme = if folder.join("README.md").is_file() { "README.md" } else { "src/lib.rs" };
    out.done(&format!("read `{shown}/{readme}` for what comes next"))
}

/// The files of a project, by their paths in it.
fn project(name: &str, template: &[File]) -> Vec<(PathBuf, Vec<u8>)> {
    if template.is_empty() {
        return Vec::new();
    }
    let mut files: Vec<_> = template.iter().map(|file| expand(name, file)).collect();
    for (copied, below) in COPIES {
        files.extend(copied.iter().map(|(path, content)| (Path::new(below).join(path), content.to_vec())));
    }
    files
}

/// A file of the template with the names in their places, in its path and, if it is text, in itself.
fn expand(name: &str, (path, content): &File) -> (PathBuf, Vec<u8>) {
    let with_names = |text: &str| text.replace("{{crate_name}}", &name.replace('-', "_")).replace("{{name}}", name);
    let path = with_names(path.strip_suffix(TEMPLATE_ENDING).unwrap_or(path));
    let content = match str::from_utf8(content) {
        Ok(text) => with_names(text).into_bytes(),
        Err(_) => content.to_vec(),
    };
    (PathBuf::from(path), content)
}

/// Nothing is ever overwritten: the folder is new or empty, and so is every file in it.
fn write(folder: &Path, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    if fs::read_dir(folder)?.next().is_some() {
        return Err(io::Error::other("the folder is not empty"));
    }
    for (path, content) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        io::Write::write_all(&mut fs::File::create_new(path)?, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
