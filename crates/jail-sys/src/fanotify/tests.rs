use super::*;

/// An event as the kernel writes it.
fn written(mask: u64, pid: i32, infos: &[(u8, &[u8], &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, handle, name) in infos {
        let mut info = vec![*kind, 0, 0, 0];
        info.extend([7; 8]);
        info.extend(u32::try_from(handle.len()).unwrap().to_ne_bytes());
        info.extend(3_i32.to_ne_bytes());
        info.extend(*handle);
        info.extend(*name);
        info.push(0);
        info.resize(info.len().next_multiple_of(4), 0);
        let length = u16::try_from(info.len()).unwrap().to_ne_bytes();
        info[2..4].copy_from_slice(&length);
        body.extend(info);
    }
    let mut bytes = u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend([VERSION, 0]);
    bytes.extend(u16::try_from(HEADER).unwrap().to_ne_bytes());
    bytes.extend(mask.to_ne_bytes());
    bytes.extend((-1_i32).to_ne_bytes());
    bytes.extend(pid.to_ne_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn events_are_taken_apart_one_by_one() {
    let mut bytes = written(CREATE | CLOSE_WRITE, 7, &[(FOLDER_AND_NAME, b"dir", b"a b"), (FILE, b"file", b"")]);
    bytes.extend(written(RENAME | FOLDER, 8, &[(OLD_NAME, b"one", b"x"), (NEW_NAME, b"two", b"y"), (99, b"", b"")]));
    bytes.extend(written(OVERFLOW, 0, &[]));
    let found: Vec<_> = events(&bytes).collect();
    assert_eq!(found.len(), 3);
    assert!(found[0].created() && found[0].closed() && found[0].written() && !found[0].deleted());
    assert_eq!((found[0].pid, found[0].place.unwrap().name), (7, &b"a b"[..]));
    assert_eq!(&*found[0].file.unwrap().to_owned().bytes, b"file");
    assert!(found[1].renamed() && found[1].is_folder() && found[1].place.is_none());
    assert_eq!((found[1].from.unwrap().name, found[1].to.unwrap().name), (&b"x"[..], &b"y"[..]));
    assert!(found[2].is_overflow());
}

#[test]
fn what_is_cut_or_of_another_form_ends_the_walk() {
    let whole = written(CREATE, 7, &[(FOLDER_AND_NAME, b"dir", b"name")]);
    for cut in 0..whole.len() {
        assert_eq!(events(&whole[..cut]).count(), 0, "{cut}");
    }
    let mut other = whole.clone();
    other[4] = 2;
    assert_eq!(events(&other).count(), 0);
    let mut long = whole;
    long[HEADER + 12] = 200;
    assert_eq!(events(&long).next().unwrap().place, None);
}

#[test]
fn a_file_is_found_again_by_its_handle() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("creel-fanotify-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let open_folder = || rustix::fs::open(&folder, rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    let place = open_folder();
    let (Ok(group), Ok(handle)) = (Group::new(), handle_of(place.as_fd())) else {
        std::fs::remove_dir_all(&folder).unwrap();
        return;
    };
    group.watch_file_system(place.as_fd()).unwrap();
    std::fs::write(folder.join("one"), "text").unwrap();
    std::fs::rename(folder.join("one"), folder.join("two")).unwrap();
    std::fs::remove_file(folder.join("two")).unwrap();
    let (mut buffer, mut seen) = (vec![0; 65536], Vec::new());
    loop {
        let read = group.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        for event in events(&buffer[..read]) {
            let here = |place: Place<'_>| place.folder.to_owned() == handle;
            if event.place.or(event.from).is_some_and(here) {
                seen.push((event.created(), event.written(), event.renamed(), event.deleted(), event.pid));
            }
        }
    }
    let own = i32::try_from(std::process::id()).unwrap();
    let any = |what: fn(&(bool, bool, bool, bool, i32)) -> bool| seen.iter().any(|one| one.4 == own && what(one));
    assert!(any(|one| one.0) && any(|one| one.1) && any(|one| one.2) && any(|one| one.3), "{seen:?}");
    let again = open(place.as_fd(), &handle).unwrap();
    assert_eq!(rustix::fs::fstat(&again).unwrap().st_ino, rustix::fs::fstat(&place).unwrap().st_ino);
    std::fs::remove_dir_all(&folder).unwrap();
}
