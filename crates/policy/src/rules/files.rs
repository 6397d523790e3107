//! The rules of the files door: none yet, so nothing passes.
//!
//! Owns the list; the rules about files will stand here.

mod default_deny;

use super::DoorRules;

pub(super) static RULES: DoorRules = DoorRules { in_order: &[], otherwise: &default_deny::RULE };
