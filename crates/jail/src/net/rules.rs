//! The jail's nftables rules.
//!
//! Owns what the kernel does with each packet: DNS to our resolver, TCP to our proxy, loopback left alone but for
//! a fenced port, all else refused. They are the second wall: without them there is still no interface but `lo`. `net` installs them.

use creel_jail_sys::netlink::nft::{Chain, Expression, Hook, Kind, Table, Verdict};

use super::{DNS_PORT, Fence, PROXY_PORT};

/// IP protocol numbers (RFC 790, IANA).
const TCP: u8 = 6;
const UDP: u8 = 17;

pub(super) fn table(fence: Option<Fence>) -> Table {
    Table { name: "creel", chains: vec![redirections(), outgoing(fence), incoming(), forwarded()] }
}

fn redirections() -> Chain {
    use Expression::{DestinationPort, Protocol, Redirect, ToLoopback4, ToLoopback6};
    let accept = Expression::Verdict(Verdict::Accept);
    // DNS first: a resolver that the agent names on loopback is ours as well.
    let rules = vec![
        vec![Protocol(UDP), DestinationPort(DNS_PORT), Redirect(DNS_PORT)],
        vec![Protocol(TCP), DestinationPort(DNS_PORT), Redirect(DNS_PORT)],
        vec![ToLoopback4, accept.clone()],
        vec![ToLoopback6, accept],
        vec![Protocol(TCP), Redirect(PROXY_PORT)],
    ];
    Chain { name: "redirect", kind: Kind::Nat, hook: Hook::Output, policy: Verdict::Accept, rules }
}

/// What was redirected goes to loopback by now, so whatever still goes elsewhere was meant for nobody of ours.
fn outgoing(fence: Option<Fence>) -> Chain {
    use Expression::{DestinationPort, Established, Protocol, Reject, SocketOwner, ToLoopback4, ToLoopback6};
    let accept = Expression::Verdict(Verdict::Accept);
    let fenced =
        fence.map(|Fence { user, port }| vec![SocketOwner(user), Protocol(TCP), DestinationPort(port), Reject]);
    let rules =
        [vec![ToLoopback4, accept.clone()], vec![ToLoopback6, accept.clone()], vec![Established, accept], vec![Reject]];
    let rules = fenced.into_iter().chain(rules).collect();
    filter("out", Hook::Output, rules)
}

fn incoming() -> Chain {
    filter("in", Hook::Input, vec![vec![Expression::FromLoopbackInterface, Expression::Verdict(Verdict::Accept)]])
}

fn forwarded() -> Chain {
    filter("through", Hook::Forward, Vec::new())
}

fn filter(name: &'static str, hook: Hook, rules: Vec<Vec<Expression>>) -> Chain {
    Chain { name, kind: Kind::Filter, hook, policy: Verdict::Drop, rules }
}
