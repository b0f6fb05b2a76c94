//! A network bridge of the private engine's own, with addresses that nothing on this machine has a route to.
//!
//! The engine leaves the firewall alone, since its chains are those of an engine that may run here already. Such a one lets
//! nothing pass between containers that it doesn't know. Two rules say what is to pass of our addresses: within a network
//! everything, and nothing from one to another, or out.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::engine::place::Place;
use crate::{debian, shell};

const INTERFACES: &str = "/sys/class/net";
const BRIDGES_MAX: u8 = 20;

/// What happens to packets from our addresses, by the rest of the rule. Both or none can be had of a kernel.
const RULES: [&[&str]; 2] = [
    &["--match", "physdev", "--physdev-is-bridged", "--jump", "ACCEPT"],
    &["--match", "physdev", "!", "--physdev-is-bridged", "--jump", "DROP"],
];

/// A bridge and the addresses behind it.
pub(crate) struct Bridge {
    /// Its name.
    pub(crate) name: String,
    /// The second number of all its addresses, `10.x.0.0/16`.
    second: u8,
}

impl Bridge {
    /// Makes one, after removing what an engine that was killed has left.
    pub(crate) fn make(place: &Place) -> Result<Self> {
        remove(place);
        let routes = fs::read_to_string("/proc/net/route").context("the machine's routes cannot be read")?;
        let second = free_network(&routes).context("the machine has routes to all networks that would do")?;
        let taken = |name: &String| Path::new(INTERFACES).join(name).exists();
        let name = (0..BRIDGES_MAX).map(|number| format!("larder-e{number}")).find(|name| !taken(name));
        let bridge = Self { name: name.context("the machine has too many bridges called larder-e…")?, second };
        fs::write(place.bridge(), format!("{} {second}", bridge.name)).context("the bridge cannot be noted")?;
        let address = format!("10.{second}.0.1/24");
        let commands: [&[&str]; 3] = [
            &["link", "add", &bridge.name, "type", "bridge"],
            &["address", "add", &address, "dev", &bridge.name],
            &["link", "set", &bridge.name, "up"],
        ];
        for words in commands {
            let mut ip = debian::tool("ip");
            shell::run(ip.args(words), "a bridge can't be made without the privileges for it")?;
        }
        firewall("--insert", second);
        Ok(bridge)
    }

    /// Where the networks that tests make get their addresses from.
    pub(crate) fn pool(&self) -> String {
        format!("base=10.{}.128.0/17,size=24", self.second)
    }
}

/// Removes the bridge that was noted; one that is gone is no matter.
pub(crate) fn remove(place: &Place) {
    let noted = fs::read_to_string(place.bridge()).unwrap_or_default();
    if let Some((name, second)) = noted.split_once(' ') {
        let _ = shell::ask(debian::tool("ip").args(["link", "delete", name, "type", "bridge"]));
        if let Ok(second) = second.trim().parse() {
            firewall("--delete", second);
        }
        let _ = fs::remove_file(place.bridge());
    }
}

/// Inserts or deletes the rules. Where that can't be done, there is no firewall that could be in the way.
fn firewall(what: &str, second: u8) {
    for rule in RULES {
        let mut iptables = debian::tool("iptables");
        iptables.args(["--wait", what, "FORWARD", "--source", &format!("10.{second}.0.0/16")]).args(rule);
        let _ = shell::ask(&mut iptables);
    }
}

/// The second number of a network `10.x.0.0/16` that overlaps with no route of `/proc/net/route`.
pub(crate) fn free_network(routes: &str) -> Option<u8> {
    let routes: Vec<(u32, u32)> = routes.lines().skip(1).filter_map(route).collect();
    let is_free = |second: &u8| {
        let (network, mask) = (u32::from(Ipv4Addr::new(10, *second, 0, 0)), 0xffff_0000);
        routes.iter().all(|(to, over)| (network ^ to) & (mask & over) != 0)
    };
    (201..=240).find(is_free)
}

/// Destination and mask, which the kernel prints the other way round; the default route leads everywhere and to nobody.
fn route(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split_whitespace().skip(1);
    let mut number = |skip| u32::from_str_radix(fields.nth(skip)?, 16).ok().map(u32::swap_bytes);
    let (to, mask) = (number(0)?, number(5)?);
    (mask != 0).then_some((to, mask))
}
