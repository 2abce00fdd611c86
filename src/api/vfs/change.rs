//! Files and folders written and removed (spec/kudu-webjobs 8.11). A version that the client does not know is never
//! replaced or removed: a file that is there needs `If-Match`.

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{Named, content, missing, redirect};
use crate::{
    api::{
        Api, UPLOAD_BYTES_MAX, answer, blocking, etag,
        links::Links,
        path::Sent,
        query::Params,
        uploads::{self, UploadError},
    },
    host::handle::files::{Extent, FileError, Files, Written},
    model::time::Wall,
    store::beneath::Node,
};

const STALE: &str = "ETag does not represent the latest state of the resource.";
const IS_FOLDER: &str = "The resource represents a directory which can not be updated.";
const NOT_REMOVED: &str = "Cannot delete directory. It is either not empty or access is not allowed.";

/// Writes a file, or makes a folder where the path ends with a slash.
pub async fn put(State(api): State<Api>, request: Request) -> Response {
    let files = api.handle.files();
    let Named { parts, is_folder } = match Named::of(request.uri(), &files) {
        Ok(named) => named,
        Err(place) => return missing(&place),
    };
    let (head, body) = request.into_parts();
    let done = match is_folder {
        true => make(files.clone(), parts.clone()).await,
        false if head.headers.contains_key(header::CONTENT_RANGE) => {
            return answer::message(StatusCode::BAD_REQUEST, "a part of a file cannot be written; send the whole file");
        }
        false => match write(&api, files.clone(), parts.clone(), &head.headers, body).await {
            Ok(done) => done,
            Err(error) => return answer::text(uploads::status(&error), error.to_string()),
        },
    };
    let place = files.place(&parts).display().to_string();
    match done {
        Ok(response) => response,
        Err(FileError::Failed { error, .. }) => {
            let text = format!("Could not write to local resource '{place}' due to error '{error}'.");
            answer::message(StatusCode::CONFLICT, &text)
        }
        Err(error) => refuse(&error, &place),
    }
}

async fn make(files: Files, parts: Vec<String>) -> Result<Response, FileError> {
    blocking(move || files.make_folder(&parts)).await.map(|()| answer::empty(StatusCode::CREATED))
}

async fn write(
    api: &Api,
    files: Files,
    parts: Vec<String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Result<Response, FileError>, UploadError> {
    // Before the body is taken: who may not write, or knows another version, need not send it.
    let (early, path, replaces) = (files.clone(), parts.clone(), knows(headers));
    if let Err(error) = blocking(move || early.may_write(&path, replaces)).await {
        return Ok(Err(error));
    }
    let uploaded = uploads::receive(api.handle.layout(), body, UPLOAD_BYTES_MAX).await?;
    let replaces = knows(headers);
    let written = blocking(move || files.write(&parts, uploaded.path(), replaces)).await;
    Ok(written.map(|written| match written {
        Written::New(modified) => tagged(answer::empty(StatusCode::CREATED), modified),
        Written::Over(modified) => tagged(answer::empty(StatusCode::NO_CONTENT), modified),
    }))
}

/// Removes a file or a folder.
pub async fn delete(
    State(api): State<Api>,
    sent: Extension<Sent>,
    links: Links,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let files = api.handle.files();
    let Named { parts, is_folder } = match Named::of(request.uri(), &files) {
        Ok(named) => named,
        Err(place) => return missing(&place),
    };
    let extent = match Params::parse(query.as_deref()).flag("recursive") {
        Ok(true) => Extent::All,
        Ok(false) => Extent::One,
        Err(_) => return answer::message(StatusCode::BAD_REQUEST, "`recursive` must be true or false"),
    };
    let place = files.place(&parts).display().to_string();
    let knows = knows(request.headers());
    let removed = blocking(move || match files.open(&parts) {
        Some(Node::File(_)) if is_folder => None,
        Some(Node::File(_) | Node::Folder(_)) | None => Some(files.remove(&parts, extent, knows)),
    });
    match removed.await {
        None => redirect(&links, sent.0.0.trim_end_matches('/'), query.as_deref()),
        Some(Ok(())) => answer::empty(StatusCode::OK),
        Some(Err(FileError::Failed { error, .. })) => {
            tracing::warn!(%place, %error, "a file or folder was not removed on request");
            answer::message(StatusCode::CONFLICT, &format!("Could not delete '{place}' due to error '{error}'."))
        }
        Some(Err(error)) => refuse(&error, &place),
    }
}

fn refuse(error: &FileError, place: &str) -> Response {
    match error {
        FileError::Refused { .. } => answer::message(StatusCode::FORBIDDEN, &error.to_string()),
        FileError::Stale(modified) => tagged(answer::message(StatusCode::PRECONDITION_FAILED, STALE), *modified),
        FileError::IsFolder => answer::message(StatusCode::CONFLICT, IS_FOLDER),
        FileError::NotEmpty => answer::message(StatusCode::CONFLICT, NOT_REMOVED),
        FileError::Missing => missing(place),
        FileError::Failed { .. } => answer::message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Tells of a version, by when it was changed, whether the client says that it knows it.
fn knows(headers: &HeaderMap) -> impl Fn(Wall) -> bool + Send + 'static {
    let lists = headers.get_all(header::IF_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let tags: Vec<String> = lists.flat_map(|list| list.split(',')).map(|tag| tag.trim().to_owned()).collect();
    move |modified| tags.iter().any(|tag| tag == "*" || *tag == content::tag(modified))
}

fn tagged(mut response: Response, modified: Wall) -> Response {
    let tag: HeaderValue = etag::value_of(&content::tag(modified));
    response.headers_mut().insert(header::ETAG, tag);
    response
}
