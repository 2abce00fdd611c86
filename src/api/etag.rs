//! Tags of answers: equal tags mean that nothing has happened, so that a client which has one need not get the rest again.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

use super::answer;

/// Answers with JSON and its tag, or with 304 when the client has it already.
pub fn json_bytes(headers: &HeaderMap, body: Vec<u8>) -> Response {
    let tag = tag_of(&body);
    answer(headers, &tag, body)
}

/// The same of a value where only a part of it tells whether anything has happened.
pub fn json_tagged_by(headers: &HeaderMap, value: &impl Serialize, part: &impl Serialize) -> Response {
    answer(headers, &tag_of(&bytes_of(part)), bytes_of(value))
}

fn tag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32])
}

fn answer(headers: &HeaderMap, tag: &str, body: Vec<u8>) -> Response {
    let mut response = match has(headers, tag) {
        true => answer::empty(StatusCode::NOT_MODIFIED),
        false => answer::json_bytes(StatusCode::OK, body),
    };
    response.headers_mut().insert(header::ETAG, value_of(tag));
    response
}

/// Writes an answer in JSON.
pub fn bytes_of(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("answers hold nothing that JSON cannot")
}

/// Tells whether a client says that it has what the tag stands for.
pub fn has(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// Turns a tag into a header's value.
pub fn value_of(tag: &str) -> HeaderValue {
    HeaderValue::from_str(tag).expect("a tag is made of digits and quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_it_gets_no_body() {
        let json = |headers: &HeaderMap, value: &[u8]| json_bytes(headers, bytes_of(&value));
        let first = json(&HeaderMap::new(), &[1, 2]);
        let tag = first.headers()[header::ETAG].clone();
        assert_eq!(first.status(), StatusCode::OK);
        for (sent, status) in [
            (tag.to_str().expect("digits").to_owned(), 304),
            (format!("\"x\", W/{}", tag.to_str().expect("digits")), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, sent.parse().expect("a value"));
            let answer = json(&headers, &[1, 2]);
            assert_eq!((answer.status().as_u16(), &answer.headers()[header::ETAG]), (status, &tag), "{sent}");
            assert_eq!(json(&headers, &[3]).status().as_u16(), if sent == "*" { 304 } else { 200 });
        }
    }
}
