//! A server in a container, with its data in a volume.
//!
//! Who may log in is in a file beside the data, and not in the container's words: a password that comes or goes then takes no other
//! container, and what was written there is still so after a restart.

use std::io;
use std::time::Duration;

use larder_clients::redis::{self, Kept, Session};
use larder_clients::{Error, HostStream};
use larder_sdk::docker::{self, Container, Endpoint, Volume};
use larder_sdk::{Addon, Config, Failure, HealthStatus, Progress, Role, secrets};
use larder_servers::{Generations, LOGIN_WAIT, Size as _, soon};

use crate::offer::{IMAGE, Parameters, Size};

const SERVER: &str = "server";
const DATA: &str = "data";
const PORT: u16 = 6379;
/// Who uses a server, or administers a common one.
const USER: &str = "default";
/// The file of users must be there before the first start; from then on it is the server's own. A server that does not persist leaves
/// a mark that the log of changes, if there is one, ends there. One that persists and finds that mark, and no log that was written since,
/// begins its log with the last snapshot: an update to no persistence was taken back.
const START: &str = "umask 077; cd /data; \
    test -s users.acl || printf 'user default on #%s ~* &* +@all\\n' \"$PASSWORD_DIGEST\" > users.acl; \
    case $* in *'--appendonly no'*) touch unlogged ;; \
    *) if [ -e unlogged ]; then \
    if [ ! appendonlydir -nt unlogged ] && [ ! appendonly.aof -nt unlogged ] && [ -s dump.rdb ]; then \
    rm -rf appendonlydir && mv -f dump.rdb appendonly.aof || exit 1; fi; rm -f unlogged; fi ;; esac; \
    case $(redis-server --version) in *v=6.*) CLIENTS= ;; esac; \
    exec redis-server --protected-mode no --aclfile /data/users.acl ${CLIENTS:+--maxmemory-clients \"$CLIENTS\"} \"$@\"";
/// What one user of a common server may have it hold for a single command or connection. A value is made whole before Redis asks whether
/// there is room for it, and what waits to be read or sent is not counted as data: without bounds, one command ends the server for all.
const OF_ONE_USER: [&[&str]; 3] = [
    &["--proto-max-bulk-len", "8mb"],
    &["--client-query-buffer-limit", "16mb"],
    &["--client-output-buffer-limit", "normal", "24mb", "12mb", "10"],
];
/// What all connections of a common server may hold together, a part of its data's room. Versions before 7 have no such bound.
const OF_ALL_CLIENTS: &str = "25%";
/// How many connections a common server takes for each MiB of its data: each needs some 35 KiB at first.
const CLIENTS_PER_MIB: u64 = 4;
/// How long it has to write its data when it is stopped, in seconds.
const STOP_S: u32 = 30;
/// How often a server that has just started is tried within one call, and how long that pauses. It takes it a few of these.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(5);

/// Why a server that can't write down its users is no good, up to what would become of them.
const NOT_WRITTEN: &str = "the server could not write down its users (is there room on the engine's disk?), and what";
/// When it is asked to do so again.
const WRITTEN_AFTER: Duration = Duration::from_secs(5);

/// Has the addon's server made, or made anew if it differs. Its data stay.
pub(crate) fn ensure(addon: &Addon) -> Result<(), Failure> {
    let size = Size::of(addon)?;
    let container = Container::new(SERVER, &IMAGE.kept()?)
        .entrypoint(["sh", "-c", START, "redis"])
        .command(settings(addon, size)?)
        .env("CLIENTS", if addon.role() == Role::Server { OF_ALL_CLIENTS } else { "" })
        // For the first start.
        .env("PASSWORD_DIGEST", &redis::digest(&password(0)?))
        .user("999:999")
        .memory_mib(size.memory_mib())
        .pids(size.pids())
        .mount(DATA, "/data")
        .tmpfs("/tmp", 16)
        .read_only()
        .stop_s(STOP_S)
        .port(PORT);
    docker::ensure(Volume::new(DATA))?;
    Ok(docker::ensure(container)?)
}

/// What the server is told, in its own words.
fn settings(addon: &Addon, size: &Size) -> Result<Vec<String>, Failure> {
    let parameters: Parameters = addon.parameters()?;
    let mut words = vec![
        "--maxmemory".to_owned(),
        format!("{}mb", size.data_mib),
        "--maxmemory-policy".to_owned(),
        parameters.eviction().to_owned(),
        "--appendonly".to_owned(),
        if parameters.persists() { "yes" } else { "no" }.to_owned(),
        "--dir".to_owned(),
        "/data".to_owned(),
    ];
    if addon.role() == Role::Server {
        words.extend(OF_ONE_USER.concat().into_iter().map(str::to_owned));
        words.extend(["--maxclients".to_owned(), (size.data_mib * CLIENTS_PER_MIB).to_string()]);
    }
    Ok(words)
}

/// A server, as its addon has it.
pub(crate) struct Server {
    generations: Generations,
}

