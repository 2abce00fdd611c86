//! The login: every request, of known routes and unknown ones, says who asks, and may what its caller may.
//!
//! Basic with user and secret, as Kudu's clients do it, or Bearer with a secret alone. A request passes when it means this
//! host, its login is right, its caller may do that, and no foreign page has sent it; then its `Caller` is among its
//! extensions. Whatever changes something, and whatever was refused, stands in the audit log before the answer goes out.
//! Nothing here keeps or prints what was sent.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use super::{Api, answer, front::text, health, job_path::Who, path::Sent, problem::Problem, query::Params};
use crate::{
    host::door::{Deed, Door, Ending, Front, Login, Page, Refused},
    model::access::Caller,
};

const MISSING: &str = "log in with the user and secret of data/webjobd/credentials; `webjobd credentials` shows how";
const BUSY: &str = "too many logins are being checked; try again in a moment";
const FOREIGN_PAGE: &str = "a page of another site has sent this; a program sends neither `Origin` nor `Sec-Fetch-Site`, a proxy in front of \
     this host needs `public_url` or `trusted_proxies` in webjobd.toml";

/// Why a request does not pass.
struct Refusal {
    status: StatusCode,
    kind: &'static str,
    text: String,
    ending: Option<Ending>,
    wait: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, text: text.into(), ending: Some(Ending::Denied), wait: None }
    }
}

/// Lets a request pass whose caller may, and answers all others.
pub async fn check(api: &Api, request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let (mut parts, body) = request.into_parts();
    if health::is_probe(parts.uri.path()) || is_open(api, &parts) {
        return next(Request::from_parts(parts, body)).await;
    }
    let mut deed = deed(&parts);
    let passed = match pass(api, &parts, &mut deed).await {
        Ok(passed) => passed,
        Err(refusal) => {
            if let Some(ending) = refusal.ending {
                api.door.note(&deed, ending, Some(refusal.status.as_u16()), Some(&refusal.text));
            }
            return refuse(&parts, &refusal);
        }
    };
    if let Some(caller) = deed.caller.clone() {
        parts.extensions.insert::<Caller>(caller);
    }
    let request = Request::from_parts(parts, body);
    match passed {
        Passed::Looks => next(request).await,
        Passed::Changes => {
            let pending = Pending { door: &api.door, deed: Some(deed) };
            let response = next(request).await;
            pending.done(response.status());
            response
        }
    }
}

/// Tells whether the settings open the numbers to clients of this machine, and this is one.
fn is_open(api: &Api, request: &Parts) -> bool {
    let asks = request.uri.path() == health::METRICS && request.method == Method::GET;
    asks && api.handle.config().door.open_metrics && front(request).client.to_canonical().is_loopback()
}

/// Whether a request that passed is told of.
enum Passed {
    Looks,
    Changes,
}

async fn pass(api: &Api, request: &Parts, deed: &mut Deed) -> Result<Passed, Refusal> {
    let (door, headers) = (&api.door, &request.headers);
    let front = front(request);
    for host in [front.host.as_deref(), text(headers, header::HOST)].into_iter().flatten() {
        if !door.knows(host) {
            let text = format!(
                "this host is not `{host}`; if it shall be known by that name, add it to `allowed_hosts` in webjobd.toml"
            );
            // Strangers name foreign hosts as they like; only a login says that something was tried.
            let refusal = Refusal::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", text);
            return Err(Refusal { ending: None, ..refusal });
        }
    }
    let given = given(headers);
    let caller = door.admit(front.client, given.as_ref().map(Given::login)).await;
    let caller = caller.map_err(|refused| not_admitted(refused, deed))?;
    deed.caller = Some(caller.clone());
    let (segments, params) = (segments(request.uri.path()), Params::parse(request.uri.query()));
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let need = door.need(request.method.as_str(), &segments, params.get("job"));
    let changes = need.changes(request.method.as_str());
    let page = Page {
        origin: text(headers, header::ORIGIN),
        fetch_site: headers.get("sec-fetch-site").and_then(|value| value.to_str().ok()),
        host: front.host.as_deref(),
        tls: front.tls,
    };
    if changes && !door.is_own(page) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "cross_site", FOREIGN_PAGE));
    }
    let permitted = door.permit(&caller, &need);
    permitted.map_err(|denied| Refusal::new(StatusCode::FORBIDDEN, "forbidden", denied.to_string()))?;
    Ok(if changes { Passed::Changes } else { Passed::Looks })
}

fn front(request: &Parts) -> Front {
    let met = request.extensions.get::<Front>().cloned();
    met.expect("`front::meet` stands before the login")
}

