use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::confine::Job;
use super::*;

struct Folder(PathBuf);

type Change = fn(&Folder);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(format!("/tmp/creel-runtime-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A folder that looks like a prepared runtime.
    fn runtime(name: &str) -> Self {
        let folder = Self::new(name);
        for file in [
            "node/bin/node",
            "node/lib/node_modules/npm/package.json",
            "app/node_modules/.package-lock.json",
            "app/node_modules/openclaw/package.json",
            "app/node_modules/openclaw/openclaw.mjs",
            "app/node_modules/openclaw/dist/entry.js",
        ] {
            folder.file(file, file);
        }
        seal::seal(&folder.0).unwrap();
        manifest::record(&folder.0).unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_prepared_runtime_is_recognised_and_nothing_is_done() {
    let folder = Folder::runtime("whole");
    let info = prepare(&folder.0, &mut |step| panic!("{step}")).unwrap();
    assert_eq!(info.openclaw, crate::OPENCLAW_VERSION);
}

#[test]
fn what_is_not_whole_is_no_runtime() {
    let changed: [(&str, Change); 6] = [
        ("gone", |folder| fs::remove_file(folder.0.join("app/node_modules/openclaw/openclaw.mjs")).unwrap()),
        ("changed", |folder| drop(folder.file("app/node_modules/openclaw/openclaw.mjs", "other"))),
        ("unnamed", |folder| fs::remove_file(folder.0.join("manifest.json")).unwrap()),
        ("noise", |folder| drop(folder.file("manifest.json", "{"))),
        ("writable", |folder| fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap()),
        ("older", |folder| {
            let path = folder.0.join("manifest.json");
            let text = fs::read_to_string(&path).unwrap().replace(crate::OPENCLAW_VERSION, "2026.9.5");
            fs::write(path, text).unwrap();
        }),
    ];
    for (name, change) in changed {
        let folder = Folder::runtime(name);
        change(&folder);
        assert_eq!(manifest::check(&folder.0), None, "{name}");
    }
    assert_eq!(manifest::check(Path::new("/nowhere/at/all")), None);
}

#[test]
fn sealing_leaves_nothing_writable_and_node_unreadable() {
    let folder = Folder::new("sealed");
    let plain = folder.file("app/a.js", "x");
    let program = folder.file("app/run", "x");
    let node = folder.file("node/bin/node", "x");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4777)).unwrap();
    symlink("../app/run", folder.0.join("node/link")).unwrap();
    fs::set_permissions(folder.0.join("app"), fs::Permissions::from_mode(0o777)).unwrap();
    seal::give(&plain, BUILD_UID).unwrap();
    seal::seal(&folder.0).unwrap();
    assert_eq!([mode(&plain), mode(&program), mode(&node)], [0o644, 0o755, 0o111]);
    assert_eq!(mode(&folder.0.join("app")), 0o755);
    assert_eq!(fs::metadata(&plain).unwrap().uid(), 0);
}

#[test]
fn sealing_refuses_what_reaches_out() {
    let bad: [(&str, Change); 5] = [
        ("absolute", |folder| symlink("/etc/shadow", folder.0.join("l")).unwrap()),
        ("parent", |folder| symlink("../../../etc/shadow", folder.0.join("l")).unwrap()),
        ("and-back", |folder| symlink(format!("../{}/x", folder.0.display()), folder.0.join("l")).unwrap()),
        ("hard", |folder| fs::hard_link(folder.file("a", "x"), folder.0.join("b")).unwrap()),
        ("pipe", |folder| nix::unistd::mkfifo(&folder.0.join("p"), nix::sys::stat::Mode::S_IRWXU).unwrap()),
    ];
    for (name, make) in bad {
        let folder = Folder::new(name);
        make(&folder);
        assert!(matches!(seal::seal(&folder.0), Err(Error::Upstream { .. })), "{name}");
    }
}

/// What a shell says when it runs as the installation's programs do.
fn confined(folder: &Folder, network: bool, script: &str) -> String {
    let build = folder.0.join("build");
    fs::create_dir_all(&build).unwrap();
    seal::set_mode(&folder.0, 0o755).unwrap();
    seal::give(&build, BUILD_UID).unwrap();
    let ending = confine::run(&Job {
        name: "a test",
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        cwd: &build,
        writable: &build,
        network,
        patience: std::time::Duration::from_secs(60),
    })
    .unwrap();
    ending.words
}

#[test]
fn the_build_user_has_the_staging_folder_and_nothing_else() {
    let folder = Folder::new("confined");
    let outside = Folder::new("confined-outside");
    seal::set_mode(&outside.0, 0o777).unwrap();
    let script = format!(
        "exec 1>&2; id -u; id -G; echo $$; echo x > inside && echo wrote; echo x > {}/out || echo kept; env",
        outside.0.display()
    );
    let words = confined(&folder, true, &script);
    let uid = BUILD_UID.to_string();
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines[..4], [uid.as_str(), uid.as_str(), "1", "wrote"], "{words}");
    assert!(words.contains("kept"), "{words}");
    assert!(!outside.0.join("out").exists());
    assert!(!words.contains("CARGO"), "the caller's environment stays outside: {words}");
}

#[test]
fn without_network_there_is_lo_alone() {
    let folder = Folder::new("offline");
    let words = confined(&folder, false, "exec 1>&2; grep -c : /proc/self/net/dev; grep -o lo: /proc/self/net/dev");
    assert_eq!(words.split_whitespace().collect::<Vec<_>>(), ["1", "lo:"], "{words}");
}

#[test]
fn what_outlives_the_program_dies_with_it() {
    let folder = Folder::new("orphans");
    let script = "(flock 9; touch ready; exec sleep 1000) 9>lock & while [ ! -e ready ]; do sleep 0.01; done";
    confined(&folder, true, script);
    let lock = fs::OpenOptions::new().write(true).open(folder.0.join("build/lock")).unwrap();
    assert!(lock.try_lock().is_ok(), "the child that held it is gone");
}

#[test]
fn a_runtime_needs_a_place() {
    assert!(matches!(Site::beside(Path::new("/")), Err(Error::Operator { .. })));
}

#[test]
fn the_build_user_must_be_able_to_pass() {
    let folder = Folder::new("shut");
    seal::set_mode(&folder.0, 0o700).unwrap();
    let site = Site::beside(&folder.0.join("runtime")).unwrap();
    assert!(matches!(site.begin(), Err(Error::Operator { .. })));
    seal::set_mode(&folder.0, 0o711).unwrap();
    site.begin().unwrap();
    assert_eq!(fs::metadata(site.build()).unwrap().uid(), BUILD_UID);
}