impl Server {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        Ok(Self { generations: Generations::of(addon)? })
    }

    /// That of the newest generation.
    pub(crate) fn newest_password(&self) -> Result<String, Failure> {
        password(*self.generations.living().end())
    }

    /// Ready is who lets in by the newest password, and will do so after a restart.
    pub(crate) fn complete(&self) -> Result<Progress, Failure> {
        let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
            Ok(endpoint) => endpoint,
            Err(why) => return why.into_progress(),
        };
        soon(TRIES, PAUSE, || self.let_in(&endpoint))
    }

    /// Lets in by all passwords that are to work and by no other, if one of them does. Even if the newest does, an earlier call may have
    /// ended before the server had written that down, or before it was told that an old one does not work any more.
    fn let_in(&self, endpoint: &Endpoint) -> Result<bool, Failure> {
        let living = self.generations.living().map(password).collect::<Result<Vec<_>, _>>()?;
        let working = living.iter().rev().find_map(|password| log_in(endpoint, password).ok());
        let Some(mut session) = working else { return Ok(false) };
        set_passwords(&mut session, &living)?;
        Ok(true)
    }

    /// Lets in by the newest password only. Whoever came by another has to come again.
    pub(crate) fn end_old(&self) -> Result<Progress, Failure> {
        let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
            Ok(endpoint) => endpoint,
            Err(why) => return Ok(why.into_patience()),
        };
        let newest = password(*self.generations.living().end())?;
        let mut session = log_in(&endpoint, &newest)?;
        // First of all, no old one works any more; and whatever fails from then on, none is brought back by what is done to the addon later.
        let _written_again: Kept = redis::set_passwords(&mut session, USER, &[&newest])?;
        self.generations.ended()?;
        // Whoever came by an old one may have made users, and slipped in more passwords; nobody is left who could do so.
        written_at_last(redis::leave_only(&mut session, USER, &newest)?)?;
        Ok(Progress::Done)
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let password = password(*self.generations.living().end())?;
        let (host, port) = docker::inspect(SERVER)?.endpoint(PORT)?.for_app()?;
        let url = format!("redis://:{password}@{host}:{port}/0");
        Ok(Config::new()
            .secret("REDIS_URL", &url)
            .secret_credential("uri", url)
            .credential("protocol", "redis")
            .credential("hostname", host)
            .credential("port", port.to_string())
            .secret_credential("password", password))
    }
}

/// Whether it lets in who has the addon's credentials.
pub(crate) fn check(addon: &Addon) -> Result<HealthStatus, Failure> {
    let endpoint = match docker::inspect(SERVER)?.endpoint(PORT) {
        Ok(endpoint) => endpoint,
        Err(why) => return why.into_health(),
    };
    let password = password(addon.generation())?;
    let stream = connect(&endpoint.host, endpoint.published).map(|stream| stream.within(LOGIN_WAIT));
    let used = stream.map_err(Error::from).and_then(|stream| redis::login(stream, None, Some(&password)));
    Ok(used.map(drop).into())
}

/// Logs in to the addon's own server, which must run.
pub(crate) fn session(addon: &Addon) -> Result<Session<HostStream>, Failure> {
    let endpoint = docker::inspect(SERVER)?.endpoint(PORT)?;
    Ok(log_in(&endpoint, &password(addon.generation())?)?)
}

/// By the user's name: without it, a server that asks nobody for a password refuses whoever gives one.
fn log_in(endpoint: &Endpoint, password: &str) -> Result<Session<HostStream>, Error> {
    redis::login(connect(&endpoint.host, endpoint.published)?, Some(USER), Some(password))
}

fn set_passwords(session: &mut Session<HostStream>, passwords: &[String]) -> Result<(), Failure> {
    let passwords: Vec<&str> = passwords.iter().map(String::as_str).collect();
    written(redis::set_passwords(session, USER, &passwords)?)
}

/// Refuses to go on with a user, or a password, that is gone after a restart.
pub(crate) fn written(kept: Kept) -> Result<(), Failure> {
    match kept {
        Kept::OnDisk => Ok(()),
        Kept::InMemory => Err(Failure::failed(format!("{NOT_WRITTEN} would be gone after a restart"))),
    }
}

/// Likewise of one that is to go, and would be back. It is tried again for as long as the host asks: for an hour.
pub(crate) fn written_at_last(kept: Kept) -> Result<(), Failure> {
    match kept {
        Kept::OnDisk => Ok(()),
        Kept::InMemory => Err(Failure::retry_after(
            WRITTEN_AFTER,
            format!("{NOT_WRITTEN} has ended would work again after a restart"),
        )),
    }
}

/// The same whenever the addon is called.
fn password(generation: u32) -> Result<String, Failure> {
    secrets::password("server", generation, 40)
}

/// Connects to a name, or to an address, which has brackets if it is one of IPv6.
pub(crate) fn connect(host: &str, port: u16) -> io::Result<HostStream> {
    Ok(HostStream::connect(host, port)?)
}
