//! MySQL: a MariaDB server of its own for each addon, in a container, or a user and a database on a server that many share. The
//! common server is a container too, or one that the operator has already, MySQL or MariaDB.
//!
//! Read `container` for what runs, `place` for whose server it is, `server` for talking to it, `tenant` for what an app gets on it, and
//! this file for how all that becomes an addon. Names come from the addon's id and passwords from its seed, so whatever is called
//! again after a crash finds what it made before.

mod container;
mod offer;
mod place;
mod server;
mod tenant;

use std::thread::sleep;
use std::time::Duration;

use larder_sdk::{Addon, Config, Failure, Manifest, Options, Progress, Provider, Role, log};

use place::Place;
use server::Server;
use tenant::Tenant;

/// How often a server that has just started is tried within one call, and how long that pauses.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);
/// How long to wait then.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

struct Mysql;

impl Provider for Mysql {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        offer::manifest(options)
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        match Place::choose(addon)? {
            Place::Container => container::begin(addon),
            Place::External(_) | Place::Common => Ok("A database is made on a server that is there".to_owned()),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a call has nothing else to do, and no timers")]
    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        let server = match Server::of(addon) {
            Ok(server) => server,
            Err(why) => return why.into_progress(),
        };
        let mut last = String::new();
        for _ in 0..TRIES {
            match make(addon, &server) {
                // It has only just been started.
                Err(Failure::Retry(_, why)) if server.tls.is_none() => last = why,
                made => return made.map(|()| Progress::Done),
            }
            sleep(PAUSE);
        }
        log::debug(last);
        Ok(Progress::pending(AGAIN_AFTER, "The server runs, and does not answer yet"))
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        let server = Server::of(addon)?;
        match addon.role() {
            Role::Server => Ok(server.config()),
            Role::User => Ok(Tenant::of(addon)?.config(&server)),
        }
    }

    fn deprovision(addon: &Addon) -> Result<Progress, Failure> {
        match addon.role() {
            Role::User if !matches!(Place::of(addon)?, Place::Container) => tenant::remove(addon, &Server::of(addon)?),
            // The host removes its container and its volume, and with them all that is on it. Elsewhere nothing was made for it.
            _ => Ok(Progress::Done),
        }
    }
}

/// Makes what is not there yet. Ready is what has let in whoever is to use it.
fn make(addon: &Addon, server: &Server) -> Result<(), Failure> {
    match addon.role() {
        Role::Server => server.administer().map(drop),
        Role::User => Tenant::of(addon)?.make(server),
    }
}

larder_sdk::export!(Mysql);
