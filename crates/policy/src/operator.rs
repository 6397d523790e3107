//! The operator's own rules, in Cedar (<https://www.cedarpolicy.com>).
//!
//! Owns [`Operator`]: files of rules, checked when they are read against the shipped schema, so that one that can't match
//! is an error. A `forbid` refuses or asks, a `permit` lifts a question of a shipped rule; no rule of theirs lifts a
//! refusal, and none speaks of people's acts on Creel. What can't be evaluated refuses. Pure.

mod index;
mod permit;
mod request;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use cedar_policy::{
    ActionConstraint, Authorizer, Effect, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};
use creel_guard::{Action, Facts, Judgement, Persons, Question, Refusal, RuleId, Verdict};

use index::Index;
pub use permit::permit;

/// The shipped schema, as `creel policy schema` prints it.
pub const SCHEMA: &str = include_str!("operator/creel.cedarschema");

/// More rules than a person writes.
const MOST_RULES: usize = 1_000;

static PARSED: LazyLock<Result<Schema, String>> =
    LazyLock::new(|| Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|error| error.to_string()));

/// The operator's own rules; the default has none.
#[derive(Clone, Default)]
pub struct Operator(Arc<Rules>);

#[derive(Default)]
struct Rules {
    /// Name and text of each file.
    files: Vec<(String, String)>,
    /// Of each verb the rules that can speak of it.
    by_verb: HashMap<&'static str, Index>,
    of: BTreeMap<String, Rule>,
}

/// One rule, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// `deny`, `ask`, or `allow` for one that lifts a question.
    pub verdict: &'static str,
    /// How many people must say Yes, where it asks.
    pub persons: Persons,
    /// Its `@why`, if it has one.
    pub why: Option<String>,
    /// The file that it stands in.
    pub file: String,
}

/// What is wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRules {
    /// The file.
    pub file: String,
    /// What, and of which rule.
    pub what: String,
}

impl std::fmt::Display for InvalidRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.file, self.what)
    }
}

impl PartialEq for Operator {
    fn eq(&self, other: &Self) -> bool {
        self.0.files == other.0.files
    }
}

impl Eq for Operator {}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Operator").field(&self.0.of.keys().collect::<Vec<_>>()).finish()
    }
}

impl Operator {
    /// Reads files of rules: the name and the text of each.
    ///
    /// # Errors
    /// The first thing that is wrong, with the file and the rule it is wrong with.
    pub fn read(files: Vec<(String, String)>) -> Result<Self, InvalidRules> {
        let mut rules = Rules::default();
        for (name, text) in &files {
            let wrong = |what: String| InvalidRules { file: name.clone(), what };
            rules.add(name, text).map_err(wrong)?;
        }
        rules.files = files;
        Ok(Self(Arc::new(rules)))
    }

    /// Name and text of each file.
    #[must_use]
    pub fn files(&self) -> &[(String, String)] {
        &self.0.files
    }

    /// Every rule, by its id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.of.values()
    }

    /// What these rules make of what the shipped ones said.
    pub(crate) fn judge(&self, action: &Action, facts: &Facts, shipped: Judgement) -> Judgement {
        let verb = action.deed.verb();
        let index = match (&shipped.verdict, self.0.by_verb.get(verb)) {
            (Verdict::Deny(_), _) | (_, None) => return shipped,
            (_, Some(index)) => index,
        };
        let asked = match request::of(action, facts) {
            Ok(Some(asked)) => asked,
            Ok(None) => return shipped,
            Err(why) => return failed(&shipped, &why),
        };
        let mut spoke: Vec<&Rule> = Vec::new();
        for set in index.of(&asked.names) {
            let answer = Authorizer::new().is_authorized(&asked.request, set, &asked.entities);
            if let Some(error) = answer.diagnostics().errors().next() {
                return failed(&shipped, &error.to_string());
            }
            spoke.extend(answer.diagnostics().reason().filter_map(|id| self.0.of.get(id.as_ref() as &str)));
        }
        // A refusal counts before a question, and both before what lifts one; of questions that to two people comes first.
        // Where nobody spoke the shipped rules have.
        let verdict = |rule: &Rule| ["deny", "ask", "allow"].iter().position(|word| *word == rule.verdict);
        let rank = |rule: &Rule| (verdict(rule), Reverse(rule.persons));
        spoke.sort_by(|one, other| (rank(one), &one.id).cmp(&(rank(other), &other.id)));
        match spoke.first() {
            Some(rule) if rule.verdict == "allow" => lift(shipped, rule),
            Some(rule) if rule.verdict == "ask" => ask(action, shipped, rule),
            Some(rule) => deny(&shipped, rule),
            None => shipped,
        }
    }
}

