//! A question to a process of ours on this machine: health checks of containers need it, whose images hold no other
//! program that could ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Longer than the API's own wait for its database, shorter than the patience of a health check.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// Why a process is not well.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    #[error("{address} does not answer")]
    Silent {
        address: SocketAddr,
        #[source]
        source: reqwest::Error,
    },
    #[error("{address} answers {path} with {status}")]
    Unwell { address: SocketAddr, path: &'static str, status: u16 },
}

/// Asks the process that listens on `bind` for `path`.
///
/// # Errors
/// [`HealthError`], where it does not answer with 200.
pub async fn ask(bind: SocketAddr, is_tls: bool, path: &'static str) -> Result<(), HealthError> {
    let address = from_here(bind);
    let silent = |source| HealthError::Silent { address, source };
    let client = reqwest::Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // Its certificate names the public host, not this machine; nothing is sent that anybody could want.
        .tls_danger_accept_invalid_certs(is_tls)
        .build()
        .map_err(silent)?;
    let scheme = if is_tls { "https" } else { "http" };
    let answer = client.get(format!("{scheme}://{address}{path}")).send().await.map_err(silent)?;
    match answer.status().as_u16() {
        200 => Ok(()),
        status => Err(HealthError::Unwell { address, path, status }),
    }
}

/// Where to reach what listens on all addresses of this machine.
fn from_here(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

#[cfg(test)]
mod tests {
    use super::from_here;

    #[test]
    fn what_listens_everywhere_is_asked_at_home() {
        for (bind, from) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.1.2.3:8080", "10.1.2.3:8080"),
            ("127.0.0.1:9100", "127.0.0.1:9100"),
        ] {
            assert_eq!(from_here(bind.parse().expect("an address")).to_string(), from);
        }
    }
}
