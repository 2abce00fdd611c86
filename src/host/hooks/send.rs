//! One attempt to tell a receiver: a POST, signed where the hook has a secret, within [`ANSWER_MAX`].
//!
//! Redirects are not followed. This machine is reached without a proxy. User and password of the address go as Basic
//! credentials, and no error shows the address.

use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use sha2::Sha256;

use crate::{
    decide::hooks::{self, ANSWER_MAX, Heard},
    host::handle::ChangeError,
    model::{
        hook::{Delivery, Hook, Secret},
        time::Wall,
    },
    os::tls,
};

/// How receivers see webjobd.
const USER_AGENT: &str = concat!("webjobd/", env!("CARGO_PKG_VERSION"));

/// The clients, made when the first hook needs them.
#[derive(Debug, Default)]
pub struct Clients(Mutex<Vec<(Kind, Client)>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    any_certificate: bool,
    is_loopback: bool,
}

/// What came of an attempt.
#[derive(Debug)]
pub struct Sent {
    /// For the judgement.
    pub heard: Heard,
    /// The answer's status.
    pub status: Option<StatusCode>,
    /// Why there was no answer.
    pub error: Option<String>,
}

impl Clients {
    fn client(&self, kind: Kind) -> Result<Client, reqwest::Error> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == kind) {
            return Ok(client.clone());
        }
        tls::choose_provider();
        let builder = Client::builder().user_agent(USER_AGENT).timeout(ANSWER_MAX).redirect(redirect::Policy::none());
        let builder = builder.tls_danger_accept_invalid_certs(kind.any_certificate).pool_max_idle_per_host(1);
        let client = if kind.is_loopback { builder.no_proxy() } else { builder }.build()?;
        clients.push((kind, client.clone()));
        Ok(client)
    }
}

/// Tells a receiver at `now`.
pub async fn send(clients: &Clients, hook: &Hook, delivery: &Delivery, now: Wall) -> Sent {
    match answer(clients, hook, delivery, now).await {
        Ok(answer) => {
            let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let asked = asked.and_then(|text| hooks::retry_after(text, now));
            let status = answer.status();
            Sent { heard: Heard::Answer(status.as_u16(), asked), status: Some(status), error: None }
        }
        Err(error) => Sent { heard: Heard::Nothing, status: None, error: Some(error) },
    }
}

async fn answer(clients: &Clients, hook: &Hook, delivery: &Delivery, now: Wall) -> Result<Response, String> {
    let url = Url::parse(&hook.url).map_err(|error| format!("its address is no URL: {error}"))?;
    let kind = Kind { any_certificate: hook.insecure_ssl, is_loopback: is_loopback(&url) };
    let client = clients.client(kind).map_err(told)?;
    // The client takes user and password out of the address, and makes credentials of them.
    let mut request = client
        .post(url)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header("X-Webjobd-Event", header_text(&delivery.event))
        .header("X-Webjobd-Delivery", &delivery.id.0);
    let timestamp = now.as_second().to_string();
    if let Some(secret) = &hook.secret {
        request = request.header("X-Webjobd-Signature", signature(secret, &timestamp, &delivery.body));
    }
    request.header("X-Webjobd-Timestamp", timestamp).body(delivery.body.clone()).send().await.map_err(told)
}

/// Signs `{timestamp}.{body}`, so that an old delivery cannot be sent again as a new one.
fn signature(secret: &Secret, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// A name of an event that no header can carry is sent with what it can.
fn header_text(event: &str) -> String {
    event.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_name = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    is_name || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback())
}

/// Says why there was no answer, without the address.
fn told(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", ANSWER_MAX.as_secs());
    }
    ChangeError::failed(&error.without_url()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_hmac_sha256_of_the_time_and_the_body() {
        // RFC 4231, test case 2, whose text is cut at its first space.
        let secret = Secret::new("Jefe".to_owned());
        let whole = signature(&secret, "what do ya want for nothing?", "");
        assert_ne!(whole, signature(&secret, "what do ya want for nothing", "?"));
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").expect("a key");
        mac.update(b"what do ya want for nothing?");
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(format!("sha256={hex}"), expected);
    }

    #[test]
    fn this_machine_is_known() {
        for (url, expected) in [
            ("http://127.0.0.1:81/", true),
            ("http://[::1]/", true),
            ("https://LocalHost/", true),
            ("http://a.localhost/", true),
            ("http://10.0.0.1/", false),
            ("https://localhost.example/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).expect(url)), expected, "{url}");
        }
    }
}
