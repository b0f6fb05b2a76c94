//! Addresses: one canonical form, and which of them are of the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges of IPv4 that are not of the public internet, or not a single host's (IANA's special-purpose registry, RFC 6890).
const NOT_PUBLIC_V4: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // A cloud's own service for its machines, although the address looks public.
    ([168, 63, 129, 16], 32),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// The public internet of IPv6 is this range, without those below.
const GLOBAL_V6: (u128, u8) = (0x2000 << 112, 3);
/// Protocol assignments and Teredo, documentation, 6to4, documentation again. (Addresses of 6to4 that hide an address of IPv4 become that
/// address before they are asked about.)
const NOT_PUBLIC_V6: [(u128, u8); 4] =
    [(0x2001 << 112, 23), (0x2001_0db8 << 96, 32), (0x2002 << 112, 16), (0x3fff << 112, 20)];

/// The address without the disguises that IPv6 has for one of IPv4: mapped (RFC 4291), compatible (the same, long deprecated), NAT64 (RFC
/// 6052) and 6to4 (RFC 3056).
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        // `::` and `::1` are addresses of their own.
        (0, 0, 0, 0, 0, 0) if (g, h) != (0, 0) && (g, h) != (0, 1) => v4(g, h),
        (0x2002, high, low, ..) => v4(high, low),
        _ => address,
    }
}

/// Whether a canonical address is one host's on the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    special_range(address).is_none()
}

/// The range, as network and prefix length, that keeps a canonical address from being public.
pub(super) fn special_range(address: IpAddr) -> Option<Range> {
    match address {
        IpAddr::V4(v4) => NOT_PUBLIC_V4
            .iter()
            .map(|(network, bits)| Range::new(IpAddr::V4(Ipv4Addr::from(*network)), *bits))
            .find(|range| range.contains(IpAddr::V4(v4))),
        IpAddr::V6(_) => {
            let range = |(network, bits): (u128, u8)| Range::new(IpAddr::V6(Ipv6Addr::from(network)), bits);
            if !range(GLOBAL_V6).contains(address) {
                return Some(not_global(address));
            }
            NOT_PUBLIC_V6.into_iter().map(range).find(|range| range.contains(address))
        }
    }
}

/// Outside the global range of IPv6, each kind of address is a range of its own: unique local, link-local, the rest by its first
/// eight bits.
fn not_global(address: IpAddr) -> Range {
    let bits = match address {
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unspecified() => 128,
        IpAddr::V6(v6) if v6.is_unique_local() => 7,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 10,
        _ => 8,
    };
    Range::new(address, bits)
}

/// A network: all addresses with its first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    network: IpAddr,
    bits: u8,
}

impl Range {
    /// The range of this length around an address.
    pub(super) const fn new(network: IpAddr, bits: u8) -> Self {
        Self { network, bits }
    }

    pub(super) const fn network(&self) -> IpAddr {
        self.network
    }

    pub(super) const fn bits(&self) -> u8 {
        self.bits
    }

    /// The bits of an address of this family.
    pub(super) const fn width(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }

    /// Whether a canonical address is in it.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        Self::width(self.network) == Self::width(address) && self.first(self.network) == self.first(address)
    }

    /// Whether every address of `other` is in it.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.bits <= other.bits && self.contains(other.network)
    }

    /// Whether nothing of its network's address lies beyond its bits.
    pub(super) fn is_aligned(&self) -> bool {
        let number = number(self.network);
        let rest = Self::width(self.network) - self.bits;
        rest == 0 || number.trailing_zeros() >= u32::from(rest) || number == 0
    }

    fn first(&self, address: IpAddr) -> u128 {
        number(address).checked_shr(u32::from(Self::width(address) - self.bits)).unwrap_or(0)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}
