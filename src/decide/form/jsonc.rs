//! JSON as people write it: comments, trailing commas, single quotes and unquoted names are tolerated, as Kudu's own
//! parser does (spec/kudu-webjobs 2.1).

use std::collections::{BTreeMap, btree_map};

use jsonc_parser::{ParseOptions, ast, common::Ranged};

use crate::decide::form::{Content, Entry, Node, Report};

/// Parses a text. A text that holds no value at all is an empty object, with a warning, as is a mere `null`; a syntax
/// error is reported and gives `None`.
pub fn parse(text: &str, report: &mut Report) -> Option<Node> {
    let options = ParseOptions {
        allow_missing_commas: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        ..ParseOptions::default()
    };
    match jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options) {
        Err(error) => {
            let what = error.kind().to_string();
            let mut letters = what.chars();
            let lower = letters.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(letters).collect::<String>();
            report.bad(error.range().start, "bad_syntax", format!("the file is not valid JSON: {lower}"));
            None
        }
        Ok(parsed) => match parsed.value {
            Some(value) if value.as_null_keyword().is_none() => Some(node(&value, String::new(), report)),
            Some(_) => Some(empty("the file holds only `null`: nothing is set", report)),
            None => Some(empty("the file is empty: nothing is set", report)),
        },
    }
}

fn empty(what: &str, report: &mut Report) -> Node {
    report.warn(0, "empty_file", what.to_owned());
    Node { path: String::new(), start: 0, content: Content::Object(Vec::new()) }
}

fn node(value: &ast::Value<'_>, path: String, report: &mut Report) -> Node {
    let start = value.start();
    let content = match value {
        ast::Value::NullKeyword(_) => Content::Null,
        ast::Value::BooleanLit(flag) => Content::Flag(flag.value),
        ast::Value::StringLit(text) => Content::Text(text.value.to_string()),
        ast::Value::NumberLit(number) => match serde_json::from_str(number.value) {
            Ok(number) => Content::Number(number),
            Err(_) => {
                let message = format!("the number {} is too large to be represented", number.value);
                report.bad(start, "out_of_range", message);
                Content::Null
            }
        },
        ast::Value::Array(array) => Content::List(
            array.elements.iter().enumerate().map(|(i, item)| node(item, format!("{path}[{i}]"), report)).collect(),
        ),
        ast::Value::Object(object) => Content::Object(entries(object, &path, report)),
    };
    Node { path, start, content }
}

/// Of a name that is given twice the last value counts.
fn entries(object: &ast::Object<'_>, path: &str, report: &mut Report) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for property in &object.properties {
        let name = property.name.as_str().to_owned();
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let value = node(&property.value, inner, report);
        let entry = Entry { name: name.clone(), start: property.start(), node: value };
        match places.entry(name) {
            btree_map::Entry::Vacant(place) => {
                place.insert(entries.len());
                entries.push(entry);
            }
            btree_map::Entry::Occupied(place) => {
                let message = format!("`{}` is given twice; this one counts", entry.node.path);
                report.warn(entry.start, "duplicate_key", message);
                entries[*place.get()] = entry;
            }
        }
    }
    entries
}
