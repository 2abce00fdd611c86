//! Forms: a document's keys as one table that is read, checked and described from the same lines.
//!
//! A form is a function that names every key a document may have, its rule and where its value goes. The same function
//! reads a text (each defect with its line and column, all in one go) and writes the JSON Schema, so that the two cannot
//! disagree.
//!
//! ```text
//!  settings.job ── jsonc ──┐                      ┌──> values put in their places
//!                          ├──> Node ──> Form ────┤
//!  webjobd.toml ── toml ───┘            + Rule    └──> Report: problems
//! ```
//!
//! A form never stops at the first defect, and never takes a default for a value that is there but wrong.

mod compound;
mod jsonc;
mod report;
mod rule;
mod toml;

use serde_json::{Map, Number, Value, json};

use crate::{decide::near::nearest, model::id::JobKind};

pub use compound::{As, Checked, Either, List, Part, Table};
pub use jsonc::parse as parse_jsonc;
pub use report::{Report, Unknown};
pub use rule::{Flag, OneOf, Real, Rule, Seconds, Signal, Size, Text, Whole, WholeSeconds};
pub use toml::parse as parse_toml;

/// A value of a document, with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// How a message names it, such as `retries.delay`; empty for the whole document.
    pub path: String,
    /// Where it starts, in bytes.
    pub start: usize,
    /// What it holds.
    pub content: Content,
}

/// What a value holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing, said explicitly.
    Null,
    /// True or false.
    Flag(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by name; each name once.
    Object(Vec<Entry>),
    /// Something that no rule takes, in words: `a date`.
    Other(&'static str),
}

/// A name and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Where the name starts, in bytes.
    pub start: usize,
    /// The value.
    pub node: Node,
}

impl Node {
    /// Returns the value as plain JSON.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null | Content::Other(_) => Value::Null,
            Content::Flag(flag) => Value::Bool(*flag),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Object(entries) => {
                Value::Object(entries.iter().map(|e| (e.name.clone(), e.node.to_json())).collect())
            }
        }
    }
}

/// One line of the table: a key, what it is for, and when it counts.
#[derive(Debug)]
pub struct Key {
    name: &'static str,
    about: &'static str,
    default: Option<Value>,
    only: Option<JobKind>,
    required: bool,
}

/// Begins a line of the table.
pub fn key(name: &'static str, about: &'static str) -> Key {
    Key { name, about, default: None, only: None, required: false }
}

impl Key {
    /// Says what holds when the key is not given, for the schema.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Says that the key has an effect on one kind of job only.
    #[must_use]
    pub fn only(mut self, kind: JobKind) -> Self {
        self.only = Some(kind);
        self
    }

    /// Says that the key must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// A table of keys at work: reading one object, or describing itself.
#[derive(Debug)]
pub struct Form<'f> {
    mode: Mode<'f>,
}

