use super::*;
use creel_jail_sys::socket::{Loopback, connect_loopback, original_destination, tcp_listener, wait};
use nix::sched::{CloneFlags, unshare};
use rustix::event::PollFlags;
use rustix::net::{AddressFamily, SocketType, socket};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Runs `test` in a jail's network, on a thread of its own.
fn in_a_jail_network(test: impl FnOnce(PlantedSockets) + Send + 'static) {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root");
        test(build_in_this_namespace(None).unwrap());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn accept(listener: &OwnedFd) -> TcpStream {
    assert!(wait(listener, PollFlags::IN, SOON).unwrap(), "no connection arrived");
    let (stream, _) = TcpListener::from(listener.try_clone().unwrap()).accept().unwrap();
    stream
}

#[expect(clippy::disallowed_methods, reason = "the test plays the agent")]
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, SOON)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn every_tcp_connection_arrives_at_the_proxy_with_where_it_was_going() {
    in_a_jail_network(|sockets| {
        let [proxy4, proxy6] = &sockets.proxy;
        for (target, proxy) in [
            ("192.0.2.1:443", proxy4),
            ("198.51.100.7:12345", proxy4),
            ("10.255.255.1:22", proxy4),
            ("169.254.169.254:80", proxy4),
            ("198.18.0.1:983", proxy4),
            ("192.0.2.1:981", proxy4),
            ("[2001:db8::1]:443", proxy6),
            ("[fd00:c4ee:1::1]:982", proxy6),
            ("[fd00:c4ee:1::77]:5432", proxy6),
            ("[::ffff:192.0.2.1]:443", proxy4),
        ] {
            let mut near = connect(address(target)).unwrap();
            let mut far = accept(proxy);
            let seen = original_destination(&far).unwrap();
            let meant = address(target);
            assert_eq!((seen.ip(), seen.port()), (meant.ip().to_canonical(), meant.port()));
            near.write_all(b"ping").unwrap();
            let mut got = [0; 4];
            far.set_nonblocking(false).unwrap();
            far.read_exact(&mut got).unwrap();
            far.write_all(b"pong").unwrap();
            near.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"pong", "{target}");
        }
    });
}

#[test]
fn a_connection_to_a_planted_port_shows_that_it_was_not_redirected() {
    in_a_jail_network(|sockets| {
        for (target, listener) in
            [("127.0.0.1:981", &sockets.proxy[0]), ("[::1]:981", &sockets.proxy[1]), ("[::1]:983", &sockets.model[1])]
        {
            let _near = connect(address(target)).unwrap();
            assert_eq!(original_destination(accept(listener)).unwrap(), address(target));
        }
    });
}

#[test]
fn udp_goes_nowhere_but_to_our_resolver() {
    in_a_jail_network(|_sockets| {
        for (from, target) in [
            ("0.0.0.0:0", "192.0.2.1:443"),
            ("0.0.0.0:0", "192.0.2.1:123"),
            ("0.0.0.0:0", "198.18.0.1:443"),
            ("0.0.0.0:0", "224.0.0.251:5353"),
            ("[::]:0", "[2001:db8::1]:443"),
            ("[::]:0", "[2001:db8::1]:123"),
        ] {
            let socket = UdpSocket::bind(from).unwrap();
            let error = socket.send_to(b"x", address(target)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{target}: {error}");
        }
    });
}

#[test]
fn dns_of_any_resolver_reaches_ours_and_its_answer_comes_back() {
    in_a_jail_network(|sockets| {
        let [udp4, udp6] = sockets.dns_udp.each_ref().map(|fd| UdpSocket::from(fd.try_clone().unwrap()));
        for (from, resolver, ours) in [
            ("0.0.0.0:0", "192.0.2.53:53", &udp4),
            ("0.0.0.0:0", "127.0.0.1:53", &udp4),
            ("0.0.0.0:0", "127.0.0.11:53", &udp4),
            ("[::]:0", "[2001:db8::53]:53", &udp6),
            ("[::]:0", "[::1]:53", &udp6),
        ] {
            let client = UdpSocket::bind(from).unwrap();
            client.connect(resolver).unwrap();
            client.set_read_timeout(Some(SOON)).unwrap();
            client.send(b"question").unwrap();
            assert!(wait(ours, PollFlags::IN, SOON).unwrap(), "{resolver}");
            let mut buffer = [0; 16];
            let (length, peer) = ours.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"question");
            ours.send_to(b"answer", peer).unwrap();
            let length = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"answer", "{resolver}");
        }
        for (resolver, listener) in [("192.0.2.53:53", &sockets.dns_tcp[0]), ("[2001:db8::53]:53", &sockets.dns_tcp[1])]
        {
            let mut near = connect(address(resolver)).unwrap();
            accept(listener).write_all(b"answer").unwrap();
            let mut got = [0; 6];
            near.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"answer");
        }
    });
}

