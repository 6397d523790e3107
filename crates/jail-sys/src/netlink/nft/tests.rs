use super::*;
use crate::netlink::u16_at;

fn attributes(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16_at(bytes, 0).unwrap());
        found.push((u16_at(bytes, 2).unwrap(), bytes[4..length].to_vec()));
        bytes = &bytes[length.next_multiple_of(4)..];
    }
    found
}

fn small() -> Table {
    let rule = vec![Expression::Protocol(6), Expression::Redirect(981)];
    let chain = Chain { name: "nat", kind: Kind::Nat, hook: Hook::Output, policy: Verdict::Accept, rules: vec![rule] };
    Table { name: "t", chains: vec![chain] }
}

#[test]
fn a_batch_is_bracketed_and_only_its_inside_is_acknowledged() {
    let (messages, brackets) = messages(&small());
    let batch = crate::netlink::encode(messages, Some(brackets));
    assert_eq!(batch.expected, 3);
    let mut rest = &batch.bytes[..];
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let length = crate::netlink::u32_at(rest, 0).unwrap() as usize;
        seen.push((u16_at(rest, 4).unwrap(), u16_at(rest, 6).unwrap(), crate::netlink::u32_at(rest, 8).unwrap()));
        rest = &rest[length..];
    }
    assert_eq!(seen, [(16, 1, 0), (2560, 0x605, 1), (2563, 0x605, 2), (2566, 0xc05, 3), (17, 1, 4)]);
}

#[test]
fn a_base_chain_names_its_hook_priority_and_policy() {
    let bytes = new_chain("t", &small().chains[0]).finish(1, false);
    let found = attributes(&bytes[20..]);
    assert_eq!(found[0], (1, b"t\0".to_vec()));
    assert_eq!(found[1], (3, b"nat\0".to_vec()));
    let hook = attributes(&found[2].1);
    assert_eq!(hook, [(1, vec![0, 0, 0, 3]), (2, vec![0xff, 0xff, 0xff, 0x9c])]);
    assert_eq!(found[3], (5, vec![0, 0, 0, 1]));
    assert_eq!(found[4], (7, b"nat\0".to_vec()));
}

#[test]
fn a_rule_is_the_list_of_its_expressions() {
    let bytes = new_rule("t", "nat", &[Expression::Protocol(6), Expression::Redirect(981)]).finish(1, false);
    let found = attributes(&bytes[20..]);
    let names: Vec<Vec<u8>> = attributes(&found[2].1).iter().map(|(_, step)| attributes(step)[0].1.clone()).collect();
    assert_eq!(names, [&b"meta\0"[..], b"cmp\0", b"immediate\0", b"redir\0"]);
    let port: Vec<u8> = 981u16.to_be_bytes().to_vec();
    assert!(bytes.windows(2).any(|window| window == port));
}