impl Rules {
    fn add(&mut self, file: &str, text: &str) -> Result<(), String> {
        let schema = PARSED.as_ref().map_err(|why| format!("the shipped schema can't be read: {why}"))?;
        let read: PolicySet = text.parse().map_err(|error: cedar_policy::ParseErrors| told(&error, text))?;
        if read.templates().next().is_some() {
            return Err("a template (`?principal`, `?resource`) is no rule; write the rule out".to_owned());
        }
        let mut named = PolicySet::new();
        for policy in read.policies() {
            let rule = rule_of(policy, file)?;
            let id = rule.id.clone();
            if self.of.insert(id.clone(), rule).is_some() {
                return Err(format!("there are two rules `{id}`"));
            }
            if self.of.len() > MOST_RULES {
                return Err(format!("more than {MOST_RULES} rules"));
            }
            let policy = policy.new_id(PolicyId::new(&id));
            for verb in verbs(&policy.action_constraint()) {
                self.by_verb.entry(verb).or_default().add(policy.clone()).map_err(|error| told(&*error, ""))?;
            }
            named.add(policy).map_err(|error| told(&error, ""))?;
        }
        let checked = Validator::new(schema.clone()).validate(&named, ValidationMode::Strict);
        // A rule that can never match, and a text that looks like another, are warnings to Cedar and errors here.
        let errors = checked.validation_errors().map(|error| (error.policy_id(), told(error, text)));
        let warnings = checked
            .validation_warnings()
            .filter(|warning| !is_of_a_language(warning))
            .map(|warning| (warning.policy_id(), told(warning, text)));
        match errors.chain(warnings).next() {
            Some((id, what)) => Err(format!("the rule `{id}`: {what}")),
            None => Ok(()),
        }
    }
}

/// What a rule says of itself, before it is held against the schema.
fn rule_of(policy: &cedar_policy::Policy, file: &str) -> Result<Rule, String> {
    let line = || policy.to_string().lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
    let id = policy
        .annotation("id")
        .ok_or_else(|| format!("a rule has no name: write `@id(\"no-mail-at-night\")` before `{}`", line().trim()))?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > 63 || !id.chars().all(legal) {
        return Err(format!("`{}` is no name: use 1 to 63 of `a-z`, `0-9` and `-`", id.escape_debug()));
    }
    let strange = policy.annotations().find(|(name, _)| !["id", "verdict", "persons", "why"].contains(name));
    if let Some((name, _)) = strange {
        let known = "`@id`, `@verdict`, `@persons` and `@why` are known";
        return Err(format!("`{id}`: there is no annotation `@{name}`; {known}"));
    }
    let verdict = match (policy.effect(), policy.annotation("verdict")) {
        (Effect::Permit, None | Some("allow")) => "allow",
        (Effect::Forbid, None | Some("deny")) => "deny",
        (Effect::Forbid, Some("ask")) => "ask",
        (effect, Some(other)) => {
            let other = other.escape_debug();
            return Err(format!(
                "`{id}`: `@verdict(\"{other}\")` does not go with `{effect}`; only \
                                `@verdict(\"ask\") forbid` says more than the effect itself"
            ));
        }
    };
    let persons = match policy.annotation("persons") {
        None | Some("one") => Persons::One,
        Some("two") if verdict == "ask" => Persons::Two,
        Some("two") => return Err(format!("`{id}`: `@persons(\"two\")` goes with `@verdict(\"ask\")` alone")),
        Some(other) => {
            return Err(format!("`{id}`: `@persons(\"{}\")` is neither `one` nor `two`", other.escape_debug()));
        }
    };
    Ok(Rule {
        id: id.to_owned(),
        verdict,
        persons,
        why: policy.annotation("why").map(str::to_owned),
        file: file.to_owned(),
    })
}

