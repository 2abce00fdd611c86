//! Rules: what a value must be, as a reader, as words for a person, and as JSON Schema. Here those of single values.
//!
//! A rule reports what is wrong and answers `None`; it never mends a value. Whether a schema accepts a value and whether
//! the rule does is the same question, except where the schema language cannot ask it: `Checked`, and the
//! bounds of a `Size` that is written as text.

use std::{fmt, ops::RangeInclusive, time::Duration};

use serde_json::{Number, Value, json};

use crate::{
    decide::{
        form::{Content, Node, Report, report::title},
        near::nearest,
    },
    model::exit::StopSignal,
};

/// What a value must be.
pub trait Rule {
    /// The value once read.
    type Out;

    /// Says what is allowed, to follow "must be".
    fn expects(&self) -> String;

    /// Returns whether a value has a type that `read` can judge.
    fn takes(&self, content: &Content) -> bool;

    /// Reads a value whose type it takes; what is wrong goes to the report.
    fn read(&self, node: &Node, report: &mut Report) -> Option<Self::Out>;

    /// Returns the rule as JSON Schema.
    fn schema(&self) -> Value;
}

/// Reads a value of any type by a rule.
pub fn take<R: Rule>(rule: &R, node: &Node, report: &mut Report) -> Option<R::Out> {
    if rule.takes(&node.content) {
        return rule.read(node, report);
    }
    let hint = match &node.content {
        Content::Text(text) if unquoted(text).is_some_and(|content| rule.takes(&content)) => {
            Some("write it without quotes")
        }
        Content::Number(number) if rule.takes(&Content::Text(number.to_string())) => Some("put it in quotes"),
        Content::Flag(flag) if rule.takes(&Content::Text(flag.to_string())) => Some("put it in quotes"),
        _ => None,
    };
    report.refuse(node, "wrong_type", &rule.expects(), hint);
    None
}

