//! A placeholder is worth its secret in one place, and nowhere else.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// The request carries the placeholder of a secret, and no `[[secret]]` entry of that secret and skill names this host,
    /// port, method, path and slot; or the placeholder stands in it twice. What an issue, a message or another service got in
    /// its place would be read by somebody. A message of a WebSocket or a sign-in to mail is judged by itself. One that stands
    /// in no slot at all, or encoded, is refused as `leak/placeholder`.
    "egress/deny-placeholder",
    to_agent: "this credential may not go there",
    how_to_allow: "write a `[[secret]]` entry with this secret's `name`, this `host` and `slot`, where it belongs",
    examples: [
        ("send GET https://people.test/v1/people holds CRM_TOKEN@crm in bearer", "allow egress/allow-approved"),
        ("send POST https://people.test/v1/people holds CRM_TOKEN@crm in bearer", "deny egress/deny-placeholder"),
        ("send GET https://people.test/v2/people holds CRM_TOKEN@crm in bearer", "deny egress/deny-placeholder"),
        ("send GET https://people.test/v1/people holds CRM_TOKEN@crm in header x-api-key", "deny egress/deny-placeholder"),
        ("send GET https://people.test/v1/people holds CRM_TOKEN@crm in query q", "deny egress/deny-placeholder"),
        ("send GET https://people.test/v1/people holds CRM_TOKEN@mail in bearer", "deny egress/deny-placeholder"),
        ("send GET https://people.test/v1/people holds CRM_TOKEN in bearer", "deny egress/deny-placeholder"),
        ("send GET https://people.test/v1/people holds CRM_TOKEN@crm in bearer and CRM_TOKEN@crm in bearer", "deny egress/deny-placeholder"),
        ("send GET https://a.test/v1/people holds CRM_TOKEN@crm in bearer", "deny egress/deny-placeholder"),
        ("send GET https://people.test/v1/people with authorization=Bearer-x", "deny egress/deny-credential"),
        ("send POST https://bot.test/bot$BOT_TOKEN/send holds BOT_TOKEN in path bot*", "allow egress/allow-approved"),
        ("send POST https://bot.test/bot$BOT_TOKEN/send holds BOT_TOKEN in path *", "deny egress/deny-placeholder"),
        ("send GET wss://gateway.test/ body ? holds GATEWAY_TOKEN in message /d/token", "allow egress/allow-approved"),
        ("send GET wss://gateway.test/ body ? holds GATEWAY_TOKEN in message /d/content", "deny egress/deny-placeholder"),
        ("send GET wss://gateway.test/ body ? holds GATEWAY_TOKEN in query token", "deny egress/deny-placeholder"),
        ("send GET https://gateway.test/ holds GATEWAY_TOKEN in message /d/token", "deny egress/deny-placeholder"),
        ("send - smtp://mail.test:587 body ? holds MAIL_PASSWORD in login me@mail.test", "allow egress/allow-approved"),
        ("send GET https://cloud.test/b/k with x-amz-date=1 holds CLOUD_KEY in aws us-east-1 s3", "allow egress/allow-approved"),
        ("send GET https://cloud.test/b/k with x-amz-security-token=x holds CLOUD_KEY in aws us-east-1 s3", "deny egress/deny-credential"),
        ("send GET https://cloud.test/b/k holds CLOUD_KEY in aws us-east-1 sts", "deny egress/deny-placeholder"),
        ("send - smtp://mail.test:587 body ? holds MAIL_PASSWORD in login you@mail.test", "deny egress/deny-placeholder"),
        ("send GET wss://ws.test/ body ? holds GATEWAY_TOKEN in message /d/token", "deny egress/deny-placeholder"),
    ],
    judge: deny_placeholder,
}

fn deny_placeholder(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let wrong = facts.placeholders.iter().enumerate().find(|(at, stood)| {
        let before = facts
            .placeholders
            .iter()
            .take(*at)
            .any(|earlier| earlier.secret == stood.secret || earlier.slot == stood.slot);
        let places = &policy.config().secrets;
        before || !places.iter().any(|place| place.takes(send) && place.is_for(stood))
    });
    let (_, stood) = wrong?;
    Some(Finding::deny(format!("the placeholder of {stood} is worth nothing at `{}`", send.to)))
}