/// A name in another script than Latin is no fault.
fn is_of_a_language(warning: &ValidationWarning) -> bool {
    matches!(warning, ValidationWarning::MixedScriptString(_))
}

/// What Cedar says is wrong, with the line, on one line.
fn told(error: &dyn miette::Diagnostic, text: &str) -> String {
    let mut what = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let more = error.to_string();
        if !what.contains(&more) {
            what = format!("{what}: {more}");
        }
        below = error.source();
    }
    let label = error.labels().and_then(|mut labels| labels.next());
    let before = label.and_then(|label| text.get(..label.offset()));
    let line = before.map(|before| format!("line {}: ", before.matches('\n').count() + 1)).unwrap_or_default();
    format!("{line}{}", what.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Every deed that these rules may speak of.
const VERBS: [&str; 7] = ["send", "resolve", "call", "prompt", "run", "touch", "receive"];

fn verbs(constraint: &ActionConstraint) -> Vec<&'static str> {
    let named: HashSet<&str> = match constraint {
        ActionConstraint::Any => VERBS.into_iter().collect(),
        ActionConstraint::Eq(uid) => HashSet::from([uid.id().unescaped()]),
        ActionConstraint::In(uids) => uids.iter().map(|uid| uid.id().unescaped()).collect(),
    };
    VERBS.into_iter().filter(|verb| named.contains(verb)).collect()
}

fn id(rule: &Rule) -> RuleId {
    RuleId::own(format!("operator/{}", rule.id))
}

fn why(rule: &Rule) -> String {
    let reason = rule.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("the rule `{}` in `{}`{reason}", rule.id, rule.file)
}

fn lift(shipped: Judgement, rule: &Rule) -> Judgement {
    match shipped.verdict {
        Verdict::Ask(Question { text: _, obligations, persons: _ }) => Judgement {
            verdict: Verdict::Allow(obligations),
            rule: id(rule),
            why: format!("{} allows what `{}` would have asked about", why(rule), shipped.rule),
            generation: shipped.generation,
        },
        verdict => Judgement { verdict, ..shipped },
    }
}

fn ask(action: &Action, shipped: Judgement, rule: &Rule) -> Judgement {
    match shipped.verdict {
        Verdict::Allow(obligations) => {
            let reason = why(rule);
            let text = format!(
                "{} `{}`? {reason} has a person asked.",
                action.deed.verb(),
                crate::rule::shown(&action.deed.target())
            );
            Judgement {
                verdict: Verdict::Ask(Question { text, obligations, persons: rule.persons }),
                rule: id(rule),
                why: reason,
                generation: shipped.generation,
            }
        }
        // Whoever asked already asks as many as this rule wants.
        Verdict::Ask(question) => {
            let persons = question.persons.max(rule.persons);
            Judgement { verdict: Verdict::Ask(Question { persons, ..question }), ..shipped }
        }
        verdict @ Verdict::Deny(_) => Judgement { verdict, ..shipped },
    }
}

fn deny(shipped: &Judgement, rule: &Rule) -> Judgement {
    let (id, why) = (id(rule), why(rule));
    let to_agent = format!("a rule of your operator's refuses it (`{id}`)");
    let refusal = Refusal::new(id.clone(), to_agent, format!("{why}; to allow it: change that rule"));
    Judgement { verdict: Verdict::Deny(refusal), rule: id, why, generation: shipped.generation }
}

/// A rule of the operator's that can't be evaluated may be one that refuses.
fn failed(shipped: &Judgement, what: &str) -> Judgement {
    let rule = RuleId::new("operator/failed");
    let why = format!("the operator's rules can't be evaluated: {}", crate::rule::shown(what));
    let refusal = Refusal::new(
        rule.clone(),
        "the operator's rules can't be evaluated; ask your operator (`operator/failed`)",
        why.clone(),
    );
    Judgement { verdict: Verdict::Deny(refusal), rule, why, generation: shipped.generation }
}

#[cfg(test)]
mod tests;
