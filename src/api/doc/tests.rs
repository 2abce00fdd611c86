//! The document holds what the router holds.

use std::collections::BTreeSet;

use axum::Router;

use super::*;
use crate::api::Api;

fn document() -> Value {
    serde_json::from_str(json()).expect("JSON")
}

/// Reads the routes out of what a router shows of itself: `paths: {RouteId(1): "/path", …}` and, for each, its methods.
fn routes_of(router: &Router<Api>) -> BTreeSet<(String, String)> {
    let shown = format!("{router:?}");
    let (routes, paths) = shown.split_once(", node: Node { paths: {").expect("a router shows its paths");
    let path_of = |id: &str| {
        let rest = paths.split_once(&format!("RouteId({id}): \"")).expect("a route has a path").1;
        rest.split_once('"').expect("an end").0.to_owned()
    };
    let mut found = BTreeSet::new();
    for route in routes.split("RouteId(").skip(1) {
        let id = route.split_once(')').expect("an id").0;
        for method in ["get", "post", "put", "delete", "patch"] {
            if !route.contains(&format!(" {method}: None,")) {
                found.insert((path_of(id), method.to_ascii_uppercase()));
            }
        }
    }
    found
}

#[test]
fn every_route_is_described_and_everything_described_is_a_route() {
    let described: BTreeSet<_> = listed(&document()).into_iter().collect();
    assert!(described.len() > 10, "{described:?}");
    assert_eq!(routes_of(&v1::routes()), described);
}

#[test]
fn every_operation_says_what_it_does_and_how_it_fails() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, method) in listed(&document) {
        let operation = &document["paths"][&path][method.to_ascii_lowercase()];
        let said = |member: &str| operation[member].as_str().is_some_and(|text| !text.is_empty());
        assert!(said("summary") && said("operationId"), "{method} {path} needs a doc comment");
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{method} {path} needs a tag");
        assert!(ids.insert(operation["operationId"].to_string()), "{method} {path}: its name comes twice");
        assert!(operation["responses"]["401"].is_object(), "{method} {path}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{method} {path} {parameter}");
        }
    }
    for (name, scheme) in [("basic", "basic"), ("bearer", "bearer")] {
        assert_eq!(document["components"]["securitySchemes"][name]["scheme"], scheme);
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(of: &Value, whole: &Value) {
        match of {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    assert!(whole.pointer(to.trim_start_matches('#')).is_some(), "{to} leads nowhere");
                }
                members.values().for_each(|member| check(member, whole));
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, whole)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    check(&document(), &document());
}

#[test]
fn the_page_shows_every_operation_and_every_problem() {
    let page = page();
    for (path, method) in listed(&document()) {
        assert!(page.contains(&format!("{method}</b> <code>{path}</code>")), "{method} {path}");
    }
    for row in KINDS {
        assert!(page.contains(&format!("<code>{}</code>", row.word)), "{}", row.word);
    }
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
}
