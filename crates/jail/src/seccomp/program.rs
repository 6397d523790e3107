//! From rules to a program of `seccomp(2)`.
//!
//! Owns the search for the call's number: a tree of comparisons and not a chain of them, for the kernel runs the program in
//! thought for every number when it is installed, and for each call whose answer hangs on an argument. What it answers it
//! never decides: that is in the rules. `compile` calls it.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompRule, sock_filter};

use super::{AUDIT_ARCH, bug};
use crate::error::Error;

/// A range of call numbers from `first` on, up to the next one's, and the program for them.
struct Stretch {
    first: u32,
    answer: BpfProgram,
}

/// `matched` for a call of `rules` of which a rule fits or that has none, `otherwise` for the rest; both as `SECCOMP_RET_*`.
/// Another architecture is killed.
pub(super) fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    matched: u32,
    otherwise: u32,
) -> Result<BpfProgram, Error> {
    let mut stretches = vec![Stretch { first: 0, answer: vec![answer(otherwise)] }];
    for (number, chain) in rules {
        let number = u32::try_from(number).map_err(bug)?;
        let plain = chain.is_empty();
        let mut one: BpfProgram = chain.into_iter().flat_map(|rule| tried(rule, matched)).collect();
        one.push(answer(if plain { matched } else { otherwise }));
        stretches.push(Stretch { first: number, answer: one });
        let next = number.checked_add(1).ok_or_else(|| bug("a number that no call has"))?;
        stretches.push(Stretch { first: next, answer: vec![answer(otherwise)] });
    }
    let mut joined: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        // the next call's number directly follows
        joined.pop_if(|last| last.first == stretch.first);
        if joined.last().is_none_or(|last| last.answer != stretch.answer) {
            joined.push(stretch);
        }
    }
    let mut whole = vec![
        step(LOAD_WORD, 0, 0, ARCHITECTURE),
        step(JUMP_IF_EQUAL, 1, 0, AUDIT_ARCH),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD_WORD, 0, 0, NUMBER),
    ];
    whole.extend(tree(joined)?);
    if whole.len() > LONGEST { Err(bug(format!("a program of {} steps", whole.len()))) } else { Ok(whole) }
}

/// The rule, and its answer if all of its conditions hold.
fn tried(rule: SeccompRule, matched: u32) -> BpfProgram {
    let mut conditions = BpfProgram::from(rule);
    conditions.push(answer(matched));
    conditions
}

/// Halves the stretches until one is left.
fn tree(mut stretches: Vec<Stretch>) -> Result<BpfProgram, Error> {
    let upper = stretches.split_off(stretches.len() / 2);
    let Some(first) = upper.first().map(|stretch| stretch.first) else { return Err(bug("no stretch of calls")) };
    if stretches.is_empty() {
        return Ok(upper.into_iter().flat_map(|stretch| stretch.answer).collect());
    }
    let (lower, upper) = (tree(stretches)?, tree(upper)?);
    let beyond = u32::try_from(lower.len()).map_err(bug)?;
    let mut both = vec![step(JUMP_IF_AT_LEAST, 0, 1, first), step(JUMP, 0, 0, beyond)];
    both.extend(lower);
    both.extend(upper);
    Ok(both)
}

fn answer(action: u32) -> sock_filter {
    step(RETURN, 0, 0, action)
}

fn step(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// `linux/bpf_common.h`.
const LOAD_WORD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// `BPF_MAXINSNS`.
const LONGEST: usize = 4096;
