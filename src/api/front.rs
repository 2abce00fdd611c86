//! Where a request comes from: its connection, and what trusted proxies say; and what every answer tells browsers.

use core::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority},
    response::Response,
};

use super::Api;
use crate::host::door::{Arrival, Door, Front};

/// The connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its other end.
    pub address: IpAddr,
    /// Whether it has TLS.
    pub tls: bool,
}

/// A request that came by no connection, as in tests, comes from this machine.
impl Default for Peer {
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST.into(), tls: false }
    }
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What pages of others may do with ours: nothing.
const FRAMES: &str = "frame-ancestors 'none'";

/// A year of TLS only.
const STRICT: &str = "max-age=31536000";

/// Works out where a request comes from, for whoever stands behind, and tells browsers what they may do with the answer.
pub async fn meet(api: &Api, mut request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let front = front(&api.door, &request);
    let is_api = request.uri().path().starts_with("/api");
    let is_strict = front.tls && front.host.as_deref().is_some_and(|host| !is_local(host));
    request.extensions_mut().insert(front);
    let mut response = next(request).await;
    protect(response.headers_mut(), is_api, is_strict);
    response
}

fn front(door: &Door, request: &Request) -> Front {
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    let headers = request.headers();
    let target = request.extensions().get::<Authority>().or_else(|| request.uri().authority());
    let lists = headers.get_all(FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
    let forwarded_for: Vec<&str> = lists.flat_map(|list| list.split(',')).collect();
    door.front(&Arrival {
        peer: peer.address,
        tls: peer.tls,
        // A target with a name of its own counts before `Host` (RFC 9112, 3.2.2).
        host: target.map(Authority::as_str).or_else(|| text(headers, header::HOST)),
        forwarded_for: &forwarded_for,
        forwarded_proto: last(headers, FORWARDED_PROTO),
        forwarded_host: last(headers, FORWARDED_HOST),
    })
}

/// Returns a header as text; `None` when there is none, or it is no text.
pub fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn last(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get_all(name).into_iter().next_back()?.to_str().ok()
}

/// A name that several programs of one machine share must not be bound to TLS for all of them.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

fn protect(headers: &mut HeaderMap, is_api: bool, is_strict: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = match text(headers, header::CONTENT_SECURITY_POLICY) {
        Some(own) if own.contains("frame-ancestors") => None,
        Some(own) => Some(format!("{own}; {FRAMES}")),
        None => Some(FRAMES.to_owned()),
    };
    if let Some(policy) = policy.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if is_api && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if is_strict {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_browsers_to_keep_it_to_themselves() {
        let mut headers = HeaderMap::new();
        protect(&mut headers, true, false);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers[name], value);
        }
        assert!(!headers.contains_key("strict-transport-security"));
        assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-")));
    }

    #[test]
    fn what_a_handler_said_stays() {
        let mut headers = HeaderMap::new();
        headers.insert("content-security-policy", HeaderValue::from_static("sandbox"));
        headers.insert("cache-control", HeaderValue::from_static("no-cache"));
        protect(&mut headers, true, true);
        assert_eq!(headers["content-security-policy"], "sandbox; frame-ancestors 'none'");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["strict-transport-security"], "max-age=31536000");
        assert!(is_local("localhost:1") && is_local("a.LOCALHOST") && !is_local("jobs.example"));
    }
}
