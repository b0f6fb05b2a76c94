//! `cargo xtask start`: from a fresh clone to a provisioned addon with one command.
//!
//! Everything may be run again: what is built stays, what is provisioned is shown. A second checkout
//! needs only another address and data directory.

mod demo;
mod server;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::args::StartOptions;
use crate::build::{self, Guests};
use crate::shell::{self, Steps};
use crate::start::demo::Demo;
use crate::start::server::Server;
use crate::workspace::Workspace;
use crate::{signals, toolchain};

/// Builds, serves, provisions; returns when the server has stopped.
pub(crate) fn run(workspace: &Workspace, options: &StartOptions) -> Result<()> {
    let data_dir = data_dir(workspace, options)?;
    let mut steps = Steps::new(5);
    let (guest, _) = steps.step("A toolchain for WebAssembly guests", || {
        let toolchain = toolchain::ensure(workspace)?;
        shell::say(&format!("      {}", toolchain.name));
        Ok(toolchain)
    })?;
    let (guests, _) = steps.step("The providers", || build::guests(workspace, &guest, Guests::Shipped))?;
    let title = "The server and command line (some minutes the first time)";
    let (larder, _) = steps.step(title, || build::install(workspace, &guests))?;
    signals::watch()?;
    let title = format!("A server on {}, state in {}", options.listen, data_dir.display());
    let (mut server, _) = steps.step(&title, || {
        let server = Server::spawn(&larder, &data_dir, &options.listen)?;
        shell::say(&format!("      ready at {}", server.url));
        Ok(server)
    })?;
    let demo = Demo { larder: &larder, data_dir: &data_dir };
    let (variables, _) = steps.step("A first addon", || demo.provision(&mut server))?;
    shell::say(&what_next(workspace, &larder, &data_dir, &server.url, &variables));
    if options.exit {
        shell::say("Stopping, as --exit asks for.");
    } else {
        shell::say("Serving until Ctrl-C.");
        server.show_log();
        server.wait_for_end()?;
    }
    server.stop()
}

fn data_dir(workspace: &Workspace, options: &StartOptions) -> Result<PathBuf> {
    match &options.data_dir {
        None => Ok(workspace.root.join("data")),
        Some(folder) => {
            let here = env::current_dir().context("the current folder cannot be read")?;
            Ok(here.join(folder))
        }
    }
}

fn what_next(workspace: &Workspace, larder: &Path, data_dir: &Path, url: &str, variables: &str) -> String {
    let command = format!("{} --data-dir {}", shown(larder), shown(data_dir));
    let documents = ["README.md", "docs"].map(|name| workspace.root.join(name));
    let documents = documents.iter().filter(|path| path.exists()).map(|path| shown(path));
    format!(
        "\nThe app `demo` now has an addon, and with it these variables:\n\n{}\n\n\
         Larder is at {url}. Try, in another terminal:\n\n  \
         {command} provider list\n  \
         {command} addon list --app demo\n  \
         {command} config show demo\n  \
         {command} addon events demo/secret\n\n\
         Read on: {}\n",
        indented(variables),
        documents.collect::<Vec<_>>().join(", ")
    )
}

/// Relative to the current folder where that is shorter, for commands to be copied.
fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    match path.strip_prefix(here) {
        Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) => rest.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
