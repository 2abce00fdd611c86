//! Who a request comes from and under which name it was sent, when proxies stand between.
//!
//! Everybody may write `X-Forwarded-For`; only what a trusted proxy wrote counts. So the list is read from its end, as long
//! as the one who wrote an entry is trusted, and what a trusted one says of its client is taken.

use core::net::IpAddr;

use crate::model::net::Network;

/// What arrived: from whom, and what was said.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Whether the connection has TLS.
    pub tls: bool,
    /// The name under which it was sent: `Host`, or the target's authority.
    pub host: Option<&'a str>,
    /// The entries of all `X-Forwarded-For`, in order.
    pub forwarded_for: &'a [&'a str],
    /// The last `X-Forwarded-Proto`.
    pub forwarded_proto: Option<&'a str>,
    /// The last `X-Forwarded-Host`.
    pub forwarded_host: Option<&'a str>,
}

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// The client.
    pub client: IpAddr,
    /// The proxy that says so.
    pub via: Option<IpAddr>,
    /// Whether the client speaks TLS.
    pub tls: bool,
    /// The name under which the client asks, with its port.
    pub host: Option<String>,
}

/// Works out where a request comes from.
pub fn front(arrival: &Arrival<'_>, trusted: &[Network]) -> Front {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = arrival.peer.to_canonical();
    let own = arrival.host.map(str::to_owned);
    if !is_trusted(peer) {
        return Front { client: peer, via: None, tls: arrival.tls, host: own };
    }
    let mut client = peer;
    for entry in arrival.forwarded_for.iter().rev() {
        // What is no address ends the list: nobody knows what stands before it.
        let Some(address) = address(entry) else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    let tls = arrival.forwarded_proto.map_or(arrival.tls, |proto| last(proto).eq_ignore_ascii_case("https"));
    let host = arrival.forwarded_host.map(|host| last(host).to_owned()).filter(|host| !host.is_empty());
    Front { client, via: (client != peer).then_some(peer), tls, host: host.or(own) }
}

/// An address as proxies write it, with or without a port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let address = entry.parse().ok();
    let with_port = || entry.parse::<core::net::SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

fn last(list: &str) -> &str {
    list.rsplit(',').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded_for: &[&str]) -> (String, Option<String>) {
        let trusted = ["10.0.0.0/8".parse().expect("a network"), "127.0.0.1".parse().expect("a network")];
        let arrival = Arrival {
            peer: peer.parse().expect("an address"),
            tls: false,
            host: Some("inner:80"),
            forwarded_for,
            forwarded_proto: Some("http, https"),
            forwarded_host: Some("outer.example"),
        };
        let front = front(&arrival, &trusted);
        let is_believed = front.tls && front.host.as_deref() == Some("outer.example");
        assert_eq!(is_believed, trusted.iter().any(|network| network.contains(arrival.peer)));
        (front.client.to_string(), front.via.map(|via| via.to_string()))
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (peer, forwarded_for, expected, via) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1", None),
            ("10.0.0.1", &[], "10.0.0.1", None),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7", Some("10.0.0.1")),
            ("::ffff:10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7", Some("10.0.0.1")),
            // A client wrote the first entry.
            ("10.0.0.1", &["127.0.0.1", "198.51.100.7"], "198.51.100.7", Some("10.0.0.1")),
            ("10.0.0.1", &["198.51.100.7", "10.0.0.2"], "198.51.100.7", Some("10.0.0.1")),
            ("10.0.0.1", &["198.51.100.7", "unknown"], "10.0.0.1", None),
            ("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1", Some("10.0.0.1")),
        ] {
            let got = client(peer, forwarded_for);
            assert_eq!(got, (expected.to_owned(), via.map(str::to_owned)), "{peer} {forwarded_for:?}");
        }
    }
}
