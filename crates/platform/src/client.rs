//! What is known of the client of a request, from the listener on.

use std::net::IpAddr;

/// Where a request's connection comes from.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// What one subscriber is given: an IPv4 address, or the upper half of an IPv6 one.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

/// Marks a request whose client speaks TLS: with us, or with a trusted proxy that says so.
#[derive(Debug, Clone, Copy)]
pub struct Https;
