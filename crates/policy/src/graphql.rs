//! What a GraphQL document does.
//!
//! Owns [`root_fields`]: the operations of a document with the fields at their root, aliases seen through and fragments
//! opened. Never validates against a schema; whatever it can't read in one way is an error (GraphQL specification,
//! October 2021, section 2). Asked by [`crate::declared`].

use std::collections::HashMap;

/// Deeper nesting than this is refused.
const DEEPEST: usize = 64;
/// Root fields of one document, fragments opened.
const MOST_FIELDS: usize = 256;

/// `query viewer`, `mutation addComment`: each operation's kind with each of its root fields, of every operation in the
/// document, whichever of them the server is told to run.
///
/// # Errors
/// What is wrong, in a few words.
pub(crate) fn root_fields(document: &str) -> Result<Vec<String>, &'static str> {
    let tokens = tokens(document)?;
    let mut reader = Reader { tokens: &tokens, at: 0 };
    let mut operations: Vec<(&str, Selection<'_>)> = Vec::new();
    let mut fragments: HashMap<&str, Selection<'_>> = HashMap::new();
    while let Some(token) = reader.peek() {
        match token {
            Token::Mark('{') => operations.push(("query", reader.selection()?)),
            Token::Name(kind @ ("query" | "mutation" | "subscription")) => {
                reader.next();
                if let Some(Token::Name(_)) = reader.peek() {
                    reader.next();
                }
                reader.skip_group('(', ')')?;
                reader.directives()?;
                operations.push((kind, reader.selection()?));
            }
            Token::Name("fragment") => {
                reader.next();
                let name = reader.name()?;
                if name == "on" || reader.name()? != "on" {
                    return Err("a fragment has no type");
                }
                reader.name()?;
                reader.directives()?;
                if fragments.insert(name, reader.selection()?).is_some() {
                    return Err("a fragment is defined twice");
                }
            }
            _ => return Err("it holds something that is no operation"),
        }
    }
    if operations.is_empty() {
        return Err("it holds no operation");
    }
    let mut found = Vec::new();
    for (kind, selection) in &operations {
        let mut fields = Vec::new();
        open(selection, &fragments, 0, &mut fields)?;
        found.extend(fields.into_iter().map(|field| format!("{kind} {field}")));
    }
    Ok(found)
}

/// What stands at one level: fields by their own names, fragments by theirs.
#[derive(Debug, Default)]
struct Selection<'a> {
    fields: Vec<&'a str>,
    spreads: Vec<&'a str>,
}

fn open<'a>(
    selection: &Selection<'a>,
    fragments: &HashMap<&str, Selection<'a>>,
    depth: usize,
    fields: &mut Vec<&'a str>,
) -> Result<(), &'static str> {
    if depth > 16 || fields.len() + selection.fields.len() > MOST_FIELDS {
        return Err("its fragments go too deep, or it holds too many fields");
    }
    fields.extend(&selection.fields);
    for spread in &selection.spreads {
        let inner = fragments.get(spread).ok_or("it spreads a fragment that it does not hold")?;
        open(inner, fragments, depth + 1, fields)?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    /// One of `! $ & ( ) : = @ [ ] { | }`, and `.` for three dots.
    Mark(char),
    /// A number or a string.
    Value,
}

fn tokens(document: &str) -> Result<Vec<Token<'_>>, &'static str> {
    let mut found = Vec::new();
    let mut rest = document.strip_prefix('\u{feff}').unwrap_or(document);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\n' | '\r' | ',' => first.len_utf8(),
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '_' | 'A'..='Z' | 'a'..='z' => {
                let end = rest.find(|c: char| !(c == '_' || c.is_ascii_alphanumeric())).unwrap_or(rest.len());
                found.push(Token::Name(rest.get(..end).unwrap_or_default()));
                end
            }
            '-' | '0'..='9' => {
                found.push(Token::Value);
                let body = rest.get(1..).unwrap_or_default();
                let more = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
                1 + body.find(|c: char| !more(c)).unwrap_or(body.len())
            }
            '"' => {
                found.push(Token::Value);
                string(rest)?
            }
            '.' if rest.starts_with("...") => {
                found.push(Token::Mark('.'));
                3
            }
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                found.push(Token::Mark(first));
                1
            }
            _ => return Err("it holds a character that GraphQL does not know"),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(found)
}

/// The length of the string at the front, its quotes included.
fn string(text: &str) -> Result<usize, &'static str> {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut from = 0;
        while let Some(at) = block.get(from..).and_then(|rest| rest.find("\"\"\"")).map(|at| at + from) {
            // `\"""` is the one escape of a block string.
            if at > 0 && block.as_bytes().get(at - 1) == Some(&b'\\') {
                from = at + 3;
                continue;
            }
            return Ok(at + 6);
        }
        return Err("a string has no end");
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok(at + 1),
            '\n' | '\r' => break,
            _ => {}
        }
    }
    Err("a string has no end")
}

struct Reader<'a, 't> {
    tokens: &'t [Token<'a>],
    at: usize,
}

