//! Which address a request comes from: the peer, or what a trusted proxy says of it.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use poem::http::HeaderMap;

/// The header in which each proxy adds whom it was called by.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Most addresses of that header that are looked at, from its end.
const HOPS_MAX: usize = 16;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// As far back as can be told.
    Known(IpAddr),
    /// The peer says that it speaks for somebody else, and is not believed.
    Unproven(IpAddr),
}

impl Origin {
    pub(super) fn address(self) -> IpAddr {
        match self {
            Self::Known(address) | Self::Unproven(address) => address,
        }
    }
}

/// The first address, going back from `peer`, that is no trusted proxy. What stands before it anyone may have written.
pub(super) fn origin(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Origin {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return if headers.contains_key(FORWARDED_FOR) { Origin::Unproven(peer) } else { Origin::Known(peer) };
    }
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS_MAX);
    let mut last = peer;
    for hop in hops {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        last = address.to_canonical();
        if !is_trusted(last, trusted) {
            break;
        }
    }
    Origin::Known(last)
}

/// Whether an address, in its canonical form, is one of the proxies that are believed.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// What one subscriber is given: an address of version 4, or the first half of one of version 6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// The largest block of IP addresses that one customer of an internet provider usually has: a single IPv4 address, or
/// an IPv6 /48. Coarser than [`network`], because one site may hold 65,536 of those.
pub(crate) fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipnet::IpNet;
    use poem::http::{HeaderMap, HeaderValue};

    use super::{FORWARDED_FOR, Origin, network, origin};

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn origin_of(peer: &str, lines: &[&'static str]) -> Origin {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        origin(ip(peer), &headers, &trusted)
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_reach() {
        for (peer, lines, expected) in [
            ("9.9.9.9", &[][..], Origin::Known(ip("9.9.9.9"))),
            ("9.9.9.9", &["1.1.1.1"], Origin::Unproven(ip("9.9.9.9"))),
            ("10.0.0.1", &[], Origin::Known(ip("10.0.0.1"))),
            ("10.0.0.1", &["1.1.1.1"], Origin::Known(ip("1.1.1.1"))),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1"], Origin::Known(ip("1.1.1.1"))),
            ("10.0.0.1", &["1.1.1.1, 10.2.3.4"], Origin::Known(ip("1.1.1.1"))),
            ("10.0.0.1", &["6.6.6.6", "1.1.1.1,10.2.3.4"], Origin::Known(ip("1.1.1.1"))),
            ("10.0.0.1", &["1.1.1.1, unknown"], Origin::Known(ip("10.0.0.1"))),
            ("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], Origin::Known(ip("1.1.1.1"))),
            ("fd00::1", &["2001:db8::7"], Origin::Known(ip("2001:db8::7"))),
        ] {
            assert_eq!(origin_of(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_addresses_of_one_subscriber_are_one() {
        assert_eq!(network(ip("2001:db8:1:2:3::4")), network(ip("2001:db8:1:2:ffff::1")));
        assert_ne!(network(ip("2001:db8:1:2::")), network(ip("2001:db8:1:3::")));
        assert_ne!(network(ip("1.2.3.4")), network(ip("1.2.3.5")));
    }
}
