//! Turning a host's name into addresses that may be connected to.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::net::lookup_host;

use super::address::is_public;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// The name leads, among others perhaps, to an address that is not public.
#[derive(Debug, Error)]
#[error("the name resolves to an address that is not public")]
pub(super) struct NotPublic;

/// Asks the system, and gives on only what it has judged: the client connects to what it is given and asks nobody else,
/// so that a name which changes its answer between a check and a connection gains nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublicResolver {
    /// A name and its addresses, instead of the system's answer.
    pub(super) pinned: Option<(String, Vec<SocketAddr>)>,
    /// An address that counts as public: a test's own server.
    pub(super) exempt: Option<SocketAddr>,
}

impl PublicResolver {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        match &self.pinned {
            Some((pinned, addresses)) if pinned == name => Ok(addresses.clone()),
            // The port that the client fills in is that of `https`.
            _ => Ok(lookup_host((name, 0)).await?.take(ADDRESSES_MAX).collect()),
        }
    }

    /// All or none: an answer that mixes public addresses with others is made to get around a check.
    fn judge(&self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NotPublic> {
        let admits = |address: &SocketAddr| is_public(address.ip()) || self.exempt == Some(*address);
        if addresses.iter().all(admits) { Ok(addresses) } else { Err(NotPublic) }
    }
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.look_up(name.as_str()).await?;
            let addresses: Addrs = Box::new(resolver.judge(addresses)?.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(addresses: &[&str]) -> bool {
        let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        PublicResolver::default().judge(addresses).is_ok()
    }

    #[test]
    fn an_answer_with_one_address_that_is_not_public_is_refused_whole() {
        assert!(judged(&["8.8.8.8:0"]));
        assert!(judged(&["8.8.8.8:0", "[2606:4700::1111]:0"]));
        for mixed in ["127.0.0.1:0", "10.0.0.1:443", "[::1]:0", "[::ffff:10.0.0.1]:0", "169.254.169.254:0"] {
            assert!(!judged(&[mixed]));
            assert!(!judged(&["8.8.8.8:0", mixed]));
            assert!(!judged(&[mixed, "8.8.8.8:0"]));
        }
    }

    #[tokio::test]
    async fn what_the_system_says_of_a_local_name_is_refused() {
        let refused = PublicResolver::default().resolve("localhost".parse().expect("a name")).await;
        let refused = refused.err().expect("an error");
        assert!(refused.downcast_ref::<NotPublic>().is_some(), "{refused}");
    }
}
