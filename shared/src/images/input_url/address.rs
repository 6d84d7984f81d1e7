//! Which addresses belong to the public internet. Pure.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that lead elsewhere: address and length of the prefix.
const CLOSED_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared by a carrier's customers
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // this machine
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's host, as its virtual machines see it
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // this link, and the metadata of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, and broadcast
];

/// The only IPv6 network of the public internet so far. `::1`, `fc00::/7`, `fe80::/10`, `ff00::/8` and most else is outside.
const OPEN_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is closed within it.
const CLOSED_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, with Teredo's tunnels to any IPv4
    (Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: tunnels to any IPv4
    (Ipv6Addr::new(0x3FFF, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// IPv6 spellings of an IPv4 address, which stands in their last 32 bits.
const SPELLINGS_OF_V4: [(Ipv6Addr, u32); 2] = [
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xFFFF, 0, 0), 96), // mapped: the system connects over IPv4
    (Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, 0, 0), 96), // the well-known prefix of NAT64
];

/// Whether a stranger may send us there: not to this machine, nor to a private, local, reserved or tunnelled network.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !CLOSED_V4.iter().any(|(network, length)| (address.to_bits() ^ network.to_bits()).leading_zeros() >= *length)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within =
        |(network, length): &(Ipv6Addr, u32)| (address.to_bits() ^ network.to_bits()).leading_zeros() >= *length;
    if SPELLINGS_OF_V4.iter().any(within) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    within(&OPEN_V6) && !CLOSED_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> bool {
        is_public(text.parse().expect(text))
    }

    #[test]
    fn the_first_and_last_address_of_every_closed_network_is_refused_and_its_neighbours_are_not() {
        for (network, first, last) in [
            ("0/8", "0.0.0.0", "0.255.255.255"),
            ("10/8", "10.0.0.0", "10.255.255.255"),
            ("100.64/10", "100.64.0.0", "100.127.255.255"),
            ("127/8", "127.0.0.0", "127.255.255.255"),
            ("a cloud's host", "168.63.129.16", "168.63.129.16"),
            ("169.254/16", "169.254.0.0", "169.254.255.255"),
            ("172.16/12", "172.16.0.0", "172.31.255.255"),
            ("192.0.0/24", "192.0.0.0", "192.0.0.255"),
            ("192.0.2/24", "192.0.2.0", "192.0.2.255"),
            ("192.88.99/24", "192.88.99.0", "192.88.99.255"),
            ("192.168/16", "192.168.0.0", "192.168.255.255"),
            ("198.18/15", "198.18.0.0", "198.19.255.255"),
            ("198.51.100/24", "198.51.100.0", "198.51.100.255"),
            ("203.0.113/24", "203.0.113.0", "203.0.113.255"),
            ("224/4 and 240/4", "224.0.0.0", "255.255.255.255"),
        ] {
            assert!(!judged(first) && !judged(last), "{network}");
            let [first, last] = [first, last].map(|text| text.parse::<Ipv4Addr>().expect(text).to_bits());
            for neighbour in [first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
                let neighbour = Ipv4Addr::from_bits(neighbour);
                assert!(is_public_v4(neighbour), "{neighbour} beside {network}");
                // The same address in its other spellings is the same address.
                assert!(is_public_v6(neighbour.to_ipv6_mapped()), "{neighbour}");
            }
            for closed in [first, last].map(Ipv4Addr::from_bits) {
                assert!(!judged(&format!("::ffff:{closed}")), "{closed}");
                assert!(!judged(&format!("64:ff9b::{closed}")), "{closed}");
            }
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in ["1.1.1.1", "8.8.8.8", "93.184.215.14", "168.63.129.15", "223.255.255.255", "::ffff:8.8.8.8"] {
            assert!(judged(text), "{text}");
        }
        for text in ["2000::", "2001:200::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1", "64:ff9b::808:808"] {
            assert!(judged(text), "{text}");
        }
    }

    #[test]
    fn addresses_of_closed_networks_are_not() {
        for (network, inside) in [
            ("unspecified and compatible with IPv4", vec!["::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff"]),
            ("mapped", vec!["::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:a9fe:a9fe", "::ffff:0:0"]),
            ("translated", vec!["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"]),
            ("NAT64", vec!["64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe"]),
            ("local NAT64", vec!["64:ff9b:1::", "64:ff9b:1::808:808", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"]),
            ("100::/64", vec!["100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::"]),
            ("2001::/23", vec!["2001::", "2001:0:4136:e378::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff::"]),
            ("2001:db8::/32", vec!["2001:db8::", "2001:db8:ffff:ffff::1"]),
            ("2002::/16", vec!["2002:7f00:1::", "2002:808:808::1", "2002:ffff::"]),
            ("3fff::/20", vec!["3fff::1", "3fff:fff::1"]),
            ("outside of 2000::/3", vec!["1fff::1", "4000::1", "5f00::1", "8000::", "fbff::"]),
            ("fc00::/7", vec!["fc00::", "fd00:ec2::254", "fdff:ffff::1"]),
            ("fe80::/10 and fec0::/10", vec!["fe80::1", "febf::1", "fec0::1", "feff::1"]),
            ("ff00::/8", vec!["ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
        ] {
            for text in inside {
                assert!(!judged(text), "{text} of {network}");
            }
        }
    }
}
