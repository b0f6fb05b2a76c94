//! Each bound of the gate is reached.

use std::net::Ipv4Addr;

use larder_domain::limits::CallLimits;
use larder_domain::network::Destinations;

use super::*;
use crate::lease::tests::losable;
use crate::memory::HostMemory;

/// Gates of one sandbox, of calls that were granted these.
fn gates(grants: &[&str]) -> impl Fn() -> Gate {
    let list = Destinations::new(grants.iter().map(|grant| grant.parse().unwrap()).collect());
    let policy = Arc::new(Policy::new(list.clone(), list));
    let (network, host) = (Arc::new(Network::new()), Arc::new(HostMemory::new(usize::MAX)));
    let limits = CallLimits::default();
    move || {
        Gate::new(
            Arc::clone(&network),
            Arc::clone(&policy),
            MemoryBudget::new(&limits, Arc::clone(&host)),
            Lease::default(),
        )
    }
}

#[test]
fn all_calls_together_have_so_many_sockets_and_give_them_back() {
    let gate = gates(&[]);
    let full: Vec<Gate> = (0..SOCKETS_MAX / CONNECTIONS_MAX).map(|_| gate()).collect();
    for one in &full {
        assert!((0..CONNECTIONS_MAX).all(|_| one.count_socket()));
        assert!(!one.count_socket(), "a call has its own bound");
    }
    let late = gate();
    assert!(!late.count_socket());
    assert_eq!(late.0.network.usage(), (256, 256));
    drop(full);
    assert!(late.count_socket());
    assert_eq!(late.0.network.usage(), (1, 256));
}

#[test]
fn sockets_are_memory_of_the_call() {
    let host = Arc::new(HostMemory::new(usize::MAX));
    let limits = CallLimits { memory_bytes: 2 << 20, ..CallLimits::default() };
    let gate = Gate::new(Arc::new(Network::new()), Arc::default(), MemoryBudget::new(&limits, host), Lease::default());
    let sockets = (0..CONNECTIONS_MAX).take_while(|_| gate.count_socket()).count();
    assert!((1..CONNECTIONS_MAX).contains(&sockets), "{sockets} in 700 KiB");
}

#[tokio::test]
async fn a_call_looks_up_so_many_names() {
    let gate = gates(&["tcp://localhost:1-65535"])();
    for _ in 0..LOOKUPS_MAX {
        gate.look_up("localhost").await.unwrap();
    }
    assert!(matches!(gate.look_up("localhost").await, Err(Closed::TooMany)));
}

#[test]
fn refusals_are_told_up_to_a_bound_and_counted_beyond_it() {
    let gate = gates(&["tcp://127.0.0.1:1"])();
    for port in 2..22 {
        assert!(!gate.admits((Ipv4Addr::LOCALHOST, port).into()));
        assert!(!gate.admits((Ipv4Addr::LOCALHOST, 2).into()), "told once");
    }
    let (told, often) = gate.take_denied();
    assert_eq!((told.len(), often), (DENIED_MAX, 40));
}

#[tokio::test]
async fn whoever_never_accepts_costs_so_long() {
    // A queue for one, which is taken.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // SAFETY: the descriptor is the listener's, which outlives the call; no memory is passed.
    assert_eq!(unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 0) }, 0);
    let mut waiting = vec![];
    let connect = |at_most| timeout(at_most, TcpStream::connect(address));
    while let Ok(connected) = connect(Duration::from_millis(50)).await {
        waiting.push(connected.unwrap());
    }
    let granted = format!("http://{address}");
    let (gate, host) = (gates(&[&granted])(), Host::parse("127.0.0.1").unwrap());
    let began = std::time::Instant::now();
    let connected = gate.connect(Scheme::Http, &host, address.port(), Duration::from_millis(50)).await;
    assert!(matches!(connected, Err(Closed::TimedOut)), "{connected:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_call_without_its_lease_connects_nowhere() {
    let (losable, lease) = losable();
    let list = Destinations::new(vec!["tcp://127.0.0.1:1".parse().unwrap()]);
    let policy = Arc::new(Policy::new(list.clone(), list));
    let memory = MemoryBudget::new(&CallLimits::default(), Arc::new(HostMemory::new(usize::MAX)));
    let gate = Gate::new(Arc::new(Network::new()), policy, memory, lease);
    assert!(gate.admits((Ipv4Addr::LOCALHOST, 1).into()));
    losable.lose();
    assert!(!gate.admits((Ipv4Addr::LOCALHOST, 1).into()));
}
