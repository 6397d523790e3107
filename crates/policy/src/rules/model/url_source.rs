//! A flaw that the model door finds in the bytes: `url-source`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request has the provider fetch a URL: a picture or a document by its address. That would be a way out past the
    /// egress door.
    "model/url-source",
    to_agent: "the model provider can't be sent to fetch a URL",
    how_to_allow: "nothing allows it in this edition of Creel: send the content itself",
    examples: [("prompt scripted scripted-1 flaw url-source", "deny model/url-source")],
    judge: url_source,
}

fn url_source(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "url-source", "the provider would fetch a URL")
}
