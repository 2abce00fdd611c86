//! Files of `KEY=value` lines, as docker and systemd read them.
//!
//! Lines that are blank or begin with `#` or `;` are comments; `export ` before a name is tolerated. A value without
//! quotes is everything up to the end of the line, without the white space around it. A value in double quotes knows
//! `\"`, `\\`, `\$`, `\n`, `\r` and `\t`, one in single quotes is literal; both may span lines. Nothing is expanded.
//!
//! Such files hold secrets: no message ever quotes a value.

use std::collections::BTreeMap;

use crate::{
    decide::{
        env::is_reserved,
        form::{Report, Unknown},
    },
    model::job::Problem,
};

/// Reads the text of an environment file; a problem of it names the file `file`.
pub fn parse_env_file(file: &str, text: &str) -> (BTreeMap<String, String>, Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Lines { text, at: 0, report: Report::new(Some(file), text, Unknown::Warned) };
    let mut variables = BTreeMap::new();
    while lines.at < text.len() {
        let Some((start, name, value)) = lines.next_variable() else { continue };
        if is_reserved(&name) {
            lines.report.warn(start, "no_effect", format!("`{name}` has no effect: webjobd itself sets this variable"));
        }
        if variables.insert(name.clone(), value).is_some() {
            lines.report.warn(start, "duplicate_key", format!("`{name}` is given twice; this one counts"));
        }
    }
    (variables, lines.report.into_problems())
}

struct Lines<'t> {
    text: &'t str,
    at: usize,
    report: Report,
}

impl<'t> Lines<'t> {
    /// Takes a line, or the lines of one quoted value; `None` when they give no variable.
    fn next_variable(&mut self) -> Option<(usize, String, String)> {
        let line = self.rest_of_line(self.at);
        let start = self.at + (line.len() - line.trim_start().len());
        let line_end = self.at + line.len();
        self.at = line_end + 1;
        if line.trim().is_empty() || line.trim().starts_with(['#', ';']) {
            return None;
        }
        let Some(equals) = self.text[start..line_end].find('=').map(|i| start + i) else {
            self.report.bad(start, "bad_syntax", "the line is not of the form KEY=value".to_owned());
            return None;
        };
        let name = self.text[start..equals].trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim_start).to_owned();
        let raw = &self.text[equals + 1..line_end];
        let value_start = line_end - raw.trim_start().len();
        let value = match self.text[value_start..line_end].chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(&name, quote, value_start)?,
            Some(_) | None => self.plain(&name, raw, value_start),
        };
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'`".contains(c)) {
            let message = "what stands before `=` is not the name of a variable".to_owned();
            self.report.bad(start, "bad_name", message);
            return None;
        }
        if value.contains('\0') {
            self.report.bad(start, "bad_value", format!("the value of `{name}` holds a NUL character"));
            return None;
        }
        Some((start, name, value))
    }

    fn plain(&mut self, name: &str, raw: &str, start: usize) -> String {
        if raw.contains(" #") {
            let message = format!("the ` #` belongs to the value of `{name}`; put comments on lines of their own");
            self.report.warn(start, "notice", message);
        }
        raw.trim().to_owned()
    }

    fn quoted(&mut self, name: &str, quote: char, start: usize) -> Option<String> {
        let mut value = String::new();
        let mut chars = self.text[start + 1..].char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            match c {
                c if c == quote => {
                    let after = start + 1 + i + 1;
                    let tail = self.rest_of_line(after);
                    self.at = after + tail.len() + 1;
                    if !(tail.trim().is_empty() || tail.trim_start().starts_with('#')) {
                        let message = format!("text follows the closing quote of `{name}`");
                        self.report.bad(after, "bad_syntax", message);
                    }
                    return Some(value);
                }
                '\\' if quote == '"' => match chars.next_if(|(_, c)| "\"\\$nrt".contains(*c)) {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, escaped)) => value.push(escaped),
                    None => value.push('\\'),
                },
                c => value.push(c),
            }
        }
        self.report.bad(start, "bad_syntax", format!("the value of `{name}` has no closing {quote}"));
        None
    }

    fn rest_of_line(&self, from: usize) -> &'t str {
        self.text[from..].split('\n').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let (variables, problems) = parse_env_file("x.env", text);
        assert_eq!(problems, [], "{text}");
        variables.into_iter().collect()
    }

    fn complaints(text: &str) -> Vec<String> {
        parse_env_file("x.env", text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_are_read_as_docker_and_systemd_users_write_them() {
        for (text, name, value) in [
            ("A=1", "A", "1"),
            ("\u{feff}A=1\r\n", "A", "1"),
            ("  export  A = 1  \n", "A", "1"),
            ("# no\n; no\n\nA=x=y", "A", "x=y"),
            ("A=", "A", ""),
            ("A=$B ${C} `d`", "A", "$B ${C} `d`"),
            (r"A=C:\new", "A", r"C:\new"),
            (r#"A="a b # c" # a comment"#, "A", "a b # c"),
            (r#"A="q\" b\\ \$ n\n w\w""#, "A", "q\" b\\ $ n\n w\\w"),
            (r"A='a\n \'", "A", r"a\n \"),
            ("A=\"-----BEGIN\nKEY=-----\"\n", "A", "-----BEGIN\nKEY=-----"),
            ("ConnectionStrings:Default=x", "ConnectionStrings:Default", "x"),
        ] {
            assert_eq!(values(text), [(name.to_owned(), value.to_owned())], "{text}");
        }
    }

    #[test]
    fn a_defect_is_told_with_its_line_and_never_with_a_value() {
        for (text, expected) in [
            ("A=1\n secret", "x.env:2:2: the line is not of the form KEY=value"),
            ("A B=secret", "x.env:1:1: what stands before `=` is not the name of a variable"),
            ("=secret", "x.env:1:1: what stands before `=` is not the name of a variable"),
            ("A=1\nB=\"secret", "x.env:2:3: the value of `B` has no closing \""),
            ("A='x'secret", "x.env:1:6: text follows the closing quote of `A`"),
            ("A=1\nA=2", "x.env:2:1: `A` is given twice; this one counts"),
            ("A=secret #1", "x.env:1:3: the ` #` belongs to the value of `A`; put comments on lines of their own"),
            ("WEBJOBS_NAME=x", "x.env:1:1: `WEBJOBS_NAME` has no effect: webjobd itself sets this variable"),
        ] {
            assert_eq!(complaints(text), [expected], "{text}");
        }
    }

    #[test]
    fn lines_after_a_defect_are_still_read() {
        let (variables, problems) = parse_env_file("x.env", "A=\"open\nB=2\nbad\nC=3");
        assert_eq!(variables.keys().collect::<Vec<_>>(), ["B", "C"]);
        assert_eq!(problems.len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "([AB='\"\\\\ \n#\r]|\\PC){0,40}") {
            parse_env_file("x.env", &text);
        }
    }
}
