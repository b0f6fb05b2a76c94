//! A real Docker engine for tests, with images that were made and not pulled.
//!
//! `LARDER_ENGINE` may name one. Otherwise a private `dockerd` is started beside whatever runs on this machine, with folders, a
//! socket, a bridge and addresses of its own, and without touching the firewall. All checkouts share it: its images
//! stay in the user's cache folder between runs, but the run that is the last to use it stops it. `cargo xtask engine start` starts one
//! that stays.

mod bridge;
mod daemon;
mod images;
mod place;
#[cfg(test)]
mod tests;

use std::env;
use std::fs::{File, TryLockError};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::args::EngineTask;
use crate::engine::place::Place;
use crate::workspace::Workspace;
use crate::{debian, shell};

/// Names the engine's endpoint, to us and to tests.
pub(crate) const VARIABLE: &str = "LARDER_ENGINE";

/// Programs that a private engine needs, and the packages that have them.
const PROGRAMS: [(&str, &str); 5] = [
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("docker-compose", "docker-compose"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
];

/// An engine that has the images. Dropped, it is stopped, if it is private, nobody else uses it, and it wasn't told to stay.
pub(crate) struct Engine {
    /// For instance `unix:///run/larder-engine/docker.sock`.
    pub(crate) endpoint: String,
    private: Option<(Place, File)>,
}

/// The engine that was given, or a private one, with all images. `None`, after saying why, where there can't be one.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Option<Engine>> {
    if let Some(endpoint) = env::var(VARIABLE).ok().filter(|value| !value.is_empty()) {
        images::ensure(workspace, &endpoint, &Place::find()?)?;
        return Ok(Some(Engine { endpoint, private: None }));
    }
    let started = match debian::is_root() {
        true => start(workspace),
        false => Err(anyhow::anyhow!("needs root")),
    };
    match started {
        Ok((place, users)) => {
            let engine = Engine { endpoint: place.endpoint(), private: Some((place, users)) };
            let (place, _) = engine.private.as_ref().context("it was started just now")?;
            let _turn = place.lock_to_change()?;
            images::ensure(workspace, &engine.endpoint, place)?;
            Ok(Some(engine))
        }
        Err(error) => {
            let cause: Vec<String> = error.chain().map(ToString::to_string).collect();
            shell::say(&format!("      no engine: {}; {VARIABLE} may name one that runs", cause.join(": ")));
            Ok(None)
        }
    }
}

/// A private engine that runs, and the lock that tells others that it is used.
fn start(workspace: &Workspace) -> Result<(Place, File)> {
    let place = Place::find()?;
    let users = place.lock_to_use()?;
    let _turn = place.lock_to_change()?;
    if !daemon::answers(&place.socket()) {
        debian::need(workspace, &PROGRAMS)?;
        daemon::start(&place)?;
    }
    drop_unused_networks(&place.endpoint());
    Ok((place, users))
}

/// An installation whose host a test killed leaves its network, and an engine has addresses for about a hundred. One that is used stays.
fn drop_unused_networks(endpoint: &str) {
    let mut prune = docker(endpoint);
    prune.args(["network", "prune", "--force", "--filter", "label=larder.installation"]);
    // If that fails, whoever needs a network is told why there is none.
    let _pruned = prune.output();
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some((place, users)) = self.private.take() else { return };
        if place.keep().exists() {
            return;
        }
        if let Err(error) = stop_unless_used(&place, &users) {
            shell::report(&error);
        }
    }
}

/// Stops the engine; tells whether it did, or others use it.
fn stop_unless_used(place: &Place, users: &File) -> Result<bool> {
    users.unlock().context("the engine's lock cannot be given back")?;
    match users.try_lock() {
        Ok(()) => daemon::stop(place).map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).context("the engine's lock cannot be taken"),
    }
}

/// `cargo xtask engine`: an engine to try things on, which stays until it is stopped.
pub(crate) fn run(workspace: &Workspace, task: EngineTask) -> Result<()> {
    let place = Place::find()?;
    match task {
        EngineTask::Start => {
            let mut steps = shell::Steps::new(1);
            let (engine, _) = steps.step("An engine for containers, with images for tests", || ensure(workspace))?;
            let Some(engine) = engine else { bail!("there is no engine; the line above tells why") };
            place.set_keep(engine.private.is_some())?;
            shell::say(&format!("{VARIABLE}={}", engine.endpoint));
        }
        EngineTask::Stop => {
            place.set_keep(false)?;
            let users = place.lock_to_use()?;
            if !daemon::answers(&place.socket()) {
                shell::say("no private engine is running");
            } else if !stop_unless_used(&place, &users)? {
                shell::say("a test run uses the engine, and stops it at its end");
            }
        }
        EngineTask::Status if daemon::answers(&place.socket()) => {
            shell::say(&format!("{VARIABLE}={}", place.endpoint()));
            shell::run(docker(&place.endpoint()).args(["images", "larder-test/*"]), "see above")?;
        }
        EngineTask::Status => shell::say("no private engine is running; `cargo xtask engine start` starts one"),
    }
    Ok(())
}

/// The client, for this engine whatever is configured otherwise.
fn docker(endpoint: &str) -> Command {
    let mut docker = Command::new("docker");
    docker.env_remove("DOCKER_CONTEXT").env_remove("DOCKER_HOST").args(["--host", endpoint]);
    docker
}
