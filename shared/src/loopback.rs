//! What never leaves this machine, and so needs no encryption. Pure.

use core::net::IpAddr;

use url::Host;

/// Whether the host of a URL is `localhost` or a loopback address.
pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// The same of a database's host, which may also be a socket's folder, or left out.
pub(crate) fn is_local_database(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.is_empty()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
}
