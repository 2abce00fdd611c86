//! TOML as a document of forms.

use serde_json::Number;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::decide::form::{Content, Entry, Node, Report};

/// Parses a text; every syntax error is reported, and with one the answer is `None`.
pub fn parse(text: &str, report: &mut Report) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let start = error.span().map_or(0, |span| span.start);
        report.bad(start, "bad_syntax", format!("the file is not valid TOML: {}", error.message()));
    }
    let content = Content::Object(entries(table.get_ref(), ""));
    errors.is_empty().then(|| Node { path: String::new(), start: 0, content })
}

fn entries(table: &DeTable<'_>, path: &str) -> Vec<Entry> {
    let entry = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let own = name.get_ref().to_string();
        let inner = if path.is_empty() { own.clone() } else { format!("{path}.{own}") };
        Entry { name: own, start: name.span().start, node: node(value, inner) }
    };
    table.iter().map(entry).collect()
}

fn node(value: &Spanned<DeValue<'_>>, path: String) -> Node {
    let content = match value.get_ref() {
        DeValue::Boolean(flag) => Content::Flag(*flag),
        DeValue::String(text) => Content::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Content::Number(number.into()),
            Err(_) => Content::Other("a number beyond 64 bits"),
        },
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => Content::Number(number),
            None => Content::Other("a number that is not finite"),
        },
        DeValue::Datetime(_) => Content::Other("a date"),
        DeValue::Array(items) => {
            Content::List(items.iter().enumerate().map(|(i, item)| node(item, format!("{path}[{i}]"))).collect())
        }
        DeValue::Table(table) => Content::Object(entries(table, &path)),
    };
    Node { path, start: value.span().start, content }
}
