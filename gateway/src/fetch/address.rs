//! Which addresses are public: those that anybody on the internet reaches, and nobody through us only.
//!
//! The ranges are those of the special-purpose registries of IANA, read strictly: what is doubtful is not public.
//! Knows nothing of names, URLs or connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether anybody on the internet reaches the address.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether the address is this machine.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|range| range.contains(address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // The system may answer with an IPv4 address in this form, and networks without IPv4 reach it by that one.
    if let Some(inner) = address.to_ipv4_mapped().or_else(|| translated(address)) {
        return is_public_v4(inner);
    }
    GLOBAL_V6.contains(address) && !NOT_PUBLIC_V6.iter().any(|range| range.contains(address))
}

/// The IPv4 address that a NAT64 gateway takes the address for.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    NAT64.contains(address).then(|| Ipv4Addr::new(a, b, c, d))
}

/// The addresses that share their first bits.
#[derive(Debug, Clone, Copy)]
struct Range<A> {
    first: A,
    /// How many bits they share, at least one.
    bits: u32,
}

impl Range<Ipv4Addr> {
    fn contains(self, address: Ipv4Addr) -> bool {
        let differing = address.to_bits() ^ self.first.to_bits();
        differing >> (32 - self.bits) == 0
    }
}

impl Range<Ipv6Addr> {
    fn contains(self, address: Ipv6Addr) -> bool {
        let differing = address.to_bits() ^ self.first.to_bits();
        differing >> (128 - self.bits) == 0
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> Range<Ipv4Addr> {
    Range { first: Ipv4Addr::new(a, b, c, d), bits }
}

const fn v6(a: u16, b: u16, c: u16, bits: u32) -> Range<Ipv6Addr> {
    Range { first: Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits }
}

const NOT_PUBLIC_V4: &[Range<Ipv4Addr>] = &[
    // This network, the unspecified address included.
    v4(0, 0, 0, 0, 8),
    // Private.
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    // Shared by the customers of a provider (CGNAT). Some clouds have their metadata here.
    v4(100, 64, 0, 0, 10),
    // Loopback.
    v4(127, 0, 0, 0, 8),
    // A cloud's virtual host that only its own machines reach.
    v4(168, 63, 129, 16, 32),
    // Link-local, and the metadata of most clouds.
    v4(169, 254, 0, 0, 16),
    // Assigned to protocols.
    v4(192, 0, 0, 0, 24),
    // Documentation.
    v4(192, 0, 2, 0, 24),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // Relays from 6to4, no longer in use.
    v4(192, 88, 99, 0, 24),
    // Benchmarks.
    v4(198, 18, 0, 0, 15),
    // Multicast.
    v4(224, 0, 0, 0, 4),
    // Reserved, broadcast included.
    v4(240, 0, 0, 0, 4),
];

/// All of IPv6 that is given out as global unicast. Loopback, unspecified, IPv4-compatible, link-local, site-local,
/// unique-local and multicast addresses lie outside of it.
const GLOBAL_V6: Range<Ipv6Addr> = v6(0x2000, 0, 0, 3);

/// How IPv4 looks from networks without it.
const NAT64: Range<Ipv6Addr> = v6(0x64, 0xff9b, 0, 96);

const NOT_PUBLIC_V6: &[Range<Ipv6Addr>] = &[
    // Assigned to protocols: Teredo, which wraps IPv4, benchmarks, ORCHID.
    v6(0x2001, 0, 0, 23),
    // Documentation.
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x3fff, 0, 0, 20),
    // 6to4, which wraps IPv4.
    v6(0x2002, 0, 0, 16),
    // An experiment, over and given back.
    v6(0x3ffe, 0, 0, 16),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last address of every class that is not public.
    const NOT_PUBLIC: &[(&str, &str, &str)] = &[
        ("this network", "0.0.0.0", "0.255.255.255"),
        ("private 10/8", "10.0.0.0", "10.255.255.255"),
        ("shared", "100.64.0.0", "100.127.255.255"),
        ("loopback", "127.0.0.0", "127.255.255.255"),
        ("a cloud's host", "168.63.129.16", "168.63.129.16"),
        ("link-local", "169.254.0.0", "169.254.255.255"),
        ("private 172.16/12", "172.16.0.0", "172.31.255.255"),
        ("protocols", "192.0.0.0", "192.0.0.255"),
        ("documentation 1", "192.0.2.0", "192.0.2.255"),
        ("6to4 relays", "192.88.99.0", "192.88.99.255"),
        ("private 192.168/16", "192.168.0.0", "192.168.255.255"),
        ("benchmarks", "198.18.0.0", "198.19.255.255"),
        ("documentation 2", "198.51.100.0", "198.51.100.255"),
        ("documentation 3", "203.0.113.0", "203.0.113.255"),
        ("multicast", "224.0.0.0", "239.255.255.255"),
        ("reserved and broadcast", "240.0.0.0", "255.255.255.255"),
        ("unspecified, loopback and IPv4-compatible", "::", "::ffff:ffff"),
        ("between IPv4-compatible and IPv4-mapped", "::1:0:0", "::fffe:ffff:ffff"),
        ("IPv4-translated", "::ffff:0:0:0", "::ffff:0:ffff:ffff"),
        ("NAT64 of a local network", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
        ("discard only", "100::", "100::ffff:ffff:ffff:ffff"),
        ("below global unicast", "200::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("Teredo", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("benchmarks of IPv6", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
        ("ORCHID", "2001:10::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("protocols of IPv6", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("documentation of IPv6", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("6to4", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("6to4 of a public address", "2002:808:808::1", "2002:808:808::1"),
        ("6bone", "3ffe::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("documentation 2 of IPv6", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("above global unicast", "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("segment routing", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("unique-local", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("metadata of clouds", "fd00:ec2::254", "fd20:ce::254"),
        ("link-local of IPv6", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("site-local", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("multicast of IPv6", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ];

    /// The neighbours of those classes, and some that everybody knows.
    const PUBLIC: &[&str] = &[
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:4860:4860::8888",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
        "2003::",
        "2606:4700:4700::1111",
        "3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
    ];

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// An IPv4 address in the forms by which IPv6 reaches it.
    fn reaching(inner: Ipv4Addr) -> [IpAddr; 2] {
        let [a, b] = [inner.to_bits() >> 16, inner.to_bits() & 0xffff].map(|half| half as u16);
        [inner.to_ipv6_mapped().into(), Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b).into()]
    }

    /// An IPv4 address in the forms that wrap it: IPv4-compatible, 6to4, Teredo (which hides it by inversion).
    fn wrapping(inner: Ipv4Addr) -> [IpAddr; 3] {
        let bits = inner.to_bits();
        let [a, b] = [bits >> 16, bits & 0xffff].map(|half| half as u16);
        [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, a, b).into(),
            Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 1).into(),
            Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !a, !b).into(),
        ]
    }

    #[test]
    fn no_class_that_is_not_public_passes() {
        for (class, first, last) in NOT_PUBLIC {
            for text in [first, last] {
                assert!(!is_public(address(text)), "{class}: {text}");
            }
        }
    }

    #[test]
    fn what_lies_between_the_classes_is_public() {
        for text in PUBLIC {
            assert!(is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_the_forms_that_reach_it() {
        let not_public = NOT_PUBLIC.iter().flat_map(|(_, first, last)| [*first, *last]);
        for text in not_public.chain(PUBLIC.iter().copied()) {
            let IpAddr::V4(inner) = address(text) else { continue };
            for form in reaching(inner) {
                assert_eq!(is_public(form), is_public(inner.into()), "{form}");
            }
        }
    }

    #[test]
    fn no_form_that_wraps_an_ipv4_address_is_public() {
        for text in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"] {
            for form in wrapping(text.parse().unwrap()) {
                assert!(!is_public(form), "{form}");
            }
        }
    }

    #[test]
    fn loopback_is_known_in_both_families_and_no_other_is() {
        for text in ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(address(text)), "{text}");
        }
        for text in ["0.0.0.0", "10.0.0.1", "8.8.8.8", "::", "::2", "::127.0.0.1", "fe80::1"] {
            assert!(!is_loopback(address(text)), "{text}");
        }
    }
}
