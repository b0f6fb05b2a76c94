//! A provider of SQL databases, but for the kind: say what is special about it as a [`Database`], and export [`Databases`] of that.
//!
//! An addon is a user with a database, on one of three servers: its own, in a container; one that many share, in a container too; or
//! one that the operator has already, which takes the place of both. `place` is whose server it is, `server` how that is talked to,
//! `offer` what the manifest says, and `operations` what can be done to an addon
//! that is ready. Names come from the addon's id and passwords from its seed, so whatever is called again after a
//! crash finds what it made before.

mod offer;
mod operations;
mod place;
mod release;
mod server;
mod transfer;

use std::marker::PhantomData;
use std::time::Duration;

use larder_clients::Tls;
use larder_sdk::docker::{self, Container, Volume};
use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Progress, Provider, Role, Service, log, state};

use crate::{Image, soon};

pub use offer::Size;
pub use server::Server;
pub use transfer::{AUTHORITY, Dump, Target};

use place::Place;

/// What the objects of an addon with a server of its own are called.
const SERVER: &str = "server";
const DATA: &str = "data";
/// What is remembered until the app can have been told how to log in. Addons that were made before this was remembered count as used.
const NEW: &str = "new";
/// How often a server that has just started is tried within one call, and how long that pauses.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(50);

/// What is to be said of a kind of database.
#[derive(Debug)]
pub struct Kind {
    /// The provider's own version.
    pub version: &'static str,
    /// What it provides, in a line.
    pub about: &'static str,
    /// What a server in a container is called, for people.
    pub server: &'static str,
    /// Its image.
    pub image: Image,
    /// How many numbers of a version tell which servers read the same files.
    pub release_numbers: usize,
    /// The sizes of servers, and of users' parts of them. Each is a plan.
    pub sizes: &'static [Size],
    /// Processes and threads of a server's own, beside one for each connection.
    pub own_pids: u32,
    /// Where a server keeps its data, in the container.
    pub data: &'static str,
    /// The protocol, as URLs name it.
    pub protocol: &'static str,
    /// The port that servers usually have.
    pub port: u16,
    /// Whether connections to servers on other machines are secured, if it is not said.
    pub tls: Tls,
    /// Who administers a server in a container.
    pub admin: &'static str,
    /// Where administrators log in, if they log in to a database.
    pub admin_database: Option<&'static str>,
    /// Who may administer a server for us: a user with which rights.
    pub rights: &'static str,
}

/// A kind of database.
pub trait Database: 'static {
    /// What is to be said of it.
    const KIND: &'static Kind;

    /// The service, without its plans.
    fn service() -> Service;

    /// A plan, with what is special about it.
    fn plan(plan: Plan) -> Plan {
        plan
    }

    /// Whether a server can be run from an image of this name; if not, why.
    ///
    /// # Errors
    /// It can't.
    fn check_image(image: &str) -> Result<(), String>;

    /// The container of a server of this size: it has its image, its bounds, its port and its data.
    fn container(container: Container, size: &Size, role: Role, password: &str) -> Container;

    /// Whether the server lets in its administrator.
    ///
    /// # Errors
    /// It doesn't.
    fn administer(server: &Server) -> Result<(), Failure>;

    /// Makes what is missing of an app's database and of the user of the addon's generation, and logs in as that. Further
    /// generations have users of their own, who own nothing: whatever one of them makes is the others', too. As long as the addon is
    /// `new`, nobody else has ever been in there.
    ///
    /// # Errors
    /// It did not work.
    fn make(addon: &Addon, server: &Server, is_new: bool) -> Result<(), Failure>;

    /// What the app needs to do that.
    ///
    /// # Errors
    /// It can't be told.
    fn config(addon: &Addon, server: &Server) -> Result<Config, Failure>;

    /// Logs in as the app, and has the server answer.
    ///
    /// # Errors
    /// It does not work.
    fn check(addon: &Addon, server: &Server) -> Result<(), Failure>;

    /// Sees to it that nobody logs in as the user of this generation any more, who may be gone already, and ends its sessions.
    ///
    /// # Errors
    /// It did not work.
    fn shut(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure>;

    /// Removes the user of this generation, who is shut, unless something is in the way of that. What it made stays.
    ///
    /// # Errors
    /// It did not work.
    fn end(addon: &Addon, server: &Server, generation: u32) -> Result<(), Failure>;

    /// Removes the database and the users of all generations, from a server that is not the addon's own.
    ///
    /// # Errors
    /// It did not work.
    fn remove(addon: &Addon, server: &Server) -> Result<(), Failure>;
}

/// The provider.
#[derive(Debug)]
pub struct Databases<D>(PhantomData<D>);

impl<D: Database> Provider for Databases<D> {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        offer::manifest::<D>(options)
    }

    fn begin_provision(addon: &Addon) -> Result<String, Failure> {
        state::set(NEW, "yes")?;
        match Place::choose(addon, D::KIND)? {
            Place::Container => return begin::<D>(addon),
            Place::External(_) => {}
            Place::Common => Server::common_is_meant(addon, D::KIND)?,
        }
        Ok("A database is made on a server that is there".to_owned())
    }

    fn provision_complete(addon: &Addon) -> Result<Progress, Failure> {
        let server = match Server::of(addon, D::KIND) {
            Ok(server) => server,
            Err(why) => return why.into_progress(),
        };
        let mut last = None;
        let progress = soon(TRIES, PAUSE, || match complete::<D>(addon, &server) {
            // It has only just been started.
            Err(Failure::Retry(_, why)) if server.tls.is_none() => {
                last = Some(why);
                Ok(false)
            }
            done => done.map(|()| true),
        });
        if let (Ok(Progress::Pending { .. }), Some(why)) = (&progress, last) {
            log::debug(why);
        }
        progress
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        let server = Server::of(addon, D::KIND)?;
        match addon.role() {
            Role::Server => Ok(server.config(release::kept()?)),
            Role::User => D::config(addon, &server),
        }
    }

    fn deprovision(addon: &Addon) -> Result<Progress, Failure> {
        match addon.role() {
            Role::User if !matches!(Place::of(addon, D::KIND)?, Place::Container) => {
                D::remove(addon, &Server::of(addon, D::KIND)?).map(|()| Progress::Done)
            }
            // The host removes its container and its volume, and with them all that is on it. Elsewhere nothing was made for it.
            _ => Ok(Progress::Done),
        }
    }
}

/// A server in a container, with its data in a volume.
fn begin<D: Database>(addon: &Addon) -> Result<String, Failure> {
    let Kind { own_pids, data, port, server, .. } = D::KIND;
    let (size, role) = (Size::of(addon, D::KIND)?, addon.role());
    let container = Container::new(SERVER, &release::choose(D::KIND)?)
        .memory_mib(size.memory_mib)
        .pids(own_pids + size.pids_of(role))
        .mount(DATA, data)
        .read_only()
        .port(*port);
    docker::ensure(Volume::new(DATA))?;
    docker::ensure(D::container(container, size, role, &server::password()?))?;
    Ok(format!("A {server} server is being started"))
}

/// Ready is what has let in whoever is to use it.
fn complete<D: Database>(addon: &Addon, server: &Server) -> Result<(), Failure> {
    match addon.role() {
        Role::Server => D::administer(server),
        Role::User => {
            D::make(addon, server, state::get(NEW)?.is_some())?;
            Ok(state::delete(NEW)?)
        }
    }
}
