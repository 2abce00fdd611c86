//! Reading the files of jobs and their data, as Kudu's `/api/vfs` shows them (spec/kudu-webjobs 8.11).
//!
//! Only `data/` and `jobs/` are shown, and the other names that Kudu's clients know for `jobs/`. There is no way out of
//! them: not by `..` in any spelling, not by a link. webjobd's own folder with its credentials does not exist here.

mod content;
mod listing;
mod range;
mod tree;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};

use self::{content::Content, listing::Roots};
use super::{Api, answer, blocking, links::Links};
use crate::store::beneath::Node;

/// Where the files begin, in the one spelling that `path` brings it to.
const START: &str = "/api/vfs/";

/// Returns the routes.
pub fn routes() -> Router<Api> {
    Router::new().route(START, get(read)).route("/api/vfs/{*path}", get(read))
}

async fn read(State(api): State<Api>, links: Links, request: Request) -> Response {
    let raw = request.uri().path().strip_prefix(START).unwrap_or_default().to_owned();
    let Some(parts) = tree::parts(&raw) else { return missing(&raw) };
    let (path, asks_folder) = (parts.join("/"), raw.is_empty() || raw.ends_with('/'));
    let roots = Roots::new(api.handle.config(), api.handle.layout());
    let node = blocking(move || roots.open(&parts)).await;
    match node {
        None => missing(&path),
        Some(Node::Folder(_)) if !asks_folder => redirect(&format!("{}/", links.file(&path))),
        Some(Node::File(_)) if asks_folder => redirect(&links.file(&path)),
        Some(Node::Folder(entries)) => answer::json(StatusCode::OK, &listing::show(entries, &links, &path)),
        Some(Node::File(file)) => sandboxed(Content::new(file, &path).answer(request.headers())),
    }
}

fn missing(path: &str) -> Response {
    answer::message(StatusCode::NOT_FOUND, &format!("'{path}' not found."))
}

fn redirect(link: &str) -> Response {
    let mut response = answer::empty(StatusCode::TEMPORARY_REDIRECT);
    answer::locate(&mut response, link);
    response
}

/// A page among a job's files must not act in the name of whoever looks at it.
fn sandboxed(mut response: Response<Body>) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    response
}
