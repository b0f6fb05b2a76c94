//! A real memcached.

use std::process::Command;

use larder_clients::memcached;
use tempfile::TempDir;

use crate::support::{Server, free_port, program};

#[test]
fn world_memcached_tells_its_version() {
    let Some(memcached) = program("world_memcached_tells_its_version", "memcached") else { return };
    let (dir, port) = (TempDir::new().unwrap(), free_port());
    let mut command = Command::new(memcached);
    command.args(["-l", "127.0.0.1", "-p", &port.to_string(), "-u", "nobody", "-vv"]);
    let server = Server::start(dir, port, &mut command, "server listening", "-TERM");
    let version = memcached::version(server.connect()).unwrap();
    assert!(version.starts_with("1."), "{version}");
}
