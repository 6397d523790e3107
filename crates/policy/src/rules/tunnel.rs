//! How long a name below a wildcard may be, for every door that meets names.
//!
//! Owns the measure. Never judges: each door has a rule of its own that asks it.

use creel_guard::{HostName, Target};

use crate::judge::Policy;
use crate::pattern::HostPattern;
use crate::rule::Finding;

/// Labels in front of the suffix: real services use one or two (`bucket.s3`, `a.b.cdn`).
const MOST_LABELS: usize = 4;

/// Bytes a label: real ones stay below this (a UUID has 36), a tunnel wants all 63.
const LONGEST_LABEL: usize = 40;

/// Refuses a name that wildcards alone speak of and that none of them may cover at that length.
pub(super) fn found(policy: &Policy, host: &HostName) -> Option<Finding> {
    let target = Target::Host(host.clone());
    let mut nearest = None;
    for entry in policy.entries(&target) {
        let HostPattern::Below(suffix) = &entry.host else { return None };
        if fits(host, suffix) {
            return None;
        }
        nearest.get_or_insert(suffix);
    }
    let suffix = nearest?;
    Some(Finding::deny(format!(
        "`{host}` has more than {MOST_LABELS} labels, or one of more than {LONGEST_LABEL} bytes, in front of `{suffix}`"
    )))
}

fn fits(host: &HostName, suffix: &HostName) -> bool {
    let Some(head) = host.as_str().strip_suffix(suffix.as_str()).and_then(|head| head.strip_suffix('.')) else {
        return false;
    };
    head.split('.').count() <= MOST_LABELS && head.split('.').all(|label| label.len() <= LONGEST_LABEL)
}
