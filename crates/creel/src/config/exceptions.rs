//! Closed addresses that the operator opened.
//!
//! Owns their list for people: which entry names which very address, and why it would be closed. It opens nothing; the rules
//! do, by the same two readings. `creel status`, `creel policy` and `creel up` show it.

use std::net::IpAddr;

use creel_guard::Target;
use creel_policy::{HostPattern, closed};

use super::{Allow, Config, Model};

impl Config {
    /// Each closed address that an entry or the model's place opens, `host:port at address: why it is closed`. `own` are this
    /// host's addresses.
    #[must_use]
    pub fn exceptions(&self, own: &[IpAddr]) -> Vec<String> {
        let entries = self.egress.iter().flat_map(|allow| {
            let opened = opened_by(allow);
            allow.ports.iter().filter_map(move |port| line(&format!("{}:{port}", allow.host), opened?, own))
        });
        entries.chain(self.model_exception(own)).collect()
    }

    fn model_exception(&self, own: &[IpAddr]) -> Option<String> {
        let Model { base_url: Some(url), address, .. } = &self.model else { return None };
        let literal = match url.host {
            Target::Address(address) => Some(address),
            Target::Host(_) => None,
        };
        line(&format!("{}:{} (the model)", url.host, url.port), (*address).or(literal)?, own)
    }
}

/// The address that an entry names.
fn opened_by(allow: &Allow) -> Option<IpAddr> {
    match &allow.host {
        HostPattern::Address(address) => Some(*address),
        HostPattern::Exact(_) | HostPattern::Below(_) => allow.address,
    }
}

fn line(place: &str, address: IpAddr, own: &[IpAddr]) -> Option<String> {
    let ours = own.iter().any(|one| one.to_canonical() == address.to_canonical());
    let why = if ours { "an address of this host" } else { closed(address)? };
    Some(format!("{place} at {address}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::Config;

    fn check(text: &str, own: &[&str], expected: &[&str]) {
        let config = Config::again("c".as_ref(), text, &[]).unwrap();
        let own: Vec<_> = own.iter().map(|one| one.parse().unwrap()).collect();
        assert_eq!(config.exceptions(&own), expected);
    }

    #[test]
    fn a_closed_address_is_named_where_an_entry_opens_it() {
        check("", &[], &[]);
        check("[[egress.allow]]\nhost = \"a.test\"\naddress = \"93.184.215.14\"\n", &[], &[]);
        check(
            "[[egress.allow]]\nhost = \"a.test\"\nports = [443, 80]\naddress = \"10.0.0.7\"\n",
            &[],
            &["a.test:80 at 10.0.0.7: private (RFC 1918)", "a.test:443 at 10.0.0.7: private (RFC 1918)"],
        );
        check("[[egress.allow]]\nhost = \"10.0.0.8\"\n", &[], &["10.0.0.8:443 at 10.0.0.8: private (RFC 1918)"]);
        check(
            "[[egress.allow]]\nhost = \"a.test\"\naddress = \"93.184.215.14\"\n",
            &["93.184.215.14"],
            &["a.test:443 at 93.184.215.14: an address of this host"],
        );
        check(
            "[model]\nprovider = \"openai\"\nbase_url = \"https://m.test/v1\"\naddress = \"127.0.0.1\"\n",
            &[],
            &["m.test:443 (the model) at 127.0.0.1: loopback (RFC 1122)"],
        );
    }
}
