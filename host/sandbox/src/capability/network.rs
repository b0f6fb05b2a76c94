//! The gate: every way from a guest to the network leads through here, sockets (`sockets`), names (`names`) and
//! HTTP requests ([`super::http`]) alike.
//!
//! It asks the call's policy, which is data ([`larder_domain::network`]), twice: about the name that the guest used, before it is
//! looked up, and about the address that is then connected to. Nobody looks a name up a second time in between, so a name
//! server can't give one answer to the check and another to the connection. What a call has looked up is forgotten with it.
//! What is refused is remembered for the addon's history, with the grant that is missing.

mod names;
mod sockets;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use larder_domain::grants::Denied;
use larder_domain::network::{Host, Policy, Scheme, canonical};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::lease::Lease;
use crate::memory::MemoryBudget;

pub(crate) use names::look_up_by_the_host;
pub(crate) use sockets::{count_sockets, open_to as open_sockets_to};

/// How long a name may take to be looked up.
const LOOKUP_WAIT: Duration = Duration::from_secs(5);
/// Names that are looked up at the same time by all guests together; each keeps a thread.
const LOOKUPS_AT_ONCE_MAX: usize = 8;
/// Names that one call may look up.
const LOOKUPS_MAX: usize = 32;
/// Addresses that are taken of one name.
const ADDRESSES_MAX: usize = 16;
/// Names that one call looks up at the same time.
const LOOKUPS_AT_ONCE_PER_CALL_MAX: usize = 2;
/// Connections that one call may open.
const CONNECTIONS_MAX: usize = 32;
/// Sockets, requests among them, that all calls together may have made. Each may be a file handle until its call ends.
const SOCKETS_MAX: usize = 256;
/// Refusals of one call that are told.
const DENIED_MAX: usize = 8;

/// What all gates of a sandbox share.
pub(crate) struct Network {
    lookups: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_AT_ONCE_MAX)), sockets: Arc::new(Semaphore::new(SOCKETS_MAX)) }
    }

    /// How many sockets calls have, and can have together.
    pub(crate) fn usage(&self) -> (u64, u64) {
        ((SOCKETS_MAX - self.sockets.available_permits()) as u64, SOCKETS_MAX as u64)
    }
}

/// The gate of one call; its copies are one.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    network: Arc<Network>,
    policy: Arc<Policy>,
    seen: Mutex<Seen>,
    connections: AtomicUsize,
    lookups: Semaphore,
    /// What the call may keep in the host.
    memory: MemoryBudget,
    lease: Lease,
}

#[derive(Default)]
struct Seen {
    lookups: usize,
    resolved: Vec<(String, IpAddr)>,
    denied: Vec<Denied>,
    /// How often anything was refused, whether told or not.
    denials: u64,
    /// The call's share of all sockets, until it ends.
    sockets: Vec<OwnedSemaphorePermit>,
}

/// Why a guest does not get what it wants.
#[derive(Debug)]
pub(crate) enum Closed {
    /// No grant permits it.
    Denied,
    /// The name was permitted, and none of its addresses.
    AddressDenied,
    /// One call can't do so much.
    TooMany,
    /// The name has no address, or nobody says.
    Unknown,
    /// Looking it up, or connecting, took too long.
    TimedOut,
    /// The system could not connect.
    Failed(std::io::Error),
}

impl Gate {
    /// For one call.
    pub(crate) fn new(network: Arc<Network>, policy: Arc<Policy>, memory: MemoryBudget, lease: Lease) -> Self {
        let (seen, connections) = (Mutex::default(), AtomicUsize::new(0));
        let lookups = Semaphore::new(LOOKUPS_AT_ONCE_PER_CALL_MAX);
        Self(Arc::new(Inner { network, policy, seen, connections, lookups, memory, lease }))
    }

