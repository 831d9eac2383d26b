//! Which addresses a partner may have: its name is asked for, and what is not on the public internet is dropped.
//!
//! A partner's name is data from outside. If it could stand for `127.0.0.1`, for a neighbour in our own network or
//! for a cloud's metadata address, whoever answers for the name would make this server talk to them (server-side
//! request forgery). The address that was judged is the one that is connected to: the name is not asked for again.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

/// Most addresses of one name that are looked at.
pub const ADDRESSES_MAX: usize = 32;

/// Why a partner is not connected to: nothing but private addresses stands behind its name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{host}` has no address on the public internet")]
pub struct PrivateAddress {
    pub host: String,
}

/// Where addresses of names come from.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a name, in the order of preference; the ports mean nothing.
    async fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.take(ADDRESSES_MAX).collect())
    }
}

/// Gives only addresses that a partner may have.
#[derive(Clone)]
pub struct GuardedResolver {
    lookup: Arc<dyn Lookup>,
    allow_private: bool,
}

impl GuardedResolver {
    /// Drops private addresses unless they are allowed for this partner.
    #[must_use]
    pub fn new(lookup: Arc<dyn Lookup>, allow_private: bool) -> Self {
        Self { lookup, allow_private }
    }

    /// The addresses of `host` that may be connected to.
    ///
    /// # Errors
    /// The name is not known, or all that it stands for is private.
    pub async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let mut addresses = self.lookup.lookup(host).await.map_err(ResolveError::Lookup)?;
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            return Err(ResolveError::Unknown { host: host.to_owned() });
        }
        if !self.allow_private {
            addresses.retain(|address| is_public(address.ip()));
            if addresses.is_empty() {
                return Err(ResolveError::Private(PrivateAddress { host: host.to_owned() }));
            }
        }
        Ok(addresses)
    }
}

impl std::fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedResolver").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

/// Why a name gave no address.
#[derive(Debug, Error)]
pub enum ResolveError {
    #[error("the name could not be looked up")]
    Lookup(#[source] io::Error),
    #[error("`{host}` has no address")]
    Unknown { host: String },
    #[error(transparent)]
    Private(PrivateAddress),
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is one of the public internet.
///
/// Not: loopback, private networks (RFC 1918, RFC 4193), shared address space of carriers (RFC 6598), link-local,
/// multicast, unspecified, and what the registries of special-purpose addresses (RFC 6890) keep for documentation,
/// benchmarks and the future. An IPv6 address that carries an IPv4 address is judged by that one.
#[must_use]
pub const fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let kept = match address.octets() {
        // "this network", and everything kept for the future with the broadcast address.
        [0 | 240..=255, ..] => true,
        // Carriers' shared address space.
        [100, 64..=127, ..] => true,
        // Protocol assignments, 6to4 relays.
        [192, 0, 0, _] | [192, 88, 99, _] => true,
        // Benchmarks.
        [198, 18 | 19, ..] => true,
        _ => false,
    };
    !(kept
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(carried(high, low)),
        // 6to4: the IPv4 address stands behind the prefix.
        [0x2002, high, low, ..] => is_public_v4(carried(high, low)),
        // Teredo hides an address of its own making; 2001::/23 as a whole is kept for protocols.
        [0x2001, second, ..] if second < 0x200 => false,
        // Documentation.
        [0x2001, 0xdb8, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Only 2000::/3 is given out; unspecified, loopback, ULA, link-local, site-local and multicast lie outside.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The IPv4 address in the last two of an IPv6 address's groups.
const fn carried(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<&'static str>);

    #[async_trait]
    impl Lookup for Fixed {
        async fn lookup(&self, _host: &str) -> io::Result<Vec<SocketAddr>> {
            Ok(self.0.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect())
        }
    }

    fn resolver(addresses: &[&'static str], allow_private: bool) -> GuardedResolver {
        GuardedResolver::new(Arc::new(Fixed(addresses.to_vec())), allow_private)
    }

    const PRIVATE: &[&str] = &[
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:c0a8:101::1",
        "2001::1",
        "2001:db8::1",
        "3fff::1",
        "fc00::1",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "100::1",
    ];

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.167.255.255",
        "192.169.0.1",
        "198.17.255.255",
        "198.20.0.1",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "3ffe:ffff::1",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ];

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for address in PRIVATE {
            assert!(!is_public(address.parse().unwrap()), "{address} is private");
        }
        for address in PUBLIC {
            assert!(is_public(address.parse().unwrap()), "{address} is public");
        }
    }

    #[tokio::test]
    async fn a_name_of_private_addresses_is_refused_unless_they_are_allowed() {
        for address in PRIVATE.iter().copied() {
            let refused = resolver(&[address], false).addresses("partner.example").await;
            let Err(ResolveError::Private(private)) = refused else { panic!("{address}: {refused:?}") };
            assert_eq!(private.host, "partner.example");
            assert!(resolver(&[address], true).addresses("partner.example").await.is_ok());
        }
    }

    #[tokio::test]
    async fn only_the_public_addresses_of_a_mixed_name_are_given() {
        let given =
            resolver(&["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"], false).addresses("mixed").await.unwrap();
        let given: Vec<String> = given.iter().map(|address| address.ip().to_string()).collect();
        assert_eq!(given, ["1.1.1.1", "2606:4700::1111"]);
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_unknown() {
        let refused = resolver(&[], true).addresses("nobody").await;
        assert!(matches!(refused, Err(ResolveError::Unknown { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn the_name_of_this_machine_is_private() {
        let guarded = GuardedResolver::new(Arc::new(SystemLookup), false);
        let refused = guarded.addresses("localhost").await;
        assert!(matches!(refused, Err(ResolveError::Private(_))), "{refused:?}");
        let open = GuardedResolver::new(Arc::new(SystemLookup), true);
        assert!(!open.addresses("localhost").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn no_more_addresses_are_looked_at_than_the_bound() {
        let many = vec!["1.1.1.1"; ADDRESSES_MAX + 1];
        assert_eq!(resolver(&many, false).addresses("many").await.unwrap().len(), ADDRESSES_MAX);
    }
}