fn unquoted(text: &str) -> Option<Content> {
    match serde_json::from_str(text).ok()? {
        Value::Bool(flag) => Some(Content::Flag(flag)),
        Value::Number(number) => Some(Content::Number(number)),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// True or false.
#[derive(Clone, Copy, Debug)]
pub struct Flag;

impl Rule for Flag {
    type Out = bool;

    fn expects(&self) -> String {
        "true or false".to_owned()
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Flag(_))
    }

    fn read(&self, node: &Node, _: &mut Report) -> Option<bool> {
        if let Content::Flag(flag) = node.content { Some(flag) } else { None }
    }

    fn schema(&self) -> Value {
        json!({"type": "boolean"})
    }
}

/// A text without the character that no argument, variable or path can hold.
#[derive(Clone, Copy, Debug)]
pub enum Text {
    /// At least one character.
    Some,
    /// Empty too.
    Any,
}

impl Rule for Text {
    type Out = String;

    fn expects(&self) -> String {
        match self {
            Self::Some => "a text that is not empty".to_owned(),
            Self::Any => "a text".to_owned(),
        }
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Text(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<String> {
        let Content::Text(text) = &node.content else { return None };
        if text.contains('\0') {
            report.bad(node.start, "bad_value", format!("{} must not hold a NUL character", title(node)));
            return None;
        }
        if matches!(self, Self::Some) && text.is_empty() {
            report.refuse(node, "bad_value", &self.expects(), None);
            return None;
        }
        Some(text.clone())
    }

    fn schema(&self) -> Value {
        match self {
            Self::Some => json!({"type": "string", "minLength": 1, "pattern": "^[^\\u0000]*$"}),
            Self::Any => json!({"type": "string", "pattern": "^[^\\u0000]*$"}),
        }
    }
}

/// A whole number from the first bound to the second.
#[derive(Clone, Copy, Debug)]
pub struct Whole<T>(pub T, pub T);

impl<T: TryFrom<i64> + Into<i64> + Copy + fmt::Display> Rule for Whole<T> {
    type Out = T;

    fn expects(&self) -> String {
        format!("a whole number from {} to {}", self.0, self.1)
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Number(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<T> {
        whole_within(node, self.0.into()..=self.1.into(), &self.expects(), report).and_then(|n| T::try_from(n).ok())
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": self.0.into(), "maximum": self.1.into()})
    }
}

/// A duration in whole seconds, from the first bound to the second.
#[derive(Clone, Copy, Debug)]
pub struct WholeSeconds(pub u32, pub u32);

impl Rule for WholeSeconds {
    type Out = Duration;

    fn expects(&self) -> String {
        format!("a whole number of seconds from {} to {}", self.0, self.1)
    }

    fn takes(&self, content: &Content) -> bool {
        Whole(self.0, self.1).takes(content)
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<Duration> {
        let seconds = whole_within(node, self.0.into()..=self.1.into(), &self.expects(), report)?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }

    fn schema(&self) -> Value {
        Whole(self.0, self.1).schema()
    }
}

/// A number, fractions allowed, from the first bound to the second.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64, pub f64);

impl Rule for Real {
    type Out = f64;

    fn expects(&self) -> String {
        format!("a number from {} to {}", self.0, self.1)
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Number(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<f64> {
        within(node, self.0..=self.1, &self.expects(), report)
    }

    fn schema(&self) -> Value {
        json!({"type": "number", "minimum": self.0, "maximum": self.1})
    }
}

/// A duration in seconds, fractions allowed, from the first bound to the second. No bound is negative.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub f64, pub f64);

impl Rule for Seconds {
    type Out = Duration;

    fn expects(&self) -> String {
        format!("a number of seconds from {} to {}", self.0, self.1)
    }

    fn takes(&self, content: &Content) -> bool {
        Real(self.0, self.1).takes(content)
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<Duration> {
        let seconds = within(node, self.0..=self.1, &self.expects(), report)?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    fn schema(&self) -> Value {
        Real(self.0, self.1).schema()
    }
}

fn whole_within(node: &Node, bounds: RangeInclusive<i64>, expects: &str, report: &mut Report) -> Option<i64> {
    let Content::Number(number) = &node.content else { return None };
    let value = whole(number).filter(|n| bounds.contains(n));
    if value.is_none() {
        let is_whole = number.as_f64().is_some_and(|n| n.fract() == 0.0);
        report.refuse(node, if is_whole { "out_of_range" } else { "wrong_type" }, expects, None);
    }
    value
}

fn within(node: &Node, bounds: RangeInclusive<f64>, expects: &str, report: &mut Report) -> Option<f64> {
    let Content::Number(number) = &node.content else { return None };
    let value = number.as_f64().filter(|n| bounds.contains(n));
    if value.is_none() {
        report.refuse(node, "out_of_range", expects, None);
    }
    value
}

/// A whole number, as JSON sees it: `5`, `5.0` and `5e0` are the same.
fn whole(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: beyond it not every whole number has its own f64
    number.as_i64().or_else(|| {
        let value = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= EXACT)?;
        Some(value as i64)
    })
}

/// A size in bytes, as a number or as text with a unit, from the first bound to the second.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64, pub u64);

const UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

impl Rule for Size {
    type Out = u64;

    fn expects(&self) -> String {
        format!("a number of bytes from {} to {}, or a text such as \"10MiB\"", self.0, self.1)
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Number(_) | Content::Text(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<u64> {
        let bytes = match &node.content {
            Content::Number(number) => whole(number).and_then(|n| u64::try_from(n).ok()),
            Content::Text(text) => size(text),
            _ => None,
        };
        let value = bytes.filter(|n| (self.0..=self.1).contains(n));
        if value.is_none() {
            report.refuse(node, if bytes.is_some() { "out_of_range" } else { "bad_value" }, &self.expects(), None);
        }
        value
    }

    fn schema(&self) -> Value {
        let units = UNITS.map(|(name, _)| name).join("|");
        json!({"anyOf": [
            {"type": "integer", "minimum": self.0, "maximum": self.1},
            {"type": "string", "pattern": format!("^[0-9]{{1,12}} ?({units})$")},
        ]})
    }
}

fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    if number.len() > 12 { None } else { number.parse::<u64>().ok()?.checked_mul(factor) }
}

/// One of some words.
#[derive(Clone, Copy, Debug)]
pub struct OneOf<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy> Rule for OneOf<T> {
    type Out = T;

    fn expects(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("one of {}", words.join(", "))
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Text(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<T> {
        let Content::Text(text) = &node.content else { return None };
        let value = self.0.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if value.is_none() {
            let meant = nearest(text, self.0.iter().map(|(word, _)| *word));
            let hint = meant.map(|word| format!("did you mean \"{word}\"?"));
            report.refuse(node, "bad_value", &self.expects(), hint.as_deref());
        }
        value
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "enum": self.0.iter().map(|(word, _)| word).collect::<Vec<_>>()})
    }
}

/// A signal, by name with or without `SIG`, in any case, or by number.
#[derive(Clone, Copy, Debug)]
pub struct Signal;

impl Rule for Signal {
    type Out = StopSignal;

    fn expects(&self) -> String {
        format!("a signal: {}", StopSignal::names().collect::<Vec<_>>().join(", "))
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Text(_) | Content::Number(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<StopSignal> {
        let signal = match &node.content {
            Content::Text(text) => StopSignal::parse(text).filter(|_| is_signal_name(text)),
            Content::Number(number) => whole(number).and_then(|n| StopSignal::parse(&n.to_string())),
            _ => None,
        };
        if signal.is_none() {
            report.refuse(node, "bad_value", &self.expects(), None);
        }
        signal
    }

    fn schema(&self) -> Value {
        let any_case = |c: char| match c.is_ascii_alphabetic() {
            true => format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase()),
            false => c.to_string(),
        };
        let bare = |name: String| name.trim_start_matches("SIG").chars().map(any_case).collect::<String>();
        let names: Vec<String> = StopSignal::names().map(bare).collect();
        let numbers: Vec<i32> =
            StopSignal::names().filter_map(|name| StopSignal::parse(&name)).map(StopSignal::number).collect();
        json!({"anyOf": [
            {"type": "string", "pattern": format!("^([Ss][Ii][Gg])?({})$", names.join("|"))},
            {"type": "integer", "enum": numbers},
        ]})
    }
}

fn is_signal_name(text: &str) -> bool {
    StopSignal::names().any(|name| [&name[..], &name["SIG".len()..]].iter().any(|name| name.eq_ignore_ascii_case(text)))
}
