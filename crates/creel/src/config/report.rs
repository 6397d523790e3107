//! What is wrong with a configuration, for the person who wrote it.
//!
//! Owns [`Report`] and [`Fault`]. Each fault names file, line and column, what is legal, and a way out. What looks like
//! a credential is never shown: it is masked in the excerpt and named nowhere.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The offending bytes of the file.
    pub span: Range<usize>,
    /// What is wrong: lower case, values in backticks.
    pub what: String,
    /// What is legal and what to do.
    pub help: String,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, what: what.into(), help: help.into() }
    }
}

/// Everything that is wrong with a configuration: exit code 2.
#[derive(Debug)]
pub struct Report {
    name: PathBuf,
    text: String,
    faults: Vec<Fault>,
}

impl Report {
    /// A report on `text`, in which the bytes of `masks` are not to be shown.
    pub(super) fn new(name: &Path, text: &str, mut faults: Vec<Fault>, masks: &[Range<usize>]) -> Self {
        faults.sort_by_key(|fault| fault.span.start);
        faults.dedup();
        Self { name: name.to_owned(), text: mask(text, masks), faults }
    }

    /// A report on a file that can't be read.
    pub(super) fn unreadable(name: &Path, why: &str) -> Self {
        let what = format!("can't read the configuration: {why}");
        let help = "name another file with `--config`, or write one with `creel init-config`";
        Self { name: name.to_owned(), text: String::new(), faults: vec![Fault::new(0..0, what, help)] }
    }

    /// What is wrong, in the order of the file; never empty.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Line and column of a fault, both counted from 1, columns in characters.
    #[must_use]
    pub fn position(&self, fault: &Fault) -> (usize, usize) {
        let before = self.text.get(..fault.span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        (line, column)
    }

    /// The whole report with excerpts of the file, for a terminal (`colour`) or a pipe.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        if self.text.is_empty() {
            return format!("{self}\n");
        }
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100).without_cause_chain();
        let mut out = String::new();
        for fault in &self.faults {
            let excerpt = Excerpt {
                fault,
                source: NamedSource::new(self.name.display().to_string(), self.text.clone()),
                help: &fault.help,
            };
            if handler.render_report(&mut out, &excerpt).is_err() {
                return self.to_string();
            }
        }
        out
    }
}

/// One line a fault, for logs and pipes: `file:line:column: what (help)`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            let (line, column) = self.position(fault);
            write!(f, "{newline}{}:{line}:{column}: {}; {}", self.name.display(), fault.what, fault.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

struct Excerpt<'a> {
    fault: &'a Fault,
    source: NamedSource<String>,
    help: &'a str,
}

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.what)
    }
}

impl std::error::Error for Excerpt<'_> {}

impl Diagnostic for Excerpt<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = LabeledSpan::new_with_span(Some("here".to_owned()), self.fault.span.clone());
        Some(Box::new(std::iter::once(span)))
    }
}

/// `text` with `*` for every byte of `masks` that is no line feed, so that positions stay right.
fn mask(text: &str, masks: &[Range<usize>]) -> String {
    let masked = text.char_indices().flat_map(|(at, c)| {
        let hidden = c != '\n' && masks.iter().any(|mask| mask.contains(&at));
        let (c, count) = if hidden { ('*', c.len_utf8()) } else { (c, 1) };
        std::iter::repeat_n(c, count)
    });
    masked.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Fault, Report};

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "a = 1\nné = \"x\"\n";
        let report = Report::new(Path::new("creel.toml"), text, vec![Fault::new(12..15, "bad", "good")], &[]);
        assert_eq!(report.position(&report.faults()[0]), (2, 6));
        assert_eq!(report.to_string(), "creel.toml:2:6: bad; good");
        let drawn = report.render(false);
        assert!(drawn.contains("creel.toml:2:") && drawn.contains("né = "), "{drawn}");
    }

    #[test]
    fn masked_bytes_are_not_shown() {
        let text = "key = \"sécret\"\nother = 1\n";
        let masks = vec![6..15; 1];
        let report = Report::new(Path::new("c"), text, vec![Fault::new(6..15, "bad", "good")], &masks);
        assert!(!report.render(false).contains("cret"));
        assert_eq!(report.text.len(), text.len());
    }
}