#[test]
fn loopback_services_keep_working() {
    in_a_jail_network(|_sockets| {
        for loopback in [Loopback::V4, Loopback::V6] {
            let listener = tcp_listener(loopback, 18_789).unwrap();
            let _near = connect_loopback(loopback, 18_789, SOON).unwrap();
            assert_eq!(accept(&listener).local_addr().unwrap(), loopback.at(18_789));
            let one = UdpSocket::bind(loopback.at(0)).unwrap();
            let other = UdpSocket::bind(loopback.at(0)).unwrap();
            one.send_to(b"x", other.local_addr().unwrap()).unwrap();
            other.set_read_timeout(Some(SOON)).unwrap();
            assert_eq!(other.recv(&mut [0; 4]).unwrap(), 1);
        }
    });
}

#[test]
fn other_protocols_are_refused() {
    in_a_jail_network(|_sockets| {
        // Raw sockets need CAP_NET_RAW, which the agent lacks; with it, ICMP still meets the filter.
        let raw = socket(AddressFamily::INET, SocketType::RAW, Some(rustix::net::ipproto::ICMP)).unwrap();
        let echo = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
        let sent = rustix::net::sendto(&raw, &echo, rustix::net::SendFlags::empty(), &address("192.0.2.1:0"));
        assert_eq!(sent.unwrap_err(), rustix::io::Errno::PERM);
    });
}

#[test]
fn only_lo_is_there_and_up() {
    in_a_jail_network(|_sockets| {
        assert_eq!(route::interfaces_up().unwrap(), [route::LOOPBACK_INDEX]);
        for (path, value) in SETTINGS {
            assert_eq!(std::fs::read_to_string(path).unwrap().trim(), value, "{path}");
        }
    });
}

#[test]
fn a_namespace_in_use_is_left_alone() {
    let error = build_in_this_namespace(None).unwrap_err();
    assert!(matches!(error, Error::Bug { .. }), "{error}");
    in_a_jail_network(|_sockets| {
        assert!(matches!(build_in_this_namespace(None), Err(Error::Bug { .. })));
    });
}

#[test]
fn planted_sockets_cross_in_a_fixed_order() {
    in_a_jail_network(|sockets| {
        let copies = sockets.try_clone().unwrap().into_fds();
        assert_eq!(copies.len(), PlantedSockets::COUNT);
        assert!(PlantedSockets::from_fds(copies).is_ok());
        let mut mixed = sockets.try_clone().unwrap().into_fds();
        mixed.swap(4, 6);
        assert!(PlantedSockets::from_fds(mixed).is_err());
        let mut short = sockets.into_fds();
        short.pop();
        assert!(PlantedSockets::from_fds(short).is_err());
    });
}

#[test]
fn a_dead_guards_place_is_not_free() {
    in_a_jail_network(|sockets| {
        let kept = sockets.try_clone().unwrap();
        drop(sockets);
        let error = tcp_listener(Loopback::V4, PROXY_PORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let _near = connect(address("192.0.2.1:443")).unwrap();
        accept(&kept.proxy[0]);
    });
}

#[test]
fn a_lone_listener_is_known_by_its_socket() {
    in_a_jail_network(|_sockets| {
        assert!(lone_listener(18_789).unwrap().is_none());
        let listener = tcp_listener(Loopback::V4, 18_789).unwrap();
        let found = lone_listener(18_789).unwrap().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(holds_socket(own, found.0.inode).unwrap());
        assert!(!holds_socket(1, found.0.inode).unwrap());
        assert_eq!(found.0.address, Loopback::V4.at(18_789));
        drop(listener);
        // Two that could answer: nobody is certain.
        let shared = [(), ()].map(|()| {
            let fd = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::ReusePort, &true).unwrap();
            rustix::net::bind(&fd, &Loopback::V4.at(18_789)).unwrap();
            rustix::net::listen(&fd, 1).unwrap();
            fd
        });
        assert_eq!(creel_jail_sys::sock_diag::tcp_listeners(18_789).unwrap().len(), 2);
        assert!(lone_listener(18_789).unwrap().is_none());
        drop(shared);
    });
}
