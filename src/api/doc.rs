//! The description of `/api/v1`: an OpenAPI 3.1 document, made of the routes and shapes themselves, and a page of it.
//!
//! ```text
//!  handlers with #[utoipa::path] ── v1::routes ──> Router, at the start
//!                                    v1::Described ──> document ── finish ──> JSON, page: when first asked for
//! ```
//! A route that is registered is described, and the reverse: a test compares the two. What all routes have in common,
//! who may ask and how problems look, is added here.

mod page;

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::{
    OpenApi as _, PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, Info, License, OpenApi, Ref, RefOr, Response, ResponseBuilder, SecurityRequirement,
        Server, Tag,
        path::{Operation, PathItem},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    problem::{CONTENT_TYPE, kinds::KINDS},
    v1,
    wire::ProblemWire,
};

const ABOUT: &str = "\
Jobs, runs, logs and due times of this host. Names of jobs, words of paths and names of parameters are read without \
regard to case. Times are RFC 3339 in UTC. Members without a value are left out; new members may come, none changes its \
meaning. Errors are problems as in RFC 9457, each with a stable `type`.";

const TAGS: &[(&str, &str)] = &[
    ("jobs", "What there is, and what becomes of it"),
    ("runs", "What runs and what ran"),
    ("schedules", "What is due, what was due, and pauses"),
    ("logs", "What jobs print"),
    ("events", "What happens on the host, as it happens"),
    ("settings", "Checking settings before they are used"),
    ("description", "This description"),
];

/// The document as JSON, and as a page.
static MADE: LazyLock<(String, String)> = LazyLock::new(|| {
    let document = serde_json::to_value(finish(v1::Described::openapi())).expect("a document is JSON");
    (document.to_string(), page::render(&document, KINDS))
});

/// Returns the document.
pub fn json() -> &'static str {
    &MADE.0
}

/// Returns the page.
pub fn page() -> &'static str {
    &MADE.1
}

/// Adds what all routes have in common.
fn finish(mut document: OpenApi) -> OpenApi {
    let mut info = Info::new("webjobd", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".to_owned());
    info.license = Some(license);
    document.info = info;
    document.servers = Some(vec![Server::new("/")]);
    document.tags = Some(
        TAGS.iter()
            .map(|(name, about)| {
                let mut tag = Tag::new(*name);
                tag.description = Some((*about).to_owned());
                tag
            })
            .collect(),
    );
    document.security = Some(["basic", "bearer"].map(|name| SecurityRequirement::new(name, [""; 0])).to_vec());
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let mut schemas = vec![(ProblemWire::name().into_owned(), ProblemWire::schema())];
    ProblemWire::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for status in STATUSES {
        components.responses.insert(format!("Problem{status}"), RefOr::T(problem(*status)));
    }
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            add_problems(path, operation);
        }
    }
    document
}

/// The statuses that problems come with.
const STATUSES: &[u16] = &[400, 401, 404, 409, 413, 415, 500, 503];

fn problem(status: u16) -> Response {
    let rows = KINDS.iter().filter(|row| row.status == status);
    let lines: Vec<String> = rows.map(|row| format!("`{}`: {}", row.word, row.title)).collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemWire::name()))).build();
    ResponseBuilder::new().description(lines.join("; ")).content(CONTENT_TYPE, content).build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// Adds the problems that any route of this form may answer with.
fn add_problems(path: &str, operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    for status in STATUSES {
        let fits = match status {
            404 => path.contains('{') || asks_for(operation, "job"),
            409 => path.contains('{') && operation.responses.responses.contains_key("202"),
            413 | 415 => has_body,
            _ => true,
        };
        if fits {
            let name = format!("Problem{status}");
            let responses = &mut operation.responses.responses;
            responses.entry(status.to_string()).or_insert_with(|| RefOr::Ref(Ref::from_response_name(name)));
        }
    }
}

fn asks_for(operation: &Operation, name: &str) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|one| match one {
        RefOr::T(one) => one.name == name,
        RefOr::Ref(_) => false,
    })
}

/// Lists the paths and methods of a document.
pub fn listed(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let methods = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten().map(|(method, _)| method.to_ascii_uppercase());
        methods.map(move |method| (path.clone(), method))
    });
    methods.collect()
}

#[cfg(test)]
mod tests;
