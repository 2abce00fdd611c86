//! The files of jobs and their data, as Kudu's `/api/vfs` has them (spec/kudu-webjobs 8.11): read, written, removed.
//!
//! Only `data/`, `jobs/` and `LogFiles/` are shown, and the other names that Kudu's clients know for them. There is no way
//! out of them: not by `..` in any spelling, not by a link. webjobd's own folder with its credentials does not exist here.

mod change;
pub mod content;
mod listing;
pub mod parts;
mod range;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
    routing::get,
};

use self::content::Content;
use super::{Api, answer, blocking, links::Links, path::Sent};
use crate::{host::handle::files::Files, store::beneath::Node};

/// Where the files begin, in the one spelling that `path` brings it to.
const START: &str = "/api/vfs/";

/// Returns the routes.
pub fn routes() -> Router<Api> {
    let methods = || get(read).put(change::put).delete(change::delete);
    Router::new().route(START, methods()).route("/api/vfs/{*path}", methods())
}

/// What a request names.
pub struct Named {
    /// The names on the way there, from HOME.
    pub parts: Vec<String>,
    /// Its path ends with a slash.
    pub is_folder: bool,
}

impl Named {
    /// Reads the path of a request.
    ///
    /// # Errors
    /// When a part of it is no name: then there is no such file, and this is where it would be.
    fn of(uri: &Uri, files: &Files) -> Result<Self, String> {
        Self::below(START, uri, files)
    }

    /// Reads the part of a path after `start`.
    ///
    /// # Errors
    /// As those of `of`.
    pub fn below(start: &str, uri: &Uri, files: &Files) -> Result<Self, String> {
        let raw = uri.path().strip_prefix(start).unwrap_or_default();
        let is_folder = raw.is_empty() || raw.ends_with('/');
        let no_name = || format!("{}/{raw}", files.place(&[]).display());
        parts::parts(raw).map(|parts| Self { parts, is_folder }).ok_or_else(no_name)
    }
}

async fn read(State(api): State<Api>, sent: Extension<Sent>, links: Links, request: Request) -> Response {
    let files = api.handle.files();
    let Named { parts, is_folder } = match Named::of(request.uri(), &files) {
        Ok(named) => named,
        Err(place) => return missing(&place),
    };
    let path = parts.join("/");
    let place = files.place(&parts);
    let node = blocking(move || files.open(&parts)).await;
    let query = request.uri().query();
    match node {
        None => missing(&place.display().to_string()),
        Some(Node::Folder(_)) if !is_folder => redirect(&links, &format!("{}/", sent.0.0), query),
        Some(Node::File(_)) if is_folder => redirect(&links, sent.0.0.trim_end_matches('/'), query),
        Some(Node::Folder(entries)) => answer::json(StatusCode::OK, &listing::show(entries, &links, &path)),
        Some(Node::File(file)) => sandboxed(Content::new(file, &path).answer(request.headers())),
    }
}

/// Says that there is nothing at a place.
pub fn missing(place: &str) -> Response {
    answer::message(StatusCode::NOT_FOUND, &format!("'{place}' not found."))
}

/// Sends a client to another path, with the query it came with.
fn redirect(links: &Links, path: &str, query: Option<&str>) -> Response {
    let mut response = answer::empty(StatusCode::TEMPORARY_REDIRECT);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    answer::locate(&mut response, &links.path(&format!("{path}{query}")));
    response
}

/// A page among a job's files must not act in the name of whoever looks at it.
fn sandboxed(mut response: Response<Body>) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    response
}
