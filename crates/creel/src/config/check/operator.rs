//! `[policy]`: the operator's own rules.
//!
//! Owns the reading of their files. What they mean is the policy's business. Part of the second pass.

use std::path::Path;

use creel_policy::Operator;

use super::Checker;
use crate::config::raw::RawPolicy;

impl Checker<'_> {
    pub(super) fn operator(&mut self, policy: RawPolicy) -> Operator {
        let RawPolicy { rules } = policy;
        let mut texts = Vec::new();
        for file in &rules.value {
            match (self.files)(Path::new(&file.value)) {
                Ok(text) => texts.push((file.value.clone(), text)),
                Err(why) => {
                    let help = "a relative path starts at the configuration file";
                    self.fault(file.span.clone(), format!("`policy.rules` can't be read: {why}"), help);
                }
            }
        }
        match Operator::read(texts) {
            Ok(operator) => operator,
            Err(invalid) => {
                let line = rules.value.iter().find(|file| file.value == invalid.file);
                let span = line.and_then(|file| file.span.clone());
                self.fault(span, invalid.to_string(), "`creel policy schema` prints what rules can speak of");
                Operator::default()
            }
        }
    }
}
