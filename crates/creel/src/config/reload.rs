//! What of a changed file takes effect in a running Creel.
//!
//! Owns the split: rules, tools and the agent's restarts change at once; what jail, guard and OpenClaw were built from waits
//! for the next start, by name. It destructures both sides, so that a new setting must choose. It reads no file; warden and
//! guard call it with the same texts and come to the same configuration.

use super::{Allow, Config, FileRules, Limits, Model, OpenClaw, Tools};

impl Config {
    /// What is in force once `fresh` was read in an installation that was started with `self`, and the settings of `fresh`
    /// that wait for the next start.
    #[must_use]
    pub fn with_rules_of(&self, fresh: Self) -> (Self, Vec<&'static str>) {
        let waiting = self.waiting(&fresh);
        let Self {
            name,
            text,
            tenant: _,
            limits: _,
            egress,
            origins,
            secrets: _,
            dns: _,
            model: _,
            tools,
            approvals: _,
            budget: _,
            operator,
            exec,
            ledger: _,
            state: _,
            key_file: _,
            openclaw,
            restart,
            files,
            snapshots: _,
            canaries: _,
            memory,
            alerts: _,
            exports: _,
            warnings,
        } = fresh;
        let OpenClaw { plugins: _, hooks: _, ready_within, drain } = openclaw;
        let FileRules { protected: _, protect, versions: _ } = files;
        let config = Self {
            name,
            text,
            tenant: self.tenant.clone(),
            limits: self.limits,
            egress,
            origins,
            secrets: self.secrets.clone(),
            dns: self.dns.clone(),
            model: self.model.clone(),
            tools,
            approvals: self.approvals.clone(),
            budget: self.budget.clone(),
            operator,
            exec,
            ledger: self.ledger,
            state: self.state.clone(),
            key_file: self.key_file.clone(),
            openclaw: OpenClaw { ready_within, drain, ..self.openclaw.clone() },
            restart,
            files: FileRules { protect, ..self.files.clone() },
            snapshots: self.snapshots.clone(),
            canaries: self.canaries,
            memory,
            alerts: self.alerts.clone(),
            exports: self.exports.clone(),
            warnings,
        };
        (config, waiting)
    }

    fn waiting(&self, fresh: &Self) -> Vec<&'static str> {
        let Limits { cpus, memory_bytes, disk_bytes, processes, open_files } = fresh.limits;
        let Model { provider, format, model, base_url, address, ca, script } = &fresh.model;
        let (limits, ours) = (self.limits, &self.model);
        let settings = [
            ("tenant.name", self.tenant != fresh.tenant),
            ("limits.cpus", (limits.cpus - cpus).abs() > f64::EPSILON),
            ("limits.memory", limits.memory_bytes != memory_bytes),
            ("limits.disk", limits.disk_bytes != disk_bytes),
            ("limits.processes", limits.processes != processes),
            ("limits.open_files", limits.open_files != open_files),
            ("secret", self.secrets != fresh.secrets),
            ("dns", self.dns != fresh.dns),
            ("model.provider", ours.provider != *provider),
            ("model.format", ours.format != *format),
            ("model.model", ours.model != *model),
            ("model.base_url", ours.base_url != *base_url),
            ("model.address", ours.address != *address),
            ("model.ca", ours.ca != *ca),
            ("model.script", ours.script != *script),
            ("approvals", self.approvals != fresh.approvals),
            ("budget", self.budget != fresh.budget),
            ("ledger.durability", self.ledger.durability != fresh.ledger.durability),
            ("ledger.keep", self.ledger.keep != fresh.ledger.keep),
            ("state.dir", self.state != fresh.state),
            ("state.key_file", self.key_file != fresh.key_file),
            ("files.protected", self.files.protected != fresh.files.protected),
            ("files.versions", self.files.versions != fresh.files.versions),
            ("snapshots", self.snapshots != fresh.snapshots),
            ("canaries", self.canaries != fresh.canaries),
            ("openclaw.plugins", self.openclaw.plugins != fresh.openclaw.plugins),
            ("openclaw.hooks", self.openclaw.hooks != fresh.openclaw.hooks),
            ("alerts", self.alerts != fresh.alerts),
            ("export", self.exports != fresh.exports),
        ];
        settings.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// What changes for the agent when `fresh` takes the place of `self`, a line each, for people and the ledger.
    #[must_use]
    pub fn changes(&self, fresh: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let named = |entries: &[Allow], host: &Allow| entries.iter().any(|entry| entry.host == host.host);
        let lists = |entries: &[Allow], one: &Allow| entries.contains(one);
        for entry in fresh.egress.iter().filter(|entry| !lists(&self.egress, entry)) {
            let word = if named(&self.egress, entry) { "changed" } else { "added" };
            lines.push(format!("{word} {}", place(entry)));
        }
        for entry in self.egress.iter().filter(|entry| !lists(&fresh.egress, entry)) {
            if !named(&fresh.egress, entry) {
                lines.push(format!("removed {}", place(entry)));
            } else if !fresh.egress.iter().any(|other| other.host == entry.host && !lists(&self.egress, other)) {
                lines.push(format!("changed {}", place(entry)));
            }
        }
        let Tools { deny, ask, high_risk, directories, contacts, users } = &self.tools;
        for (name, before, after) in [("deny", deny, &fresh.tools.deny), ("ask", ask, &fresh.tools.ask)] {
            let only = |these: &[String], those: &[String], word: &str| {
                these
                    .iter()
                    .filter(|tool| !those.contains(tool))
                    .map(|tool| format!("{word} tools.{name} {tool}"))
                    .collect::<Vec<_>>()
            };
            lines.extend(only(after, before, "added"));
            lines.extend(only(before, after, "removed"));
        }
        let others = [
            ("tools.high_risk", *high_risk != fresh.tools.high_risk),
            ("tools.directories", *directories != fresh.tools.directories),
            ("tools.users", *users != fresh.tools.users),
            ("tools.contacts", *contacts != fresh.tools.contacts),
            ("policy.rules", self.operator != fresh.operator),
            ("exec", self.exec != fresh.exec),
            ("restart", self.restart != fresh.restart),
            ("files.protect", self.files.protect != fresh.files.protect),
            ("memory", self.memory != fresh.memory),
            ("openclaw.ready_within", self.openclaw.ready_within != fresh.openclaw.ready_within),
            ("openclaw.drain", self.openclaw.drain != fresh.openclaw.drain),
        ];
        lines.extend(others.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| format!("changed {name}")));
        lines
    }
}

