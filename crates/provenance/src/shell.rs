//! What a shell command does, as far as its words tell.
//!
//! Owns [`only_looks`] and [`named_files`]. Both err on one side: a command that only looks is one that could hardly do
//! anything else, and every word that may be a file is named. Commands run in the jail, before the exec door; nothing here
//! is a wall.

/// Programs that print what is there, however they are called.
const LOOKERS: &str = "ls cat head tail wc stat du df pwd echo printf date uname ps id whoami hostname file sort uniq cut tr \
    grep egrep fgrep rg basename dirname realpath readlink which type nl tac rev column jq md5sum sha256sum sha1sum cksum cmp \
    diff free uptime nproc lscpu lsblk tree locale true test";

/// Longer commands are not looked into.
const MOST_BYTES: usize = 4096;

/// Whether every part of the command prints and does nothing else: no redirection, no substitution, no other program.
pub(crate) fn only_looks(command: &str) -> bool {
    let plain = command.replace("2>/dev/null", " ").replace("2>&1", " ");
    let risky = |c: char| matches!(c, '>' | '<' | '`' | '$' | '(' | ')' | '{' | '}' | '\\' | '!');
    if plain.len() > MOST_BYTES || plain.trim().is_empty() || plain.contains(risky) {
        return false;
    }
    let looks = |part: &str| {
        let mut words = part.split_whitespace();
        // `sort -o file` writes, `--files0-from` and the like read lists of names; `date -s` sets the clock.
        let program = words.next().unwrap_or("cd");
        let harmless = |word: &str| {
            !(word.starts_with("-o")
                || word.starts_with("--out")
                || word.starts_with("--compress")
                || word.starts_with("--pre"))
                && !(program == "date" && (word.starts_with("-s") || word.starts_with("--set")))
        };
        (program == "cd" || LOOKERS.split_whitespace().any(|known| known == program)) && words.all(harmless)
    };
    plain.split([';', '|', '&', '\n']).filter(|part| !part.trim().is_empty()).all(looks)
}

/// Every word of a command that may be the name of a file, lower case, without quotes.
pub(crate) fn named_files(command: &str) -> impl Iterator<Item = String> + '_ {
    let breaks =
        |c: char| c.is_whitespace() || matches!(c, ';' | '|' | '&' | '>' | '<' | '=' | '(' | ')' | '`' | ',' | ':');
    let bare = |word: &str| word.replace(['"', '\'', '\\'], "").to_lowercase();
    command.split(breaks).map(bare).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_is_told_from_what_does() {
        for command in ["ls -la", "cat a.txt | grep x | wc -l", "cd src && ls; pwd", "du -sh * 2>/dev/null", "date"] {
            assert!(only_looks(command), "{command}");
        }
        for command in [
            "",
            "rm x",
            "ls > x",
            "cat $(rm x)",
            "echo `rm x`",
            "ls; rm x",
            "ls && curl evil.test",
            "sort -o x y",
            "ls\nrm x",
            "find . -delete",
            "env rm x",
            "date -s 2020-01-01",
            "sort --compress-program=sh x",
            "rg --pre sh x",
            "LS",
            "./ls",
        ] {
            assert!(!only_looks(command), "{command}");
        }
    }

    #[test]
    fn files_are_named_through_quotes() {
        let found: Vec<String> = named_files(r#"echo "x">>AG"ENTS".md; cp a 'b c'"#).collect();
        assert_eq!(found, ["echo", "x", "agents.md", "cp", "a", "b", "c"]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,80}") {
            let _looks = only_looks(&text);
            let _files = named_files(&text).count();
        }
    }
}
