//! Folders as zips (spec/kudu-webjobs 8.12): packed while they are sent, laid out over what is there when they come.
//!
//! Nothing is fetched from elsewhere: a body that names a package to download is refused.

mod pieces;

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::{RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};

use self::pieces::Pieces;
use super::{
    Api, UPLOAD_BYTES_MAX, answer, blocking,
    links::escape,
    query::Params,
    uploads,
    vfs::{Named, missing, parts},
};
use crate::host::handle::files::{FileError, MergeError};

const START: &str = "/api/zip/";

/// Zips that are packed at once; further ones wait.
static PACKING: Semaphore = Semaphore::const_new(4);

/// Pieces of a zip that wait for their reader.
const PIECES_MAX: usize = 4;

/// Longest time that a reader may take for one piece; the zip ends then.
const PIECE_TIME_MAX: Duration = Duration::from_secs(60);

/// Returns the routes.
pub fn routes() -> Router<Api> {
    Router::new().route(START, get(pack).put(merge)).route("/api/zip/{*path}", get(pack).put(merge))
}

async fn pack(State(api): State<Api>, RawQuery(query): RawQuery, request: Request) -> Response {
    let files = api.handle.files();
    let parts = match Named::below(START, request.uri(), &files) {
        Ok(named) => named.parts,
        Err(place) => return missing(&place),
    };
    let own = parts.last().map_or("home", String::as_str);
    let given = Params::parse(query.as_deref()).get("fileName").filter(|name| parts::is_name(name)).map(str::to_owned);
    let name = given.unwrap_or_else(|| format!("{own}.zip"));
    let (looked, path) = (files.clone(), parts.clone());
    if !blocking(move || looked.is_folder(&path)).await {
        return missing(&files.place(&parts).display().to_string());
    }
    let permit = PACKING.acquire().await.expect("it is never closed");
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut out = Pieces::new(&sender, &runtime, PIECE_TIME_MAX);
        let packed = files.pack(&parts, &mut out).and_then(|()| out.end());
        if let Err(error) = packed {
            // The client learns of it by a body that ends too early.
            out.fail(error);
        }
    });
    let mut response = Response::new(Body::from_stream(pieces::whole(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_DISPOSITION, attachment(&name));
    response
}

/// Names an attachment: in plain characters, and in full where those do not do (RFC 6266).
fn attachment(name: &str) -> HeaderValue {
    let plain: String = name.chars().map(|c| if c.is_ascii() && !matches!(c, '"' | '\\') { c } else { '_' }).collect();
    let full = if plain == name { String::new() } else { format!("; filename*=UTF-8''{}", escape(name)) };
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"{full}")).expect("a name has no control characters")
}

async fn merge(State(api): State<Api>, request: Request) -> Response {
    let files = api.handle.files();
    let parts = match Named::below(START, request.uri(), &files) {
        Ok(named) => named.parts,
        Err(place) => return missing(&place),
    };
    let (head, body) = request.into_parts();
    if let Some(refusal) = refuse_fetch(&head.headers) {
        return refusal;
    }
    let uploaded = match uploads::receive(api.handle.layout(), body, UPLOAD_BYTES_MAX).await {
        Ok(uploaded) => uploaded,
        Err(error) => return answer::text(uploads::status(&error), error.to_string()),
    };
    let merged = blocking(move || files.merge(&parts, uploaded.path())).await;
    match merged {
        Ok(()) => answer::empty(StatusCode::OK),
        Err(error) => answer::message(status(&error), &error.to_string()),
    }
}

/// Refuses a body that only says where a zip is to be had.
pub fn refuse_fetch(headers: &HeaderMap) -> Option<Response> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"));
    let text = "this host fetches no packages: send the zip file itself as the body, not a packageUri";
    is_json.then(|| answer::message(StatusCode::BAD_REQUEST, text))
}

fn status(error: &MergeError) -> StatusCode {
    match error {
        MergeError::Zip(error) if error.is_the_zips_fault() => StatusCode::BAD_REQUEST,
        MergeError::Zip(_) => StatusCode::INTERNAL_SERVER_ERROR,
        MergeError::Entry { error: FileError::Refused { .. }, .. } => StatusCode::FORBIDDEN,
        MergeError::Entry { .. } => StatusCode::CONFLICT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_named_for_old_clients_and_for_new_ones() {
        for (name, value) in [
            ("jobs.zip", "attachment; filename=\"jobs.zip\""),
            ("a b.zip", "attachment; filename=\"a b.zip\""),
            ("a\"b.zip", "attachment; filename=\"a_b.zip\"; filename*=UTF-8''a%22b.zip"),
            ("größe", "attachment; filename=\"gr__e\"; filename*=UTF-8''gr%C3%B6%C3%9Fe"),
        ] {
            assert_eq!(attachment(name), value);
        }
    }
}
