//! Reading a `settings.job`: the text becomes `Settings`, every defect a problem with its line and column.
//!
//! Kudu reads a broken file as an empty one and a wrong type as the default (spec/kudu-webjobs 2.3 and 12.2); this never
//! does: a fatal problem means that the file must not be used. All problems are found in one go. Keys that nobody knows
//! are kept in `raw`, which the API gives back as the user wrote it.
//!
//! The keys with their bounds, defaults and words stand in `keys`, once, for the reader and for the JSON Schema.

mod keys;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::{
    decide::{
        env,
        form::{self, Content, Form, Node, Report, Unknown},
    },
    model::{
        id::JobKind,
        job::Problem,
        settings::{CatchUp, Overlap, Settings},
        time::Wall,
    },
};

/// Longest text that is read, in bytes; a longer one is refused.
pub const SETTINGS_BYTES_MAX: usize = 256 << 10;

/// What a `settings.job` says, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The settings; only to be used when no problem is fatal.
    pub settings: Settings,
    /// The file's keys and values as the user wrote them.
    pub raw: Map<String, Value>,
    /// Every problem, in the order of the text. None names the file: whoever found it knows its folder.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// Returns whether the settings may be used.
    pub fn is_usable(&self) -> bool {
        !self.problems.iter().any(|problem| problem.fatal)
    }
}

/// Reads the text of a `settings.job` for a job of this kind.
pub fn read(text: &str, kind: JobKind) -> Reading {
    read_as_of(text, kind, None)
}

/// Reads the same, and warns of what has passed by `now`.
pub fn read_at(text: &str, kind: JobKind, now: Wall) -> Reading {
    read_as_of(text, kind, Some(now))
}

fn read_as_of(text: &str, kind: JobKind, now: Option<Wall>) -> Reading {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut report = Report::new(None, text, Unknown::Warned);
    let mut reading = Reading { settings: Settings::default(), raw: Map::new(), problems: Vec::new() };
    if text.len() > SETTINGS_BYTES_MAX {
        report.bad(0, "too_large", format!("the file is longer than {SETTINGS_BYTES_MAX} bytes"));
    } else if let Some(root) = form::parse_jsonc(text, &mut report) {
        match root.to_json() {
            Value::Object(raw) => {
                reading.raw = raw;
                Form::read(&root, Some(kind), &mut report, |form| keys::keys(form, &mut reading.settings));
                warn_of_surprises(&root, &reading.settings, kind, &mut report);
                if let Some(now) = now {
                    warn_of_the_past(&root, &reading.settings, now, &mut report);
                }
            }
            _ => report.refuse(&root, "wrong_type", "an object such as {\"is_singleton\": true}", None),
        }
    }
    reading.problems = report.into_problems();
    reading
}

/// Returns the JSON Schema (draft 2020-12) of a `settings.job` of either kind.
pub fn schema() -> Value {
    let keys = Form::describe(|form| keys::keys(form, &mut Settings::default()));
    let mut schema = Map::from_iter([
        ("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), json!("settings.job")),
        ("description".to_owned(), json!("Settings of one job of webjobd")),
    ]);
    schema.extend(keys);
    schema.into()
}

/// Warns of a moment that has passed.
fn warn_of_the_past(root: &Node, settings: &Settings, now: Wall, report: &mut Report) {
    let Some(moment) = settings.run_at.filter(|moment| *moment <= now) else { return };
    let Content::Object(entries) = &root.content else { return };
    if let Some(entry) = entries.iter().find(|entry| entry.name == "run_at") {
        let late = match settings.catch_up {
            CatchUp::None => "it never runs for it".to_owned(),
            CatchUp::Once | CatchUp::All => {
                format!(
                    "a job that comes now runs for it no later than {} s after it",
                    settings.catch_up_window.as_secs()
                )
            }
        };
        report.warn(entry.start, "passed", format!("`run_at` has passed ({moment}); {late}"));
    }
}

/// Warns where keys are right one by one, but together don't do what they seem to.
fn warn_of_surprises(root: &Node, settings: &Settings, kind: JobKind, report: &mut Report) {
    let Content::Object(entries) = &root.content else { return };
    let start = |name: &str| entries.iter().find(|entry| entry.name == name).map(|entry| entry.start);
    if let (Some(start), JobKind::Triggered) = (start("max_concurrency"), kind)
        && settings.max_concurrency > 1
        && settings.overlap != Overlap::Allow
    {
        report.warn(start, "no_effect", "`max_concurrency` has no effect without `\"overlap\": \"allow\"`".to_owned());
    }
    let variables = entries.iter().find(|entry| entry.name == "env").map(|entry| &entry.node.content);
    if let Some(Content::Object(variables)) = variables {
        for variable in variables.iter().filter(|variable| env::is_reserved(&variable.name)) {
            let message = format!("`{}` has no effect: webjobd itself sets this variable", variable.node.path);
            report.warn(variable.start, "no_effect", message);
        }
    }
}
