//! Rules made of rules: lists, tables, objects, alternatives, and values that need a second look.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::{Value, json};

use crate::decide::form::{
    Content, Form, Node, Report,
    report::title,
    rule::{Rule, Text, take},
};

/// An array of values that keep one rule, with bounds of its length.
#[derive(Clone, Debug)]
pub struct List<R>(pub R, pub RangeInclusive<usize>);

impl<R: Rule> Rule for List<R> {
    type Out = Vec<R::Out>;

    fn expects(&self) -> String {
        let (min, max) = (self.1.start(), self.1.end());
        format!("an array of {min} to {max} values, each {}", self.0.expects())
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::List(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<Self::Out> {
        let Content::List(items) = &node.content else { return None };
        if !self.1.contains(&items.len()) {
            report.refuse(node, "out_of_range", &self.expects(), None);
            return None;
        }
        // Every item is read before the first failure counts, so that all of them are reported.
        let values: Vec<_> = items.iter().map(|item| take(&self.0, item, report)).collect();
        values.into_iter().collect()
    }

    fn schema(&self) -> Value {
        json!({"type": "array", "items": self.0.schema(), "minItems": self.1.start(), "maxItems": self.1.end()})
    }
}

/// An object whose names are the user's own, such as variables.
#[derive(Clone, Copy, Debug)]
pub struct Table<R> {
    /// What each value must be.
    pub item: R,
    /// What each name must be, in words and as a regular expression of JSON Schema.
    pub names: (&'static str, &'static str),
    /// Whether a text is such a name.
    pub is_name: fn(&str) -> bool,
}

impl<R: Rule> Rule for Table<R> {
    type Out = BTreeMap<String, R::Out>;

    fn expects(&self) -> String {
        format!("an object of which each value is {}", self.item.expects())
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Object(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<Self::Out> {
        let Content::Object(entries) = &node.content else { return None };
        let mut values = BTreeMap::new();
        for entry in entries {
            if !(self.is_name)(&entry.name) {
                let message = format!("{:?} in {} must be {}", entry.name, title(node), self.names.0);
                report.bad(entry.start, "bad_name", message);
            }
            if let Some(value) = take(&self.item, &entry.node, report) {
                values.insert(entry.name.clone(), value);
            }
        }
        Some(values)
    }

    fn schema(&self) -> Value {
        let names = json!({"pattern": self.names.1});
        json!({"type": "object", "propertyNames": names, "additionalProperties": self.item.schema()})
    }
}

/// An object with a table of keys of its own: how it starts, and the keys that fill it.
#[derive(Clone, Copy, Debug)]
pub struct Part<T, F>(pub fn() -> T, pub F);

impl<T, F: Fn(&mut Form<'_>, &mut T)> Rule for Part<T, F> {
    type Out = T;

    fn expects(&self) -> String {
        "an object".to_owned()
    }

    fn takes(&self, content: &Content) -> bool {
        matches!(content, Content::Object(_))
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<T> {
        let n_bad = report.n_bad();
        let mut value = (self.0)();
        Form::read(node, None, report, |form| (self.1)(form, &mut value));
        (report.n_bad() == n_bad).then_some(value)
    }

    fn schema(&self) -> Value {
        Form::describe(|form| (self.1)(form, &mut (self.0)())).into()
    }
}

/// A value that keeps the first rule whose type it has.
#[derive(Clone, Copy, Debug)]
pub struct Either<A, B>(pub A, pub B);

impl<A: Rule, B: Rule<Out = A::Out>> Rule for Either<A, B> {
    type Out = A::Out;

    fn expects(&self) -> String {
        format!("{}; or {}", self.0.expects(), self.1.expects())
    }

    fn takes(&self, content: &Content) -> bool {
        self.0.takes(content) || self.1.takes(content)
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<Self::Out> {
        if self.0.takes(&node.content) { self.0.read(node, report) } else { self.1.read(node, report) }
    }

    fn schema(&self) -> Value {
        json!({"anyOf": [self.0.schema(), self.1.schema()]})
    }
}

/// A value turned into another type.
#[derive(Clone, Copy, Debug)]
pub struct As<R, F>(pub R, pub F);

impl<R: Rule, O, F: Fn(R::Out) -> O> Rule for As<R, F> {
    type Out = O;

    fn expects(&self) -> String {
        self.0.expects()
    }

    fn takes(&self, content: &Content) -> bool {
        self.0.takes(content)
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<O> {
        self.0.read(node, report).map(&self.1)
    }

    fn schema(&self) -> Value {
        self.0.schema()
    }
}

/// A text that only a parser can judge: the parser answers the value and what the user should know, or what is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Checked<F> {
    /// Whether it may be empty.
    pub text: Text,
    /// What the text must be, to follow "must be".
    pub expects: &'static str,
    /// The schema's name of the format, where it has one.
    pub format: Option<&'static str>,
    /// The parser.
    pub parse: F,
}

impl<O, F: Fn(&str) -> Result<(O, Vec<String>), String>> Rule for Checked<F> {
    type Out = O;

    fn expects(&self) -> String {
        self.expects.to_owned()
    }

    fn takes(&self, content: &Content) -> bool {
        self.text.takes(content)
    }

    fn read(&self, node: &Node, report: &mut Report) -> Option<O> {
        let text = self.text.read(node, report)?;
        match (self.parse)(&text) {
            Ok((value, notices)) => {
                for notice in notices {
                    report.warn(node.start, "notice", format!("{}: {notice}", title(node)));
                }
                Some(value)
            }
            Err(error) => {
                report.bad(node.start, "bad_value", format!("{}: {error}", title(node)));
                None
            }
        }
    }

    fn schema(&self) -> Value {
        let mut schema = self.text.schema();
        if let (Some(format), Some(object)) = (self.format, schema.as_object_mut()) {
            object.insert("format".to_owned(), format.into());
        }
        schema
    }
}
