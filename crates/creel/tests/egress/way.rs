//! The transports and protocols that can carry a request out of the jail.
//!
//! Owns [`Way`]: the table sends each row over every one that can carry it. A new one joins [`Way::ALL`], or does not compile.

/// A transport and a protocol on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    TurnedTls,
    TurnedHttp2,
    TurnedPlain,
    ConnectTls,
    ConnectHttp2,
    ConnectPlain,
    Absolute,
    TurnedSocket,
    TurnedHttp2Socket,
    TurnedPlainSocket,
    ConnectSocket,
    ConnectHttp2Socket,
    ConnectPlainSocket,
    AbsoluteSocket,
}

/// How bytes reach the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// The kernel turns the connection round.
    Turned,
    /// `CONNECT` to the explicit proxy.
    Connect,
    /// The explicit proxy is asked with an absolute URI.
    Absolute,
}

impl Way {
    pub(crate) const ALL: [Self; 14] = [
        Self::TurnedTls,
        Self::TurnedHttp2,
        Self::TurnedPlain,
        Self::ConnectTls,
        Self::ConnectHttp2,
        Self::ConnectPlain,
        Self::Absolute,
        Self::TurnedSocket,
        Self::TurnedHttp2Socket,
        Self::TurnedPlainSocket,
        Self::ConnectSocket,
        Self::ConnectHttp2Socket,
        Self::ConnectPlainSocket,
        Self::AbsoluteSocket,
    ];
    /// All that carry requests which are answered.
    pub(crate) const ANSWERED: [Self; 7] = [
        Self::TurnedTls,
        Self::TurnedHttp2,
        Self::TurnedPlain,
        Self::ConnectTls,
        Self::ConnectHttp2,
        Self::ConnectPlain,
        Self::Absolute,
    ];
    /// All that end in TLS and HTTP.
    pub(crate) const TLS: [Self; 4] = [Self::TurnedTls, Self::TurnedHttp2, Self::ConnectTls, Self::ConnectHttp2];
    /// All that begin with a handshake.
    pub(crate) const SHAKEN: [Self; 8] = [
        Self::TurnedTls,
        Self::TurnedHttp2,
        Self::ConnectTls,
        Self::ConnectHttp2,
        Self::TurnedSocket,
        Self::TurnedHttp2Socket,
        Self::ConnectSocket,
        Self::ConnectHttp2Socket,
    ];
    /// WebSockets: over HTTP/1.1 with TLS and without (RFC 6455), and over HTTP/2 (RFC 8441).
    pub(crate) const SOCKETS: [Self; 7] = [
        Self::TurnedSocket,
        Self::TurnedHttp2Socket,
        Self::TurnedPlainSocket,
        Self::ConnectSocket,
        Self::ConnectHttp2Socket,
        Self::ConnectPlainSocket,
        Self::AbsoluteSocket,
    ];
    /// All to the explicit proxy.
    pub(crate) const PROXY: [Self; 8] = [
        Self::ConnectTls,
        Self::ConnectHttp2,
        Self::ConnectPlain,
        Self::Absolute,
        Self::ConnectSocket,
        Self::ConnectHttp2Socket,
        Self::ConnectPlainSocket,
        Self::AbsoluteSocket,
    ];
    /// All that speak HTTP/1.1.
    pub(crate) const TEXT: [Self; 5] =
        [Self::TurnedTls, Self::TurnedPlain, Self::ConnectTls, Self::ConnectPlain, Self::Absolute];

    /// For people.
    pub(crate) fn words(self) -> String {
        let transport = match self.transport() {
            Transport::Turned => "turned round by the kernel",
            Transport::Connect => "behind `CONNECT`",
            Transport::Absolute => "by an absolute URI",
        };
        let protocol = match (self.is_socket(), self.is_http2()) {
            (false, false) => "HTTP/1.1",
            (false, true) => "HTTP/2",
            (true, false) => "a WebSocket (RFC 6455)",
            (true, true) => "a WebSocket over HTTP/2 (RFC 8441)",
        };
        let tls = if self.is_tls() { "over TLS" } else { "in plain" };
        format!("{protocol} {tls}, {transport}")
    }

    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::TurnedTls
            | Self::TurnedHttp2
            | Self::TurnedPlain
            | Self::TurnedSocket
            | Self::TurnedHttp2Socket
            | Self::TurnedPlainSocket => Transport::Turned,
            Self::ConnectTls
            | Self::ConnectHttp2
            | Self::ConnectPlain
            | Self::ConnectSocket
            | Self::ConnectHttp2Socket
            | Self::ConnectPlainSocket => Transport::Connect,
            Self::Absolute | Self::AbsoluteSocket => Transport::Absolute,
        }
    }

    pub(crate) fn is_turned(self) -> bool {
        self.transport() == Transport::Turned
    }

    pub(crate) fn is_tls(self) -> bool {
        Self::SHAKEN.contains(&self)
    }

    pub(crate) fn is_socket(self) -> bool {
        Self::SOCKETS.contains(&self)
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::TurnedHttp2 | Self::ConnectHttp2 | Self::TurnedHttp2Socket | Self::ConnectHttp2Socket)
    }
}
