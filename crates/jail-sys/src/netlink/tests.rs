use super::*;

#[test]
fn attributes_are_padded_and_nests_patched() {
    let mut message = Message::new(5, REQUEST, &[9]);
    message.nest(2, |m| m.string(1, "ab"));
    let bytes = message.finish(3, true);
    let expected: Vec<u8> = [
        &32u32.to_ne_bytes()[..],
        &5u16.to_ne_bytes(),
        &5u16.to_ne_bytes(),
        &3u32.to_ne_bytes(),
        &[0; 4],
        &[9, 0, 0, 0],
        &12u16.to_ne_bytes(),
        &0x8002u16.to_ne_bytes(),
        &7u16.to_ne_bytes(),
        &1u16.to_ne_bytes(),
        b"ab\0\0",
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn an_answer_that_lies_about_its_length_is_an_error() {
    for bad in [&[0u8; 3][..], &[0; 16], &[255; 20], &[17, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let mut replies = Replies { rest: bad };
        assert!(replies.next().unwrap().is_err(), "{bad:?}");
        assert!(replies.next().is_none());
    }
}

#[test]
fn the_kernels_refusal_is_the_error() {
    // RTM_NEWLINK for an interface that can't exist.
    let mut fixed = vec![0; 4];
    fixed.extend_from_slice(&0x7fff_fff0u32.to_ne_bytes());
    fixed.extend_from_slice(&[0; 8]);
    let netlink = Netlink::open(Family::Route).unwrap();
    let error = netlink.transact(vec![Message::new(16, REQUEST, &fixed)], None).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
}
