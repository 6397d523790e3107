//! Nobody's account is used where an entry says so.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::credentials;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entries for this host say `credentials = \"none\"`, or a `[[secret]]` entry names it, and the request carries
    /// something that is a credential or looks like one: in `Authorization`, a cookie, a key header, a query parameter
    /// (`access_token`, `sig`, `X-Amz-*`), a part of the path, a webhook's address, or a member of a declared body; the placeholder
    /// of that secret in its place is none. With a stranger's account an approved host is a way out. Bodies without a
    /// declared form are not looked into: `creel status` then says that leaks are possible.
    "egress/deny-credential",
    to_agent: "no credential may go to this destination",
    how_to_allow: "take `credentials`, and each `[[secret]]` there, out of the configuration: then any account can be used there",
    examples: [
        ("send GET https://public.test/items?page=2", "allow egress/allow-approved"),
        ("send GET https://public.test with authorization=Bearer-x", "deny egress/deny-credential"),
        ("send GET https://public.test with cookie=a=b", "deny egress/deny-credential"),
        ("send GET https://public.test with x-api-key=1", "deny egress/deny-credential"),
        ("send GET https://public.test with private-token=1", "deny egress/deny-credential"),
        ("send GET https://public.test/x?access_token=1", "deny egress/deny-credential"),
        ("send GET https://public.test/x?sig=1", "deny egress/deny-credential"),
        ("send GET https://public.test/x?X-Amz-Signature=1", "deny egress/deny-credential"),
        ("send GET https://public.test/services/T0/B0/x", "deny egress/deny-credential"),
        ("send GET https://public.test/api/webhooks/1/x", "deny egress/deny-credential"),
        (r#"send POST https://public.test/ says {"token":"x"}"#, "deny egress/deny-credential"),
    ],
    ends_at: Stage::Credential,
    judge: deny_credential,
}

fn deny_credential(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if !ends_at(policy, send, facts, Stage::Credential) {
        return None;
    }
    let place = credentials::find(send, &facts.placeholders).unwrap_or_default();
    Some(Finding::deny(format!("the entry for `{}` allows no credential, and there is one: {place}", send.to)))
}
