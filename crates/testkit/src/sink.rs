//! Sinks that must stay empty.
//!
//! Owns [`Sink`] and [`UdpSink`]: they listen and count. A test proves each with one visit through an opened rule.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts TCP connections and their bytes.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    visits: Arc<AtomicUsize>,
}

impl Sink {
    /// Listens at `at` (port 0: any).
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn listen(at: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(at)?;
        let address = listener.local_addr()?;
        let visits = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&visits);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let mut piece = [0; 4096];
                    while stream.read(&mut piece).is_ok_and(|count| count > 0) {}
                });
            }
        });
        Ok(Self { address, visits })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came.
    #[must_use]
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

/// Counts datagrams.
#[derive(Debug)]
pub struct UdpSink {
    address: SocketAddr,
    visits: Arc<AtomicUsize>,
}

impl UdpSink {
    /// Listens at `at` (port 0: any).
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn listen(at: &str) -> io::Result<Self> {
        let socket = UdpSocket::bind(at)?;
        let address = socket.local_addr()?;
        let visits = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&visits);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while socket.recv(&mut piece).is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self { address, visits })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many datagrams came.
    #[must_use]
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}
