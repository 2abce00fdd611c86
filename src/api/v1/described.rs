//! The description of these routes, for programs and for people.

use axum::response::{Html, IntoResponse, Response};

use crate::api::{answer, doc};

/// This document
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "description",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object)))]
pub async fn openapi() -> Response {
    answer::json_bytes(axum::http::StatusCode::OK, doc::json().as_bytes().to_vec())
}

/// This document as a page
#[utoipa::path(get, path = "/api/v1/docs", tag = "description",
    responses((status = 200, description = "A page for people", body = String, content_type = "text/html")))]
pub async fn docs() -> Response {
    Html(doc::page()).into_response()
}
