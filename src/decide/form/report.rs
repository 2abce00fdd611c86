//! What is wrong with a document: problems, each with the line and column of its cause.

use crate::{
    decide::form::{Content, Node},
    model::job::Problem,
};

/// What an unknown key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A warning: the document may be meant for another reader too.
    Warned,
    /// A defect: nobody else reads the document.
    Refused,
}

/// Most problems that are told of one document.
const PROBLEMS_MAX: usize = 100;
/// Longest quotation of a wrong value in a message, in characters.
const QUOTE_CHARS_MAX: usize = 60;

/// The problems of one document, as they are found.
#[derive(Debug)]
pub struct Report {
    file: Option<String>,
    text: String,
    unknown: Unknown,
    found: Vec<Defect>,
}

/// A problem whose place is not yet counted out.
#[derive(Debug)]
struct Defect {
    start: usize,
    code: &'static str,
    message: String,
    fatal: bool,
}

impl Report {
    /// Makes an empty report of `text`; its problems name `file`, where the caller knows it.
    pub fn new(file: Option<&str>, text: &str, unknown: Unknown) -> Self {
        Self { file: file.map(str::to_owned), text: text.to_owned(), unknown, found: Vec::new() }
    }

    /// Returns the problems in the order of the text. Of very many only the first are kept, fatal ones rather than
    /// warnings, and a last one that counts the others.
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|defect| (!defect.fatal, defect.start));
        let n_more = self.found.len().saturating_sub(PROBLEMS_MAX);
        self.found.truncate(PROBLEMS_MAX);
        self.found.sort_by_key(|defect| defect.start);
        let found = std::mem::take(&mut self.found);
        let mut problems: Vec<Problem> = found.into_iter().map(|defect| self.placed(defect)).collect();
        if n_more > 0 {
            problems.push(Problem {
                code: "more_problems".to_owned(),
                message: format!("{n_more} more problems are not shown"),
                file: self.file,
                line: None,
                column: None,
                fatal: false,
            });
        }
        problems
    }

    /// Returns how many defects were found so far; warnings don't count.
    pub fn n_bad(&self) -> usize {
        self.found.iter().filter(|defect| defect.fatal).count()
    }

    /// Notes a defect.
    pub fn bad(&mut self, start: usize, code: &'static str, message: String) {
        self.note(start, code, message, true);
    }

    /// Notes something that works, but perhaps not as the user thinks.
    pub fn warn(&mut self, start: usize, code: &'static str, message: String) {
        self.note(start, code, message, false);
    }

    /// Notes a key that no table has.
    pub fn unknown(&mut self, start: usize, message: String) {
        self.note(start, "unknown_key", message, self.unknown == Unknown::Refused);
    }

    /// Notes that an object has no key of this name, but must.
    pub fn lacks(&mut self, of: &Node, name: &str) {
        self.bad(of.start, "missing_key", format!("{} must have a `{name}`", title(of)));
    }

    /// Notes a value that is not what it must be; `hint` is added in brackets.
    pub fn refuse(&mut self, node: &Node, code: &'static str, expected: &str, hint: Option<&str>) {
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        let found = found(node);
        self.bad(node.start, code, format!("{} must be {expected}, not {found}{hint}", title(node)));
    }

    fn note(&mut self, start: usize, code: &'static str, message: String, fatal: bool) {
        self.found.push(Defect { start, code, message, fatal });
    }

    fn placed(&self, defect: Defect) -> Problem {
        let (line, column) = place(&self.text, defect.start);
        Problem {
            code: defect.code.to_owned(),
            message: defect.message,
            file: self.file.clone(),
            line: Some(line),
            column: Some(column),
            fatal: defect.fatal,
        }
    }
}

/// Returns how a message names a value.
pub fn title(node: &Node) -> String {
    if node.path.is_empty() { "the file".to_owned() } else { format!("`{}`", node.path) }
}

/// Returns line and column of a byte offset, both from 1, the column in characters.
fn place(text: &str, start: usize) -> (u32, u32) {
    let end = (0..=start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// Says what a value is. Variables hold secrets, and so do accounts, so that of them only the type is told.
fn found(node: &Node) -> String {
    let is_secret =
        ["env.", "users.", "tokens."].iter().any(|start| node.path.starts_with(start)) && !node.path.ends_with(".role");
    match &node.content {
        Content::Text(_) | Content::Number(_) if is_secret => "this value".to_owned(),
        Content::Null => "null".to_owned(),
        Content::Flag(flag) => flag.to_string(),
        Content::Number(number) => number.to_string(),
        Content::Text(text) if text.chars().count() > QUOTE_CHARS_MAX => {
            format!("the text {:?}…", text.chars().take(QUOTE_CHARS_MAX).collect::<String>())
        }
        Content::Text(text) => format!("the text {text:?}"),
        Content::List(items) if items.is_empty() => "an empty array".to_owned(),
        Content::List(items) => format!("an array of {}", items.len()),
        Content::Object(_) => "an object".to_owned(),
        Content::Other(what) => (*what).to_owned(),
    }
}
