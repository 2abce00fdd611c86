//! The document as a page for people: plain HTML with its own style, no script, nothing from elsewhere.
//!
//! Everything that comes from the document goes through [`escape`]; backticks in its texts become code.

use std::fmt::Write;

use serde_json::Value;

use super::listed;
use crate::api::problem::kinds::Kind;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>webjobd: its HTTP API</title>
<style>
:root { color-scheme: light dark; --line: #8884; --dim: #8888; --soft: #8881 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem }
code { font: 0.9em ui-monospace, monospace; background: var(--soft); padding: 0.1em 0.3em; border-radius: 3px; overflow-wrap: anywhere }
h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem 0.3rem 0; border-bottom: 1px solid var(--line) }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0.4rem 0.8rem }
summary { cursor: pointer }
summary b { display: inline-block; min-width: 4.5rem }
nav a { margin-right: 1rem }
</style>
</head>
<body>
<h1>webjobd: its HTTP API</h1>
"#;

/// Renders the page.
pub fn render(document: &Value, kinds: &[Kind]) -> String {
    let mut page = HEAD.to_owned();
    // Writing to memory never fails.
    let _ = writeln!(
        page,
        "<p>Version {}. {}</p>",
        plain(&document["info"]["version"]),
        text(&document["info"]["description"])
    );
    page.push_str("<p>As a document for programs: <a href=\"openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n<nav>");
    let tags = || document["tags"].as_array().into_iter().flatten();
    for tag in tags() {
        let name = plain(&tag["name"]);
        let _ = write!(page, "<a href=\"#{name}\">{name}</a>");
    }
    page.push_str("<a href=\"#problems\">problems</a><a href=\"#shapes\">shapes</a></nav>\n");
    for tag in tags() {
        let name = plain(&tag["name"]);
        let _ = writeln!(page, "<h2 id=\"{name}\">{name}</h2>\n<p>{}.</p>", text(&tag["description"]));
        for (path, method) in listed(document) {
            let operation = &document["paths"][&path][method.to_ascii_lowercase()];
            if operation["tags"][0] == tag["name"] {
                show_operation(&mut page, document, &path, &method);
            }
        }
    }
    show_problems(&mut page, kinds);
    show_shapes(&mut page, document);
    page.push_str("</body>\n</html>\n");
    page
}

fn show_operation(page: &mut String, document: &Value, path: &str, method: &str) {
    let operation = &document["paths"][path][method.to_ascii_lowercase()];
    let _ = writeln!(
        page,
        "<details id=\"{}\"><summary><b>{method}</b> <code>{}</code> {}</summary>\n<p>{}</p>",
        plain(&operation["operationId"]),
        escape(path),
        text(&operation["summary"]),
        text(&operation["description"])
    );
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    if !parameters.is_empty() {
        page.push_str("<table><tr><th>Parameter</th><th>In</th><th>Is</th><th>Means</th></tr>\n");
        for one in parameters {
            let is_required = one["required"] == true && one["in"] != "path";
            let _ = writeln!(
                page,
                "<tr><td><code>{}</code></td><td>{}{}</td><td>{}</td><td>{}</td></tr>",
                plain(&one["name"]),
                plain(&one["in"]),
                if is_required { ", required" } else { "" },
                shape(&one["schema"]),
                text(&one["description"])
            );
        }
        page.push_str("</table>\n");
    }
    for (kind, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let _ = writeln!(page, "<p>Body: <code>{}</code>, {}</p>", escape(kind), shape(&body["schema"]));
    }
    show_answers(page, document, operation);
    page.push_str("</details>\n");
}

fn show_answers(page: &mut String, document: &Value, operation: &Value) {
    page.push_str("<table><tr><th>Answer</th><th>Is</th><th>Means</th></tr>\n");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let answer = match answer["$ref"].as_str() {
            Some(to) => document.pointer(to.trim_start_matches('#')).unwrap_or(answer),
            None => answer,
        };
        let contents = answer["content"].as_object().into_iter().flatten();
        let shapes: Vec<String> =
            contents.map(|(kind, body)| format!("<code>{}</code> {}", escape(kind), shape(&body["schema"]))).collect();
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(status),
            shapes.join("<br>"),
            text(&answer["description"])
        );
    }
    page.push_str("</table>\n");
}

