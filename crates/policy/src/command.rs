//! Patterns of commands.
//!
//! Owns [`CommandPattern`]: a program, and words that stand among its arguments. It reads the argument vector of the process
//! itself, never a shell's text. Configuration parses them, the rules of the exec door ask.

use std::fmt;

use creel_guard::Run;

use crate::glob::Glob;

/// `git push`: the program `git`, and `push` somewhere among its arguments; several words stand there in this order, with any
/// others between them. In each word `*` stands for any text. A program with a slash in it is a whole path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandPattern {
    text: String,
    program: Glob,
    whole_path: bool,
    words: Vec<Glob>,
}

impl CommandPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A text saying what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let Some(program) = words.next() else { return Err("a pattern names a program".to_owned()) };
        if text.chars().any(char::is_control) || text.len() > 1024 {
            return Err("a pattern is one line of at most 1024 bytes".to_owned());
        }
        let whole_path = program.contains('/');
        if whole_path && !program.starts_with(['/', '*']) {
            return Err(format!("`{}`: a path starts with `/`", program.escape_debug()));
        }
        let words = words.map(Glob::new).collect();
        Ok(Self { text: text.to_owned(), program: Glob::new(program), whole_path, words })
    }

    /// Whether this process runs such a command. Where its arguments were not read to their end the rest counts as holding
    /// the words, and what the dynamic linker was told to run counts as the program (`ld.so(8)`).
    #[must_use]
    pub fn covers(&self, run: &Run) -> bool {
        let (called, arguments) = run.argv.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let itself = self.names(&run.program) || self.names(called);
        if itself && self.stands_in(arguments, run.cut) {
            return true;
        }
        is_linker(base_name(&run.program))
            && (0..arguments.len()).any(|at| {
                let (program, rest) = arguments.split_at(at + 1);
                program.last().is_some_and(|program| self.names(program)) && self.stands_in(rest, run.cut)
            })
    }

    fn names(&self, program: &str) -> bool {
        self.program.covers(if self.whole_path { program } else { base_name(program) })
    }

    fn stands_in(&self, arguments: &[String], cut: bool) -> bool {
        let mut arguments = arguments.iter();
        cut || self.words.iter().all(|word| arguments.any(|argument| word.covers(argument)))
    }
}

impl fmt::Display for CommandPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The dynamic linkers' names on Linux.
fn is_linker(name: &str) -> bool {
    ["ld-linux", "ld-musl", "ld.so", "ld-2."].iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, program: &str, argv: &[&str], covers: bool) {
        let argv = argv.iter().map(ToString::to_string).collect();
        let run = Run { program: program.to_owned(), argv, ..Run::default() };
        assert_eq!(CommandPattern::parse(pattern).unwrap().covers(&run), covers, "{pattern}: {run:?}");
    }

    #[test]
    fn words_stand_among_the_arguments_in_order() {
        check("curl", "/usr/bin/curl", &["curl", "https://a.test"], true);
        check("curl", "/workspace/x", &["curl"], true);
        check("curl", "/usr/bin/curl", &["innocent"], true);
        check("curl", "/usr/bin/curl-config", &["curl-config"], false);
        check("git push", "/usr/bin/git", &["git", "-c", "a=b", "push", "origin"], true);
        check("git push", "/usr/bin/git", &["git", "pull"], false);
        check("git push --force*", "/usr/bin/git", &["git", "push", "--force-with-lease"], true);
        check("git push --force*", "/usr/bin/git", &["git", "--force", "push"], false);
        check("/usr/bin/*sh -c", "/usr/bin/dash", &["sh", "-c", "true"], true);
        check("/usr/bin/*sh -c", "/workspace/dash", &["sh", "-c", "true"], false);
        check("curl", "", &[], false);
    }

    #[test]
    fn what_was_not_read_and_what_the_linker_runs_count() {
        let run = Run { program: "/usr/bin/git".to_owned(), argv: vec!["git".to_owned()], cut: true, ..Run::default() };
        assert!(CommandPattern::parse("git push").unwrap().covers(&run));
        assert!(!CommandPattern::parse("hg push").unwrap().covers(&run));
        let linker = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
        check("curl -T", linker, &["ld", "--preload", "x", "/usr/bin/curl", "-T", "f"], true);
        check("curl -T", linker, &["ld", "/usr/bin/wget", "-T", "f"], false);
        check("curl", "/usr/bin/grep", &["grep", "/usr/bin/curl"], false);
    }

    #[test]
    fn a_pattern_names_a_program() {
        for text in ["", "  ", "a\nb", "bin/curl", &"x".repeat(2000)] {
            assert!(CommandPattern::parse(text).is_err(), "{text}");
        }
    }
}
