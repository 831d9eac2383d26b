//! What the sections `council` and `partner` must satisfy, and what in them looks like a mistake.

use cross_border::partner::{Partner, PartnerRegister, Place};
use cross_border::peer::{Directory, Peer};

use super::{Faults, Rule, Warning, chosen, http_url, invalid};
use crate::config::origins::Fault;
use crate::config::{Config, PartnerConfig};

/// Checks both sections.
pub(super) fn check(config: &Config, faults: &mut Faults) {
    let own = faults.keep(own(config));
    let partner = &config.partner;
    limits(partner, faults);
    listener(partner, config.server.listen, faults);
    host(partner, config.server.listen, faults);
    if partner.client_certificate_file.is_some() != partner.client_key_file.is_some() {
        let (certificate, key) = ("partner.client_certificate_file", "partner.client_key_file");
        faults.refuse_beside(certificate, key, "and partner.client_key_file are of no use alone");
    }
    if partner.clamd.as_ref().is_some_and(|address| !is_host_and_port(address)) {
        faults.refuse("partner.clamd", "is not `host:port`");
    }
    // A council that is none has no partners either; that is said already.
    if let Some(own) = own
        && let Err(error) = Directory::new(own.id.clone(), partner.peers.clone())
    {
        faults.refuse("partner.peer", format!("cannot be used: {error}"));
    }
}

/// The council of this node as the register holds it.
pub(super) fn own(config: &Config) -> Result<&'static Partner, Fault> {
    let id = &config.council.id;
    let own = PartnerRegister::builtin()
        .get(id)
        .ok_or_else(|| invalid("council.id", format!("is `{id}`, which is not in the register of councils")))?;
    match config.council.region {
        Some(region) if Place::of_seat(region) != Some(own.place) => {
            let fault = invalid("council.region", format!("is {region}, which is not in the place of `{id}`"));
            Err(Fault { beside: Some("council.id"), ..fault })
        }
        Some(_) | None => Ok(own),
    }
}

fn limits(partner: &PartnerConfig, faults: &mut Faults) {
    faults.within("partner.body_bytes_max", partner.body_bytes_max, 1_024..=64 * 1024 * 1024);
    faults.within("partner.requests_per_minute", partner.requests_per_minute, 1..=1_000_000);
    faults.within("partner.header_timeout_seconds", partner.header_timeout_seconds, 1..=600);
    faults.within("partner.connections_max", partner.connections_max, 1..=1_000_000);
    faults.within("partner.connections_per_address_max", partner.connections_per_address_max, 1..=1_000_000);
    faults.within("partner.timeout_ms", partner.timeout_ms, 10..=600_000);
    faults.within("partner.lease_ms", partner.lease_ms, 10..=3_600_000);
    faults.within("partner.base_ms", partner.base_ms, 1..=3_600_000);
    if !(partner.base_ms..=86_400_000).contains(&partner.max_ms) {
        let reason = format!("is {}, not between {} of partner.base_ms and 86400000", partner.max_ms, partner.base_ms);
        faults.refuse_beside("partner.max_ms", "partner.base_ms", reason);
    }
    faults.within("partner.attempts_max", partner.attempts_max, 1..=10_000);
    faults.within("partner.give_up_hours", partner.give_up_hours, 1..=8_760);
    faults.within("partner.breaker_failures", partner.breaker_failures, 1..=1_000);
    faults.within("partner.breaker_open_ms", partner.breaker_open_ms, 1..=3_600_000);
    faults.within("partner.alarm_every_ms", partner.alarm_every_ms, 1..=86_400_000);
    faults.within("partner.poll_ms", partner.poll_ms, 10..=86_400_000);
    faults.within("partner.sweep_ms", partner.sweep_ms, 10..=86_400_000);
}

fn listener(partner: &PartnerConfig, main: std::net::SocketAddr, faults: &mut Faults) {
    if let Some(raw) = &partner.public_url
        && let Some(url) = faults.keep(http_url("partner.public_url", raw))
        && (url.path() != "/" || url.query().is_some() || url.fragment().is_some())
    {
        faults.refuse("partner.public_url", "has more than scheme, host and port");
    }
    let Some(listen) = partner.listen else { return };
    if listen == main && listen.port() != 0 {
        faults.refuse_beside("partner.listen", "server.listen", "is the same as server.listen");
    }
    for (key, file) in [
        ("partner.tls_certificate_file", &partner.tls_certificate_file),
        ("partner.tls_key_file", &partner.tls_key_file),
        ("partner.client_ca_file", &partner.client_ca_file),
    ] {
        if file.is_none() {
            let reason = "is missing, without which partner.listen is of no use";
            faults.refuse_beside(key, "partner.listen", reason);
        }
    }
}

/// Refuses to believe the `Host` of whoever can reach us: what a partner has signed for another council would be ours
/// as soon as somebody brings it here under that name.
fn host(partner: &PartnerConfig, main: std::net::SocketAddr, faults: &mut Faults) {
    let (key, door) = partner.listen.map_or(("server.listen", main), |listen| ("partner.listen", listen));
    if partner.peers.is_empty() || partner.public_url.is_some() || door.ip().is_loopback() {
        return;
    }
    let reason = format!(
        "is missing: partners come in at {door} ({key}), which other machines reach; enter the address under which \
         they call this node, for example \"https://partners.example.org\""
    );
    faults.refuse_beside("partner.public_url", key, reason);
}

fn is_host_and_port(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

pub(super) fn warnings(partner: &PartnerConfig) -> Vec<Warning> {
    let peers = |is: fn(&Peer) -> bool| partner.peers.iter().any(is);
    let of_the_listener = [&partner.tls_certificate_file, &partner.tls_key_file, &partner.client_ca_file]
        .iter()
        .any(|file| file.is_some());
    let table: [Rule; 8] = [
        (
            !partner.peers.is_empty() && partner.listen.is_none(),
            &["partner.listen"],
            "partners come in through server.listen, which speaks plain HTTP: something before it must end TLS",
        ),
        (
            partner.listen.is_none() && of_the_listener,
            &["partner.tls_certificate_file", "partner.tls_key_file", "partner.client_ca_file", "partner.listen"],
            "none of these files is used without partner.listen",
        ),
        (
            peers(|peer| !peer.certificates.is_empty()) && partner.listen.is_none(),
            &["partner.peer.certificates", "partner.listen"],
            "a partner is held to its certificate and nobody asks for it, so all its requests are refused",
        ),
        (
            !partner.peers.is_empty() && partner.public_url.is_none(),
            &["partner.public_url"],
            "a request counts as signed for us when its `Host` says so, whichever council it was signed for",
        ),
        (
            partner.lease_ms < partner.timeout_ms,
            &["partner.lease_ms", "partner.timeout_ms"],
            "a slow delivery outlasts its lease and may be attempted a second time meanwhile",
        ),
        (
            peers(|peer| peer.keys.is_empty()),
            &["partner.peer.keys"],
            "nothing that a partner without keys signs can be checked, so all its requests are refused",
        ),
        (
            peers(|peer| peer.allow_plain_http),
            &["partner.peer.allow_plain_http"],
            "messages about people go to a partner in clear",
        ),
        (
            peers(|peer| peer.allow_private_address),
            &["partner.peer.allow_private_address"],
            "requests may go to addresses of the inner network, wherever the partner's name leads",
        ),
    ];
    chosen(&table)
}