impl<'a> Reader<'a, '_> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn name(&mut self) -> Result<&'a str, &'static str> {
        match self.next() {
            Some(Token::Name(name)) => Ok(name),
            _ => Err("a name is missing"),
        }
    }

    /// Skips a group if one opens here; brackets of every kind must close in order.
    fn skip_group(&mut self, open: char, close: char) -> Result<(), &'static str> {
        if self.peek() != Some(Token::Mark(open)) {
            return Ok(());
        }
        let mut due: Vec<char> = Vec::new();
        while let Some(token) = self.next() {
            match token {
                Token::Mark('(') => due.push(')'),
                Token::Mark('[') => due.push(']'),
                Token::Mark('{') => due.push('}'),
                Token::Mark(end @ (')' | ']' | '}')) if due.pop() != Some(end) => {
                    return Err("its brackets do not match");
                }
                _ => {}
            }
            if due.len() > DEEPEST {
                return Err("it goes too deep");
            }
            if due.is_empty() {
                return if token == Token::Mark(close) { Ok(()) } else { Err("its brackets do not match") };
            }
        }
        Err("its brackets do not match")
    }

    fn directives(&mut self) -> Result<(), &'static str> {
        while self.peek() == Some(Token::Mark('@')) {
            self.next();
            self.name()?;
            self.skip_group('(', ')')?;
        }
        Ok(())
    }

    /// One level of `{ … }`; inline fragments are part of it, what lies deeper is skipped.
    fn selection(&mut self) -> Result<Selection<'a>, &'static str> {
        let mut found = Selection::default();
        let mut inline = 0_usize;
        if self.next() != Some(Token::Mark('{')) {
            return Err("a selection is missing");
        }
        loop {
            match self.next() {
                Some(Token::Mark('}')) if inline > 0 => inline -= 1,
                Some(Token::Mark('}')) => return Ok(found),
                Some(Token::Mark('.')) => match self.peek() {
                    Some(Token::Name(name)) if name != "on" => {
                        self.next();
                        self.directives()?;
                        found.spreads.push(name);
                    }
                    _ => {
                        if self.peek() == Some(Token::Name("on")) {
                            self.next();
                            self.name()?;
                        }
                        self.directives()?;
                        if self.next() != Some(Token::Mark('{')) || inline >= DEEPEST {
                            return Err("a selection is missing");
                        }
                        inline += 1;
                    }
                },
                Some(Token::Name(name)) => {
                    let mut field = name;
                    if self.peek() == Some(Token::Mark(':')) {
                        self.next();
                        field = self.name()?;
                    }
                    self.skip_group('(', ')')?;
                    self.directives()?;
                    self.skip_group('{', '}')?;
                    found.fields.push(field);
                }
                _ => return Err("a field is missing"),
            }
            if found.fields.len() > MOST_FIELDS {
                return Err("it holds too many fields");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &str, expected: &[&str]) {
        let found = root_fields(document).unwrap_or_else(|why| panic!("{document}: {why}"));
        assert_eq!(found, expected, "{document}");
    }

    #[test]
    fn aliases_fragments_and_second_operations_are_seen() {
        check("{ viewer { login } }", &["query viewer"]);
        check("query Harmless { viewer: deleteAll(x: \"}\") { id } }", &["query deleteAll"]);
        check("query A($n: [Int!] = [1]) @d(a: {b: 1}) { a, b(c: [{d: $n}]) { e } }", &["query a", "query b"]);
        check(
            "mutation { ...F } fragment F on Mutation { x: evil ...G } fragment G on M { worse }",
            &["mutation evil", "mutation worse"],
        );
        check("query a { a } mutation b { b }", &["query a", "mutation b"]);
        check("{ ... on Query { a ... @skip(if: true) { b } } c }", &["query a", "query b", "query c"]);
        check("# mutation { x }\n{ a(s: \"\"\"} \\\"\"\" {\"\"\") }", &["query a"]);
        check("subscription { s }", &["subscription s"]);
    }

    #[test]
    fn what_can_t_be_read_is_an_error() {
        for document in [
            "",
            "{",
            "}",
            "{ a ",
            "{ a: }",
            "{ a(] }",
            "{ ...F }",
            "query",
            "type A { b: C }",
            "{ a } garbage",
            "{ \"a\" }",
            "{ a(s: \"x\n\") }",
            "{ a(s: \"\"\"x) }",
            "{ a \u{0} }",
            "{ .. a }",
            "fragment on on A { b } { c }",
            "fragment F on A { ...F } { ...F }",
            "{a}{b",
            "{ a(b: 1}) }",
        ] {
            assert!(root_fields(document).is_err(), "{document}");
        }
        assert!(root_fields(&format!("{{ a{} }}", "{a".repeat(5000))).is_err());
        assert!(root_fields(&format!("{{ {} }}", "a ".repeat(5000))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,80}|[{}()@:.\" a#\n\\\\]{0,60}|(query|mutation|fragment|on|a|\\{|\\}|\\.\\.\\.| ){0,30}") {
            let _ = root_fields(&text);
        }
    }
}
