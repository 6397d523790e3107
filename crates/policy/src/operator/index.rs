//! Which rules are worth a look.
//!
//! Owns [`Index`]: rules by the resource that their heads name, so that an act costs as much as the rules about its own host,
//! tool or program, and not as all that were written. It leaves the deciding to Cedar: what it hands out may not match, what
//! it holds back can't.

use std::collections::HashMap;

use cedar_policy::{EntityUid, Policy, PolicySet, PolicySetError, ResourceConstraint};

/// The rules of one verb.
#[derive(Default)]
pub(super) struct Index {
    /// Those that name no resource.
    any: PolicySet,
    /// Those that name one, or what lies below it.
    by_name: HashMap<EntityUid, PolicySet>,
}

impl Index {
    pub(super) fn add(&mut self, policy: Policy) -> Result<(), Box<PolicySetError>> {
        let set = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => &mut self.any,
            ResourceConstraint::Eq(name) | ResourceConstraint::In(name) | ResourceConstraint::IsIn(_, name) => {
                self.by_name.entry(name).or_default()
            }
        };
        set.add(policy).map_err(Box::new)
    }

    /// The rules that can speak of a resource with these names: its own, and those of all that it lies below.
    pub(super) fn of<'a>(&'a self, names: &'a [EntityUid]) -> impl Iterator<Item = &'a PolicySet> {
        let named = names.iter().filter_map(|name| self.by_name.get(name));
        Some(&self.any).filter(|set| !set.is_empty()).into_iter().chain(named)
    }
}
