/// What of a client is banned. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum BanKind {
    /// Its address: one of IPv4, or a /64 network of IPv6.
    Ip = 1,
    /// Its client identifier.
    ClientId = 2,
    /// Its user name.
    User = 3,
}

/// Why somebody is banned. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum BanCause {
    /// Too many attempts to authenticate have failed.
    Authentication = 1,
    /// It has connected too often.
    Flapping = 2,
    /// The host program has said so.
    Api = 3,
}
