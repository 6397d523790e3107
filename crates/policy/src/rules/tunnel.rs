//! How much a name below a wildcard may say, for every door that meets names.
//!
//! Owns the measure. Never judges: each door has a rule of its own that asks it.

use creel_guard::{Facts, HostName, Target};

use crate::judge::Policy;
use crate::pattern::HostPattern;
use crate::rule::Finding;

/// Labels in front of the suffix: real services use one or two (`bucket.s3`, `a.b.cdn`).
const MOST_LABELS: usize = 4;

/// Bytes a label: real ones stay below this (a UUID has 36), a tunnel wants all 63.
const LONGEST_LABEL: usize = 40;

/// A label of this length or more is weighed by how evenly its letters are spread.
const WEIGHED_LABEL: usize = 20;

/// Bits a letter (Shannon) from which such a label is no name: hex has at most 4, words 3 to 3.6, random base32 and base36
/// of this length 4 and more.
const MOST_BITS: f64 = 4.0;

/// Distinct names below one wildcard in a jail's life: services have some dozen, a tunnel a new one for each message.
const MOST_NAMES: u64 = 256;

/// The suffix of the nearest wildcard, when wildcards alone speak of `host`.
pub(super) fn wildcard<'a>(policy: &'a Policy, host: &HostName) -> Option<&'a HostName> {
    let mut nearest = None;
    for entry in policy.entries(&Target::Host(host.clone())) {
        let HostPattern::Below(suffix) = &entry.host else { return None };
        nearest.get_or_insert(suffix);
    }
    nearest
}

/// Refuses a new name below a wildcard that was used up, or whose names nobody counted.
pub(super) fn over_budget(policy: &Policy, host: &HostName, facts: &Facts) -> Option<Finding> {
    let suffix = wildcard(policy, host)?;
    let found = match facts.siblings {
        Some(count) if count < MOST_NAMES => return None,
        Some(count) => format!("`{count}` names below `{suffix}` were given to this jail already"),
        None => format!("nobody counted the names below `{suffix}`"),
    };
    Some(Finding::deny(found))
}

/// Refuses a name that wildcards alone speak of and that none of them may cover in that shape.
pub(super) fn found(policy: &Policy, host: &HostName) -> Option<Finding> {
    let nearest = wildcard(policy, host)?;
    let fits_any = policy.entries(&Target::Host(host.clone())).any(|entry| match &entry.host {
        HostPattern::Below(suffix) => fits(host, suffix),
        HostPattern::Exact(_) | HostPattern::Address(_) => true,
    });
    (!fits_any).then(|| {
        Finding::deny(format!(
            "`{host}` has more than {MOST_LABELS} labels, or one of more than {LONGEST_LABEL} bytes or of random letters, \
             in front of `{nearest}`"
        ))
    })
}

fn fits(host: &HostName, suffix: &HostName) -> bool {
    let Some(head) = host.as_str().strip_suffix(suffix.as_str()).and_then(|head| head.strip_suffix('.')) else {
        return false;
    };
    head.split('.').count() <= MOST_LABELS
        && head.split('.').all(|label| label.len() <= LONGEST_LABEL && !is_random(label))
}

/// Long, and spread over so many letters as no name is.
fn is_random(label: &str) -> bool {
    label.len() >= WEIGHED_LABEL && bits(label) > MOST_BITS
}

/// Shannon's entropy of the letters, in bits a letter.
fn bits(label: &str) -> f64 {
    let mut counts = [0_u32; 256];
    label.bytes().for_each(|byte| {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    });
    let length = f64::from(u32::try_from(label.len()).unwrap_or(u32::MAX));
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length).map(|p| -p * p.log2()).sum()
}
