//! Landlock: the rule set for a jail's programs and for a guard.
//!
//! Owns which folders may be read, executed or written, asked of the kernel with every right that it knows. It never
//! accepts less than full enforcement of what this kernel's version has. `init` and `confine` call it on themselves.

use std::path::{Path, PathBuf};

use creel_jail_sys::caps::landlock_version;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use serde::{Deserialize, Serialize};

/// Folders and files by what may be done there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Walls {
    /// Read, write, make and remove everything, execute; no device nodes.
    pub(crate) write: Vec<PathBuf>,
    /// The same, but execute nothing.
    #[serde(default)]
    pub(crate) keep: Vec<PathBuf>,
    /// Read, list and execute.
    pub(crate) run: Vec<PathBuf>,
    /// Read and list.
    pub(crate) read: Vec<PathBuf>,
    /// Read, write and control what is there, make nothing: /dev and /proc.
    pub(crate) devices: Vec<PathBuf>,
    /// List this folder and what is below, no more.
    pub(crate) list: Vec<PathBuf>,
}

/// Confines the calling process, for good, and returns the kernel's landlock version. Paths that don't exist are an error.
///
/// # Errors
/// What stopped it, for a person: the layer `landlock` is missing.
pub(crate) fn restrict(walls: &Walls) -> Result<u32, String> {
    let version = landlock_version();
    let abi = known(version).ok_or("the kernel has no landlock, or it is off")?;
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))
        .map_err(|error| text(&error))?;
    let scopes = Scope::from_all(abi);
    if !scopes.is_empty() {
        rules = rules.scope(scopes).map_err(|error| text(&error))?;
    }
    let mut rules = rules.create().map_err(|error| text(&error))?;
    for (paths, rights) in rights(walls, abi) {
        for path in paths {
            rules = rules.add_rule(beneath(path, rights)?).map_err(|error| format!("`{}`: {error}", path.display()))?;
        }
    }
    let status = rules.restrict_self().map_err(|error| text(&error))?;
    if status.ruleset == RulesetStatus::FullyEnforced {
        Ok(version)
    } else {
        Err(format!("landlock is {:?}", status.ruleset))
    }
}

type Rights = BitFlags<AccessFs>;

fn rights(walls: &Walls, abi: ABI) -> [(&[PathBuf], Rights); 6] {
    let all = AccessFs::from_all(abi);
    let run = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir | (all & AccessFs::ResolveUnix);
    let write = all & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let devices =
        AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    [
        (&walls.write, write),
        (&walls.keep, write & !AccessFs::Execute),
        (&walls.run, run),
        (&walls.read, run & !AccessFs::Execute),
        (&walls.devices, devices & all),
        (&walls.list, AccessFs::ReadDir.into()),
    ]
}

fn beneath(path: &Path, rights: Rights) -> Result<PathBeneath<PathFd>, String> {
    let shown = path.display();
    let handle = PathFd::new(path).map_err(|error| format!("`{shown}`: {error}"))?;
    let folder = path.is_dir();
    // a file takes only rights that files have
    let rights = if folder { rights } else { rights & AccessFs::from_file(ABI::V10) };
    Ok(PathBeneath::new(handle, rights))
}

/// The newest version that both the kernel and the crate know.
fn known(version: u32) -> Option<ABI> {
    Some(match version {
        0 => return None,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        9 => ABI::V9,
        _ => ABI::V10,
    })
}
