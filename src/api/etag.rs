//! Tags of answers: equal tags mean that nothing has happened, so that a client which has one need not get the rest again.

use std::{panic::resume_unwind, thread};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

use super::answer;

/// Lists of fewer are written by one thread.
const SHARED_FROM: usize = 200;

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

/// Writes a list in JSON, half of a long one on a second thread. Blocks.
pub fn bytes_of_list<T: Sync, S: Serialize>(items: &[T], show: impl Fn(&T) -> S + Sync) -> Vec<u8> {
    let written = |items: &[T]| bytes_of(&items.iter().map(&show).collect::<Vec<S>>());
    if items.len() < SHARED_FROM {
        return written(items);
    }
    let (first, rest) = items.split_at(items.len() / 2);
    thread::scope(|scope| {
        let begun = thread::Builder::new().spawn_scoped(scope, || written(rest));
        let mut bytes = written(first);
        // Without a thread to spare this one does all; what panics there panics here.
        let rest = begun.map_or_else(|_| written(rest), |begun| begun.join().unwrap_or_else(|why| resume_unwind(why)));
        // Neither half is empty: one's end and the other's beginning become a comma.
        bytes.pop();
        bytes.push(b',');
        bytes.extend_from_slice(&rest[1..]);
        bytes
    })
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
    fn a_list_is_the_same_however_long_it_is() {
        for length in [0, 1, 2, SHARED_FROM - 1, SHARED_FROM, SHARED_FROM + 1, 5 * SHARED_FROM] {
            let items: Vec<_> = (0..length).collect();
            let shown = |item: &usize| format!("[{item}], ");
            let expected = bytes_of(&items.iter().map(shown).collect::<Vec<_>>());
            assert_eq!(bytes_of_list(&items, shown), expected, "{length}");
        }
    }

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
