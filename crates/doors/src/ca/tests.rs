use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use creel_guard::HostName;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("creel-ca-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).unwrap()
}

#[test]
fn a_kept_ca_is_found_again_and_its_key_is_closed() {
    let folder = Folder::new("kept");
    let first = Ca::open(&folder.0, &tenant("main")).unwrap();
    let second = Ca::open(&folder.0, &tenant("main")).unwrap();
    assert_eq!(first.certificate(), second.certificate());
    let mode = std::fs::metadata(folder.0.join("ca.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!first.certificate_pem().contains("PRIVATE"));
}

#[test]
fn another_tenants_ca_and_a_foreign_key_are_refused() {
    let folder = Folder::new("foreign");
    Ca::open(&folder.0, &tenant("main")).unwrap();
    assert!(matches!(Ca::open(&folder.0, &tenant("other")), Err(Error::Operator(_))));
    std::fs::write(folder.0.join("ca.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(matches!(Ca::open(&folder.0, &tenant("main")), Err(Error::Operator(_))));
    std::fs::remove_file(folder.0.join("ca.key")).unwrap();
    assert!(matches!(Ca::open(&folder.0, &tenant("main")), Err(Error::Host { .. })));
}

#[test]
fn leaves_are_kept_until_a_day_before_they_expire_and_never_pile_up() {
    let folder = Folder::new("leaves");
    let ca = Ca::open(&folder.0, &tenant("main")).unwrap();
    let now = OffsetDateTime::now_utc();
    let target = Target::Host(HostName::parse("a.test").unwrap());
    let first = ca.server_config_at(&target, now).unwrap();
    assert!(Arc::ptr_eq(&first, &ca.server_config_at(&target, now + Duration::days(5)).unwrap()));
    assert!(!Arc::ptr_eq(&first, &ca.server_config_at(&target, now + Duration::days(6)).unwrap()));
    for octet in 0..=u8::MAX {
        for block in 0..5 {
            ca.server_config_at(&Target::Address([192, 0, block, octet].into()), now).unwrap();
        }
    }
    assert!(ca.leaves.lock().unwrap().len() <= MAX_LEAVES);
}