fn not_admitted(refused: Refused, deed: &mut Deed) -> Refusal {
    let failed = Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", MISSING);
    match refused {
        // Browsers come without a login first, and are asked for one.
        Refused::Missing => Refusal { ending: None, ..failed },
        Refused::Wrong(name) => {
            deed.claimed = name;
            Refusal { ending: Some(Ending::LoginFailed), ..failed }
        }
        Refused::Wait(name, wait) => {
            deed.claimed = name;
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let text = format!("too many logins have failed; try again in {seconds} s");
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", text);
            Refusal { ending: Some(Ending::LoginFailed), wait: Some(seconds), ..refusal }
        }
        Refused::Busy => {
            let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", BUSY);
            Refusal { ending: None, wait: Some(1), ..refusal }
        }
    }
}

fn refuse(request: &Parts, refusal: &Refusal) -> Response {
    let Refusal { status, kind, text, wait, .. } = refusal;
    let mut response = match request.uri.path().starts_with("/api/v1") {
        true => Problem::new(*status, kind, text.as_str()).into_response(),
        false => answer::message(*status, text),
    };
    if *status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"webjobd\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

/// A change on its way: what came of it is noted, also when its client does not wait for that.
struct Pending<'d> {
    door: &'d Door,
    deed: Option<Deed>,
}

impl Pending<'_> {
    fn done(mut self, status: StatusCode) {
        let ending = match status.as_u16() {
            ..400 => Ending::Done,
            400..500 => Ending::Refused,
            _ => Ending::Failed,
        };
        if let Some(deed) = self.deed.take() {
            self.door.note(&deed, ending, Some(status.as_u16()), None);
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(deed) = &self.deed {
            self.door.note_abandoned(deed);
        }
    }
}

fn deed(request: &Parts) -> Deed {
    let front = front(request);
    let sent = request.extensions.get::<Sent>();
    Deed {
        caller: None,
        claimed: None,
        from: front.client.to_string(),
        via: front.via.map(|via| via.to_string()),
        method: request.method.to_string(),
        path: sent.map_or_else(|| request.uri.path().to_owned(), |Sent(path)| path.clone()),
        query: Params::parse(request.uri.query()).pairs().to_vec(),
        agent: Who::of(&request.headers).0,
    }
}

/// The parts of a path, each decoded once; one that is no text stays as it was sent.
fn segments(path: &str) -> Vec<String> {
    let decoded = |segment: &str| match percent_decode_str(segment).decode_utf8() {
        Ok(text) => text.into_owned(),
        Err(_) => segment.to_owned(),
    };
    path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect()
}

/// What a request brings to log in with.
struct Given {
    name: Option<Vec<u8>>,
    secret: Vec<u8>,
}

impl Given {
    fn login(&self) -> Login<'_> {
        Login { name: self.name.as_deref(), secret: &self.secret }
    }
}

fn given(headers: &HeaderMap) -> Option<Given> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let at = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, given) = (&value[..at], value[at..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(Given { name: None, secret: given.to_owned() });
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = STANDARD.decode(given).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    Some(Given { name: Some(pair[..at].to_owned()), secret: pair[at + 1..].to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_as_clients_send_it() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (value, login) in [
            (basic("webjobd:s3cret:x"), Some((Some("webjobd"), "s3cret:x"))),
            (basic("webjobd:s3cret:x").replace("Basic", "bAsIc "), Some((Some("webjobd"), "s3cret:x"))),
            ("Bearer s3cret:x".to_owned(), Some((None, "s3cret:x"))),
            ("bearer  s3cret:x".to_owned(), Some((None, "s3cret:x"))),
            (basic("webjobd:"), Some((Some("webjobd"), ""))),
            (basic(":s3cret:x"), Some((Some(""), "s3cret:x"))),
            (basic("webjobd"), None),
            ("Basic".to_owned(), None),
            ("Basic %%%".to_owned(), None),
            ("Bearer".to_owned(), None),
            ("Bearer ".to_owned(), Some((None, ""))),
            ("Digest s3cret:x".to_owned(), None),
            ("s3cret:x".to_owned(), None),
            (String::new(), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a value"));
            let given = given(&headers);
            let read = given.as_ref().map(|given| (given.name.as_deref(), given.secret.as_slice()));
            assert_eq!(read, login.map(|(name, secret)| (name.map(str::as_bytes), secret.as_bytes())), "{value}");
        }
        assert!(given(&HeaderMap::new()).is_none());
    }
}
