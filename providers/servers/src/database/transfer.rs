//! An addon's database as a stream: the kind's own client programs, run where the server is, as the app's own user.

use std::ops::RangeInclusive;

use larder_clients::Tls;
use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure, Role, Stream, Transfer};

use super::{Database, Databases, Server, Size, release};

/// What the programs may use: half as much memory as the plan's server, within these bounds. They have a row several times at once.
const MEMORY_MIB: RangeInclusive<u64> = 128..=1024;
pub(super) const PIDS: u32 = 16;

/// Where a client program is to log in, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server, as the program reaches it.
    pub host: String,
    /// Its port there.
    pub port: u16,
    /// Whether to secure the connection; none where nobody can listen.
    pub tls: Option<Tls>,
    /// The certificate of who vouches for the server, in PEM, if the operator told it.
    pub authority: Option<String>,
    /// The app's user.
    pub user: String,
    /// Its password: for the environment, where nobody else sees it.
    pub password: String,
    /// The app's database.
    pub database: String,
}

/// Where a program finds who vouches for the server.
pub const AUTHORITY: &str = "/tmp/authority.pem";
/// The program knows authorities by a file only.
const WITH_AUTHORITY: &str = "umask 077 && printf '%s\n' \"$AUTHORITY\" > /tmp/authority.pem && exec \"$0\" \"$@\"";

impl Target {
    /// The container with the program, which finds at [`AUTHORITY`] who vouches for the server, if that is known.
    #[must_use]
    pub fn run(&self, container: Container, program: &[&str]) -> Container {
        match &self.authority {
            None => container.entrypoint(program.iter().copied()),
            Some(authority) => {
                let words = ["sh", "-c", WITH_AUTHORITY].iter().chain(program).copied();
                container.entrypoint(words).env("AUTHORITY", authority)
            }
        }
    }
}

/// A kind of database whose data can be written out and read in.
pub trait Dump: Database {
    /// What such data are, as a media type and as the end of a file's name.
    const FORM: (&'static str, &'static str) = ("application/sql", "sql");

    /// What the program that reads them has to be told when all have come, so that it takes nothing for the whole that broke off.
    const END: &'static str = "";

    /// The app's user with its password, and its database, as they are now.
    ///
    /// # Errors
    /// They can't be told.
    fn login(addon: &Addon) -> Result<(String, String, String), Failure>;

    /// The container with the program that writes the data.
    ///
    /// # Errors
    /// The addon's parameters can't be read.
    fn export(addon: &Addon, container: Container, target: &Target) -> Result<Container, Failure>;

    /// The container with the program that reads them.
    fn import(container: Container, target: &Target) -> Container;
}

impl<D: Dump> Transfer for Databases<D> {
    fn begin_export(addon: &Addon) -> Result<Stream, Failure> {
        let container = D::export(addon, container::<D>(addon)?, &target::<D>(addon)?)?;
        Ok(Stream::through(container).of_type(D::FORM.0, D::FORM.1))
    }

    /// What is imported can make the program do more than import. So the server is one that lets in nobody without a password, which is
    /// seen to whenever its administrator logs in.
    fn begin_import(addon: &Addon) -> Result<Stream, Failure> {
        let server = Server::of(addon, D::KIND).map_err(Failure::from)?;
        if server.is_ours() {
            D::administer(&server)?;
        }
        let container = D::import(container::<D>(addon)?, &target::<D>(addon)?);
        Ok(Stream::through(container).of_type(D::FORM.0, D::FORM.1).ended_by(D::END))
    }
}

/// How much memory the programs may use in a plan.
pub(super) fn memory_mib(size: &Size) -> u64 {
    (size.memory_mib / 2).clamp(*MEMORY_MIB.start(), *MEMORY_MIB.end())
}

fn container<D: Dump>(addon: &Addon) -> Result<Container, Failure> {
    let memory_mib = memory_mib(Size::of(addon, D::KIND)?);
    let container = Container::new("transfer", &release::of_clients(addon, D::KIND)?);
    Ok(container.memory_mib(memory_mib).pids(PIDS).user("999:999").read_only().tmpfs("/tmp", 16))
}

fn target<D: Dump>(addon: &Addon) -> Result<Target, Failure> {
    if addon.role() == Role::Server {
        return Err(Failure::rejected("a common server has no data of its own: export its addons one by one"));
    }
    let server = Server::of(addon, D::KIND).map_err(Failure::from)?;
    let (user, password, database) = D::login(addon)?;
    let (host, port) = server.seen_from_beside(addon);
    Ok(Target { host, port, tls: server.tls, authority: server.authority, user, password, database })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_more_memory_in_larger_plans() {
        let of = |server| memory_mib(&Size { name: "some", memory_mib: server, kept_mib: 1, connections: 1 });
        assert_eq!([256, 320, 1024, 4096].map(of), [128, 160, 512, 1024]);
    }
}
