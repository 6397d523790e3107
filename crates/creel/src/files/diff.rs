//! What changed between two texts, line by line.
//!
//! Owns [`lines`]: a bounded comparison. Of texts that differ in too many lines it says all that was there and all that is, which
//! is true as well. Whoever prints it escapes it.

/// As many pairs of lines are compared.
const MOST: usize = 4 << 20;
/// Lines around a change that are shown.
const AROUND: usize = 3;

/// The change from `old` to `new`, a line each behind ` `, `-` or `+`.
pub(crate) fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |one: &(&&str, &&str)| one.0 == one.1;
    let before = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let middle =
        |all: &[&str]| all.iter().take(all.len() - after).skip(before).map(|line| (*line).to_owned()).collect();
    let (gone, come): (Vec<String>, Vec<String>) = (middle(&old), middle(&new));
    let mut out = String::new();
    let mut say = |mark: char, line: &str| {
        out.push(mark);
        out.push_str(line);
        out.push('\n');
    };
    if gone.is_empty() && come.is_empty() {
        return out;
    }
    say('@', &format!("@ line {} @@", before + 1));
    old.iter().take(before).skip(before.saturating_sub(AROUND)).for_each(|line| say(' ', line));
    compared(&gone, &come).into_iter().for_each(|(mark, line)| say(mark, line));
    old.iter().skip(old.len() - after).take(AROUND).for_each(|line| say(' ', line));
    out
}

/// A longest common part of both (by the usual table), and what is only in one.
fn compared<'a>(old: &'a [String], new: &'a [String]) -> Vec<(char, &'a str)> {
    let all = |mark: char, lines: &'a [String]| lines.iter().map(move |line| (mark, line.as_str()));
    if old.len().saturating_mul(new.len()) > MOST {
        return all('-', old).chain(all('+', new)).collect();
    }
    let width = new.len() + 1;
    // the length of the longest common part of what follows each pair
    let mut table = vec![0_u32; (old.len() + 1) * width];
    let at = |table: &[u32], one: usize, other: usize| table.get(one * width + other).copied().unwrap_or(0);
    for (one, left) in old.iter().enumerate().rev() {
        for (other, right) in new.iter().enumerate().rev() {
            let longest = if left == right {
                at(&table, one + 1, other + 1) + 1
            } else {
                at(&table, one + 1, other).max(at(&table, one, other + 1))
            };
            if let Some(cell) = table.get_mut(one * width + other) {
                *cell = longest;
            }
        }
    }
    let (mut one, mut other, mut out) = (0, 0, Vec::new());
    loop {
        match (old.get(one), new.get(other)) {
            (Some(left), Some(right)) if left == right => {
                out.push((' ', left.as_str()));
                (one, other) = (one + 1, other + 1);
            }
            (Some(left), right) if right.is_none() || at(&table, one + 1, other) >= at(&table, one, other + 1) => {
                out.push(('-', left.as_str()));
                one += 1;
            }
            (_, Some(right)) => {
                out.push(('+', right.as_str()));
                other += 1;
            }
            (_, None) => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_change_is_shown_with_what_stands_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\n";
        assert_eq!(lines(old, old), "");
        assert_eq!(lines(old, "a\nb\nc\nd\nE\nf\ng\n"), "@@ line 5 @@\n b\n c\n d\n-e\n+E\n f\n g\n");
        assert_eq!(lines("", "x\ny\n"), "@@ line 1 @@\n+x\n+y\n");
        assert_eq!(lines("x\n", ""), "@@ line 1 @@\n-x\n");
        assert_eq!(lines("1\n2\n3\n4\n", "1\n3\n5\n4\n"), "@@ line 2 @@\n 1\n-2\n 3\n+5\n 4\n");
        assert_eq!(lines("a\na\n", "a\n"), "@@ line 2 @@\n a\n-a\n");
    }

    #[test]
    fn texts_of_any_size_are_compared_within_bounds() {
        let (old, new): (String, String) = (0..10_000).map(|n| (format!("o{n}\n"), format!("n{n}\n"))).unzip();
        let shown = lines(&old, &new);
        assert_eq!(shown.lines().count(), 20_001);
    }

    proptest::proptest! {
        #[test]
        fn both_texts_can_be_read_from_it(
            old in proptest::collection::vec("[ab]{0,2}", 0..12),
            new in proptest::collection::vec("[ab]{0,2}", 0..12),
        ) {
            let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let shown = lines(&text(&old), &text(&new));
            let side = |mark: char| shown.lines().skip(1).filter(|line| line.starts_with([mark, ' '])).count();
            // what is shown of a side lies in it, as often as both together say
            proptest::prop_assert!(side('-') <= old.len() && side('+') <= new.len());
            let gone = shown.lines().filter(|line| line.starts_with('-')).count();
            let come = shown.lines().filter(|line| line.starts_with('+')).count();
            proptest::prop_assert_eq!(old.len() + come, new.len() + gone);
        }
    }
}