#[derive(Debug)]
enum Mode<'f> {
    Read { of: &'f Node, kind: Option<JobKind>, report: &'f mut Report, known: Vec<&'static str> },
    Describe { properties: Map<String, Value>, required: Vec<&'static str> },
}

impl<'f> Form<'f> {
    /// Reads the object `of` by the table `keys`; `kind` is the kind of job that it is about.
    pub fn read(of: &'f Node, kind: Option<JobKind>, report: &'f mut Report, keys: impl FnOnce(&mut Form<'_>)) {
        let mut form = Form { mode: Mode::Read { of, kind, report, known: Vec::new() } };
        keys(&mut form);
        form.report_unknown();
    }

    /// Returns the JSON Schema of the table `keys`.
    pub fn describe(keys: impl FnOnce(&mut Form<'_>)) -> Map<String, Value> {
        let mut form = Form { mode: Mode::Describe { properties: Map::new(), required: Vec::new() } };
        keys(&mut form);
        let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
        if let Mode::Describe { properties, required } = form.mode {
            schema.insert("properties".to_owned(), properties.into());
            if !required.is_empty() {
                schema.insert("required".to_owned(), required.into());
            }
        }
        schema
    }

    /// Takes one key: when it is there and keeps its rule, `put` receives its value. `null` counts as not there.
    pub fn key<R: Rule>(&mut self, key: Key, rule: R, put: impl FnOnce(R::Out)) {
        match &mut self.mode {
            Mode::Describe { properties, required } => {
                if key.required {
                    required.push(key.name);
                }
                properties.insert(key.name.to_owned(), described(&key, rule.schema()));
            }
            Mode::Read { of, kind, report, known } => {
                known.push(key.name);
                match (given(of, key.name), *kind) {
                    (None, _) if key.required => report.lacks(of, key.name),
                    (None, _) => {}
                    // A bad value is one for either kind, as the schema has it.
                    (Some(entry), kind) => match (rule::take(&rule, &entry.node, report), kind) {
                        (_, Some(kind)) if key.only.is_some_and(|only| only != kind) => {
                            let message = format!("`{}` has no effect on a {kind} job", entry.node.path);
                            report.warn(entry.start, "no_effect", message);
                        }
                        (Some(value), _) => put(value),
                        (None, _) => {}
                    },
                }
            }
        }
    }

    /// Refuses a key that is planned but does not work yet.
    pub fn unsupported(&mut self, name: &'static str, about: &'static str) {
        match &mut self.mode {
            Mode::Describe { properties, .. } => {
                let schema = json!({"type": "null", "description": format!("{about} (not supported yet)")});
                properties.insert(name.to_owned(), schema);
            }
            Mode::Read { of, report, known, .. } => {
                known.push(name);
                if let Some(entry) = given(of, name) {
                    let message = format!("`{}` is not supported yet; remove it", entry.node.path);
                    report.bad(entry.start, "not_supported", message);
                }
            }
        }
    }

    /// Knows a key that other hosts' documents speak of and that nobody reads; `instead` says what to use.
    pub fn unread(&mut self, name: &'static str, instead: &'static str) {
        if let Mode::Read { of, report, known, .. } = &mut self.mode {
            known.push(name);
            if let Some(entry) = given(of, name) {
                report.warn(entry.start, "no_effect", format!("`{}` has no effect; {instead}", entry.node.path));
            }
        }
    }

    fn report_unknown(self) {
        let Mode::Read { of, report, known, .. } = self.mode else { return };
        let Content::Object(entries) = &of.content else { return };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.name.as_str())) {
            let help = match nearest(&entry.name, known.iter().copied()) {
                Some(meant) => format!("; did you mean `{meant}`?"),
                None => String::new(),
            };
            report.unknown(entry.start, format!("`{}` is not a known key{help}", entry.node.path));
        }
    }
}

fn given<'n>(of: &'n Node, name: &str) -> Option<&'n Entry> {
    let Content::Object(entries) = &of.content else { return None };
    entries.iter().find(|entry| entry.name == name && !matches!(entry.node.content, Content::Null))
}

/// Adds to a rule's schema what the table knows: the purpose, the default, and `null` for "not given".
fn described(key: &Key, rule: Value) -> Value {
    let mut about = key.about.to_owned();
    if let Some(kind) = key.only {
        about.push_str(&format!(" ({kind} jobs)"));
    }
    let mut schema = Map::from_iter([("description".to_owned(), Value::String(about))]);
    if let Some(default) = &key.default {
        schema.insert("default".to_owned(), default.clone());
    }
    match rule {
        rule if key.required => schema.extend(rule.as_object().cloned().unwrap_or_default()),
        Value::Object(mut rule) if rule.get("type").is_some_and(Value::is_string) && !rule.contains_key("enum") => {
            let own = rule.remove("type");
            schema.insert("type".to_owned(), json!([own, "null"]));
            schema.extend(rule);
        }
        rule => {
            schema.insert("anyOf".to_owned(), json!([rule, {"type": "null"}]));
        }
    }
    Value::Object(schema)
}
