//! Addresses: networks as people write them, and the neighbourhood that counts as one client.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{fmt, str::FromStr};

/// A network, such as `10.0.0.0/8`; a single address is one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    start: IpAddr,
    bits: u32,
}

impl Network {
    /// Tells whether an address is in it. An IPv4 address in IPv6 clothes is the IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.start, address.to_canonical()) {
            (IpAddr::V4(start), IpAddr::V4(one)) => masked4(one, self.bits) == masked4(start, self.bits),
            (IpAddr::V6(start), IpAddr::V6(one)) => masked6(one, self.bits) == masked6(start, self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address or network such as \"10.0.0.1\" or \"10.0.0.0/8\"");
        let (start, bits) = match text.trim().split_once('/') {
            Some((start, bits)) => (start, Some(bits)),
            None => (text.trim(), None),
        };
        let start: IpAddr = start.parse().map_err(|_| wrong())?;
        let bits_max = if start.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(bits_max), |bits| bits.parse().ok()).filter(|bits| *bits <= bits_max);
        Ok(Self { start, bits: bits.ok_or_else(wrong)? })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.start, self.bits)
    }
}

/// Returns the address that stands for a client where clients are counted: of IPv6 the first half, since whoever has one
/// address has all of its network.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(one) => one.into(),
        IpAddr::V6(one) => masked6(one, 64).into(),
    }
}

fn masked4(address: Ipv4Addr, bits: u32) -> Ipv4Addr {
    (u32::from(address) & u32::MAX.checked_shl(32 - bits).unwrap_or(0)).into()
}

fn masked6(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    (u128::from(address) & u128::MAX.checked_shl(128 - bits).unwrap_or(0)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_its_first_bits_say() {
        for (network, address, is_in) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let network: Network = network.parse().expect("a network");
            assert_eq!(network.contains(address.parse().expect("an address")), is_in, "{network} {address}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "x", "10.0.0.0/8/8"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_is_an_address_or_half_of_one() {
        for (address, client) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(neighbourhood(address.parse().expect("an address")).to_string(), client);
        }
    }
}