    /// The addresses of a name that a socket may go to. They still have to pass [`Gate::admits`].
    pub(crate) async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Closed> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        let Ok(Host::Name(name)) = Host::parse(name) else { return Err(Closed::Unknown) };
        if !self.0.policy.permits_lookup(&name) {
            self.denied(self.0.policy.denied_lookup(&name));
            return Err(Closed::Denied);
        }
        self.resolve(&name).await
    }

    /// Whether a socket may be connected to this address.
    pub(crate) fn admits(&self, address: SocketAddr) -> bool {
        let (policy, ip) = (&self.0.policy, canonical(address.ip()));
        let names: Vec<String> = {
            let seen = self.seen();
            let found = seen.resolved.iter().filter(|(_, resolved)| *resolved == address.ip());
            found.map(|(name, _)| name.clone()).collect()
        };
        // An address in a disguise leads where its network translates it to, unless a name server gave it.
        let is_plain = ip == address.ip();
        let by_name = |name: &String| {
            policy.permits_name(Scheme::Tcp, name, address.port())
                && policy.permits_resolved(Scheme::Tcp, name, address)
        };
        if (is_plain && policy.permits_address(Scheme::Tcp, address)) || names.iter().any(by_name) {
            return self.count_connection();
        }
        match names.iter().find(|name| !policy.permits_name(Scheme::Tcp, name, address.port())) {
            Some(name) => self.denied(policy.denied(format!("tcp://{name}:{}", address.port()))),
            None => self.denied(policy.denied(literal(Scheme::Tcp, ip, address.port()))),
        }
        false
    }

    /// Connects to a host for a request. The name is looked up once, and only what was asked about is connected to.
    pub(crate) async fn connect(
        &self,
        scheme: Scheme,
        host: &Host,
        port: u16,
        at_most: Duration,
    ) -> Result<TcpStream, Closed> {
        let addresses = self.addresses(scheme, host, port).await?;
        if !self.count_connection() || !self.count_socket() {
            return Err(Closed::TooMany);
        }
        let connect = async {
            let mut last = Closed::Unknown;
            for address in addresses {
                match TcpStream::connect((address, port)).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Closed::Failed(error),
                }
            }
            Err(last)
        };
        timeout(at_most, connect).await.unwrap_or(Err(Closed::TimedOut))
    }

    async fn addresses(&self, scheme: Scheme, host: &Host, port: u16) -> Result<Vec<IpAddr>, Closed> {
        let policy = &self.0.policy;
        let name = match host {
            Host::Name(name) => name,
            Host::Address(address) if policy.permits_address(scheme, SocketAddr::new(*address, port)) => {
                return Ok(vec![canonical(*address)]);
            }
            Host::Address(address) => {
                self.denied(policy.denied(literal(scheme, canonical(*address), port)));
                return Err(Closed::Denied);
            }
        };
        if !policy.permits_name(scheme, name, port) {
            self.denied(policy.denied(format!("{}://{name}:{port}", scheme.as_str())));
            return Err(Closed::Denied);
        }
        let found = self.resolve(name).await?;
        let (fine, not): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|ip| policy.permits_resolved(scheme, name, SocketAddr::new(*ip, port)));
        if fine.is_empty() {
            self.all_denied(not.iter().map(|ip| policy.denied(literal(scheme, *ip, port))));
            return Err(Closed::AddressDenied);
        }
        Ok(fine)
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Closed> {
        {
            let mut seen = self.seen();
            seen.lookups += 1;
            if seen.lookups > LOOKUPS_MAX {
                return Err(Closed::TooMany);
            }
        }
        let look_up = async {
            let _own = self.0.lookups.acquire().await.map_err(|_| Closed::Unknown)?;
            let turn = Arc::clone(&self.0.network.lookups).acquire_owned().await.map_err(|_| Closed::Unknown)?;
            system_look_up(name.to_owned(), turn).await
        };
        let mut found = timeout(LOOKUP_WAIT, look_up).await.unwrap_or(Err(Closed::TimedOut))?;
        found.sort_unstable_by_key(IpAddr::is_ipv6);
        found.dedup();
        self.seen().resolved.extend(found.iter().map(|ip| (name.to_owned(), *ip)));
        if found.is_empty() { Err(Closed::Unknown) } else { Ok(found) }
    }

    /// What was refused, and how often.
    pub(crate) fn take_denied(&self) -> (Vec<Denied>, u64) {
        let mut seen = self.seen();
        (std::mem::take(&mut seen.denied), seen.denials)
    }

    fn denied(&self, denied: Denied) {
        self.all_denied([denied]);
    }

    /// One wish was refused, for all these reasons.
    fn all_denied(&self, reasons: impl IntoIterator<Item = Denied>) {
        let mut seen = self.seen();
        seen.denials += 1;
        for denied in reasons {
            if seen.denied.len() < DENIED_MAX && !seen.denied.contains(&denied) {
                seen.denied.push(denied);
            }
        }
    }

    /// Takes one of the sockets that all calls share, for as long as this call lasts.
    fn count_socket(&self) -> bool {
        let Ok(share) = Arc::clone(&self.0.network.sockets).try_acquire_owned() else { return false };
        let mut seen = self.seen();
        let is_within = seen.sockets.len() < CONNECTIONS_MAX && self.0.memory.count_connection();
        if is_within {
            seen.sockets.push(share);
        }
        is_within
    }

    /// Takes one of the call's connections, if it may act at all.
    fn count_connection(&self) -> bool {
        self.0.lease.is_held() && self.0.connections.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_MAX
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the system, which can't be told to stop: the thread, and the turn, are its own until it answers, however long nobody waits.
async fn system_look_up(name: String, turn: OwnedSemaphorePermit) -> Result<Vec<IpAddr>, Closed> {
    let (tell, told) = oneshot::channel();
    let ask = move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        // Whoever asked may have gone.
        let _ = tell.send(found.map(|found| found.map(|address| address.ip()).take(ADDRESSES_MAX).collect()));
        drop(turn);
    };
    thread::Builder::new().name("look-up".to_owned()).spawn(ask).map_err(Closed::Failed)?;
    told.await.map_err(|_| Closed::Unknown)?.map_err(|_| Closed::Unknown)
}

fn literal(scheme: Scheme, address: IpAddr, port: u16) -> String {
    format!("{}://{}:{port}", scheme.as_str(), Host::Address(address))
}

#[cfg(test)]
mod tests;
