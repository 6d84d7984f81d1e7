//! How much the API takes on: of one user, of one address, and in all.

use ipnet::IpNet;

use super::reader::Reader;
use super::rules;
use crate::generation::Limits;

/// What keeps one caller from taking what is everybody's.
#[derive(Clone, Debug)]
pub struct ApiLimits {
    /// Of one user's generations.
    pub generations: Limits,
    /// Generations that may wait in the queue before more are put off.
    pub queue_max: u32,
    /// Requests a second, over all operations, that one user may send to one process.
    pub user_rate: u32,
    /// Requests a second that one address may make of one process, with or without a token.
    pub address_rate: u32,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections that one process holds open.
    pub connections_max: usize,
}

impl ApiLimits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let cancels_free_per_day = reader.parsed("CANCELS_FREE_PER_DAY", "a number from 0 to 1000000", "20", |text| {
            rules::between(text, 0, 1_000_000)
        });
        let mut number = |name: &str, max: u32, default: &str| {
            reader.parsed(name, &format!("a number from 1 to {max}"), default, |text| rules::between(text, 1, max))
        };
        Self {
            generations: Limits {
                per_minute: number("GENERATE_RATE_PER_MINUTE", 6_000, "60"),
                runs_open_max: number("GENERATIONS_OPEN_MAX", 10_000, "20"),
                cancels_free_per_day,
            },
            queue_max: number("QUEUE_MAX", 1_000_000, "10000"),
            user_rate: number("USER_RATE_PER_SECOND", 100_000, "20"),
            address_rate: number("ADDRESS_RATE_PER_SECOND", 100_000, "100"),
            connections_max: number("CONNECTIONS_MAX", 100_000, "800") as usize,
            trusted_proxies: reader.parsed(
                "TRUSTED_PROXIES",
                "addresses or networks such as 10.0.0.0/8, separated by commas",
                "",
                networks,
            ),
        }
    }
}

/// Networks, where an address alone is a network of one.
fn networks(text: &str) -> Option<Vec<IpNet>> {
    rules::list(text)
        .map(|entry| entry.parse().ok().or_else(|| entry.parse().ok().map(|address: std::net::IpAddr| address.into())))
        .collect()
}