fn show_problems(page: &mut String, kinds: &[Kind]) {
    page.push_str("<h2 id=\"problems\">problems</h2>\n<p>Errors are <code>application/problem+json</code>. ");
    page.push_str("Their <code>type</code> is one of these words, which stay as they are.</p>\n");
    page.push_str("<table><tr><th>Type</th><th>Status</th><th>Means</th><th>What to do</th></tr>\n");
    for row in kinds {
        let (word, title, advice) = (escape(row.word), rich(row.title), rich(row.advice));
        let _ = writeln!(
            page,
            "<tr id=\"problem-{word}\"><td><code>{word}</code></td><td>{}</td><td>{title}</td><td>{advice}</td></tr>",
            row.status
        );
    }
    page.push_str("</table>\n");
}

fn show_shapes(page: &mut String, document: &Value) {
    page.push_str("<h2 id=\"shapes\">shapes</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let name = escape(name);
        let _ = writeln!(
            page,
            "<details id=\"shape-{name}\"><summary><code>{name}</code> {}</summary>",
            text(&schema["description"])
        );
        show_members(page, schema);
        page.push_str("</details>\n");
    }
}

fn show_members(page: &mut String, schema: &Value) {
    for part in ["allOf", "oneOf", "anyOf"].iter().flat_map(|word| schema[*word].as_array().into_iter().flatten()) {
        let _ = writeln!(page, "<p>{} {}</p>", shape(part), text(&part["description"]));
        show_members(page, part);
    }
    let required = |name: &str| schema["required"].as_array().into_iter().flatten().any(|one| one == name);
    let Some(members) = schema["properties"].as_object() else {
        if schema["enum"].is_array() {
            let _ = writeln!(page, "<p>{}</p>", shape(schema));
        }
        return;
    };
    page.push_str("<table><tr><th>Member</th><th>Is</th><th>Means</th></tr>\n");
    for (name, member) in members {
        let always = if required(name) { "" } else { ", may be missing" };
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}{always}</td><td>{}</td></tr>",
            escape(name),
            shape(member),
            text(&member["description"])
        );
    }
    page.push_str("</table>\n");
}

/// Says in few words what a schema allows.
fn shape(schema: &Value) -> String {
    if let Some(to) = schema["$ref"].as_str() {
        let name = escape(to.rsplit('/').next().unwrap_or(to));
        return format!("<a href=\"#shape-{name}\">{name}</a>");
    }
    for word in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[word].as_array() {
            let parts: Vec<String> = parts.iter().filter(|part| part["type"] != "null").map(shape).collect();
            return parts.join(if word == "allOf" { " and " } else { " or " });
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| format!("<code>{}</code>", plain(word))).collect::<Vec<_>>().join(", ");
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap_or(&Value::Null).clone(),
        kind => kind.clone(),
    };
    match (kind.as_str(), schema["format"].as_str()) {
        (Some("array"), _) => format!("list of {}", shape(&schema["items"])),
        (Some(kind), Some(format)) => escape(&format!("{kind} ({format})")),
        (Some(kind), None) => escape(kind),
        (None, _) => "anything".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn text(value: &Value) -> String {
    rich(value.as_str().unwrap_or_default())
}

/// Makes code of what stands between backticks, and nothing else of anything.
fn rich(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    let pieces = pieces.map(|(at, piece)| match at % 2 {
        0 => escape(piece),
        _ => format!("<code>{}</code>", escape(piece)),
    });
    pieces.collect()
}

/// Makes a text safe between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_the_document_becomes_markup() {
        let evil = "<img src=x onerror=\"alert('&')\">`</code><script>`";
        let schema = json!({ "type": evil, "description": evil, "enum": [evil] });
        let document = json!({
            "info": { "version": evil, "description": evil },
            "tags": [{ "name": evil, "description": evil }],
            "paths": { evil: { "get": {
                "tags": [evil], "operationId": evil, "summary": evil, "description": evil,
                "parameters": [{ "name": evil, "in": evil, "schema": schema, "description": evil }],
                "requestBody": { "content": { evil: { "schema": { "$ref": evil } } } },
                "responses": { evil: { "description": evil, "content": { evil: { "schema": { "type": evil, "format": evil } } } } },
            } } },
            "components": { "schemas": { evil: { "properties": { evil: schema }, "description": evil } } },
        });
        let page = render(&document, &[]);
        assert!(page.contains("&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;"));
        assert!(!page.contains("<img") && !page.contains("<script") && !page.contains("=\"alert"));
    }
}