fn place(entry: &Allow) -> String {
    let ports: Vec<String> = entry.ports.iter().map(ToString::to_string).collect();
    format!("{}:{}", entry.host, ports.join(","))
}

#[cfg(test)]
mod tests {
    use super::Config;

    fn config(text: &str) -> Config {
        Config::again("c".as_ref(), text, &[]).unwrap()
    }

    fn check(before: &str, after: &str, changes: &[&str], waiting: &[&str]) {
        let (before, after) = (config(before), config(after));
        let (in_force, waits) = before.with_rules_of(after.clone());
        assert_eq!(
            (before.changes(&in_force), waits),
            (changes.iter().map(ToString::to_string).collect(), waiting.to_vec())
        );
        assert_eq!(
            (in_force.egress(), in_force.tools(), in_force.text()),
            (after.egress(), after.tools(), after.text())
        );
        assert_eq!((in_force.limits(), in_force.model()), (before.limits(), before.model()));
        assert_eq!((in_force.durability(), in_force.state_dir()), (before.durability(), before.state_dir()));
    }

    #[test]
    fn rules_change_and_the_rest_waits_by_name() {
        let (a, b) = ("[[egress.allow]]\nhost = \"a.test\"\n", "[[egress.allow]]\nhost = \"b.test\"\n");
        check(a, a, &[], &[]);
        check(a, b, &["added b.test:443", "removed a.test:443"], &[]);
        check(&format!("{a}{b}"), &format!("{b}{a}"), &[], &[]);
        check(a, &format!("{a}methods = [\"GET\"]\n"), &["changed a.test:443"], &[]);
        check(&format!("{a}{a}ports = [8443]\n"), a, &["changed a.test:8443"], &[]);
        check("", "[tools]\ndeny = [\"exec\"]\n", &["added tools.deny exec"], &[]);
        check("[tools]\nask = [\"exec\"]\n", "", &["removed tools.ask exec"], &[]);
        check("", "[exec]\ndeny = [\"nc\"]\n", &["changed exec"], &[]);
        check(
            "",
            "[files]\nprotect = \"undo\"\nprotected = []\nversions = 9\n",
            &["changed files.protect"],
            &["files.protected", "files.versions"],
        );
        check("", "[restart]\nevery = 3\n[openclaw]\ndrain = 1\n", &["changed restart", "changed openclaw.drain"], &[]);
        let secret = format!("{a}[[secret]]\nname = \"T\"\nhost = \"a.test\"\n");
        check(a, &secret, &[], &["secret"]);
        check(
            "",
            "[tenant]\nname = \"b\"\n[limits]\ncpus = 1.5\nmemory = \"1GiB\"\ndisk = \"1GiB\"\nprocesses = 100\nopen_files = 100\n",
            &[],
            &["tenant.name", "limits.cpus", "limits.memory", "limits.disk", "limits.processes", "limits.open_files"],
        );
        check(
            "",
            "[model]\nprovider = \"openai\"\nmodel = \"m\"\n[approvals]\nwait = 1\n[budget]\nper_day = 1\n[ledger]\ndurability = \"all\"\nkeep_days = 90\n[state]\ndir = \"/s\"\n[openclaw]\nplugins = [\"p\"]\nhooks = true\n[[alerts]]\nurl = \"https://a.test/\"\n[[export]]\nurl = \"unix:/dev/log\"\n",
            &[],
            &[
                "model.provider",
                "model.model",
                "approvals",
                "budget",
                "ledger.durability",
                "ledger.keep",
                "state.dir",
                "openclaw.plugins",
                "openclaw.hooks",
                "alerts",
                "export",
            ],
        );
    }
}
