//! A network with nobody in it, for the whole of this test program: a mistake in the gate then sends nothing anywhere, and the addresses
//! that attackers want can be given to servers of ours.
//!
//! A namespace is entered by one thread, and left to those that it starts. So it is entered before there are others: by a function
//! that the loader calls before `main`.

use std::ffi::{CStr, c_int};
use std::fs;
use std::mem::zeroed;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};

static ENTERED: AtomicBool = AtomicBool::new(false);
static HAS_NAMES: AtomicBool = AtomicBool::new(false);

/// Where a name server may be: the system's own is asked there.
pub(crate) const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// Says so.
const RESOLV_CONF: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/resolv.conf\0").as_bytes()) {
        Ok(path) => path,
        Err(_) => c"",
    };

/// An address of a cloud's metadata service; here it is the loopback's second.
pub(crate) const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

// SAFETY: The loader calls each function that this section lists, with C's calling convention and before any other thread exists.
#[unsafe(link_section = ".init_array")]
#[used]
static ENTER: extern "C" fn() = enter;

extern "C" fn enter() {
    // SAFETY: No memory is passed, and there is no other thread that could be surprised.
    let alone = unsafe {
        libc::unshare(libc::CLONE_NEWNET) == 0 || libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) == 0
    };
    if alone && set_up(c"lo", None) && set_up(c"lo:1", Some(METADATA)) {
        ENTERED.store(true, Ordering::Relaxed);
        HAS_NAMES.store(ask_our_name_server(), Ordering::Relaxed);
    }
}

/// Puts our file over the system's list of name servers, in a namespace of mounts of our own.
fn ask_our_name_server() -> bool {
    let null = std::ptr::null();
    // SAFETY: All texts end with NUL and live for ever; the null pointers are for what a bind mount does not have.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(null, c"/".as_ptr(), null, libc::MS_REC | libc::MS_PRIVATE, null.cast()) == 0
            && libc::mount(RESOLV_CONF.as_ptr(), c"/etc/resolv.conf".as_ptr(), null, libc::MS_BIND, null.cast()) == 0
    }
}

/// Whether names are asked for at [`NAME_SERVER`]; it is told why not otherwise.
pub(crate) fn has_names(test: &str) -> bool {
    let has = is_isolated(test) && HAS_NAMES.load(Ordering::Relaxed);
    if !has && ENTERED.load(Ordering::Relaxed) {
        skip(test, "this system lets nobody replace its list of name servers");
    }
    has
}

/// Brings an interface up, with this address if one is given.
fn set_up(name: &CStr, address: Option<Ipv4Addr>) -> bool {
    // SAFETY: All-zero bytes are a value of this plain struct, the name is shorter than its field, and the kernel only reads and
    // writes within the struct. The socket is ours and closed at the end.
    unsafe {
        let mut request: libc::ifreq = zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes()) {
            *to = from.cast_signed();
        }
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let mut done = socket >= 0;
        if let Some(address) = address {
            let mut at: libc::sockaddr_in = zeroed();
            at.sin_family = libc::AF_INET as libc::sa_family_t;
            at.sin_addr.s_addr = u32::from(address).to_be();
            request.ifr_ifru.ifru_addr = *(&raw const at).cast();
            done &= libc::ioctl(socket, libc::SIOCSIFADDR, &raw const request) == 0;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        done &= libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) == 0;
        let _: c_int = libc::close(socket);
        done
    }
}

/// Whether this system let us; it is told why not otherwise.
pub(crate) fn is_isolated(test: &str) -> bool {
    let entered = ENTERED.load(Ordering::Relaxed);
    if !entered {
        skip(test, "this system lets nobody enter a network namespace");
    }
    entered
}

fn skip(test: &str, reason: &str) {
    if let Some(skips) = std::env::var_os("LARDER_TEST_SKIPS") {
        let file = fs::OpenOptions::new().append(true).create(true).open(skips);
        std::io::Write::write_all(&mut file.unwrap(), format!("{test}\t{reason}\n").as_bytes()).unwrap();
    }
}

#[test]
fn nobody_else_is_in_this_network() {
    if !is_isolated("isolated::nobody_else_is_in_this_network") {
        return;
    }
    let interfaces = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let names: Vec<&str> =
        interfaces.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim()).collect();
    assert_eq!(names, ["lo"]);
    assert_eq!(
        fs::read_to_string("/proc/thread-self/net/route").unwrap().lines().skip(1).count(),
        0,
        "no way leads out"
    );
}
