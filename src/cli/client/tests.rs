//! The client against answers, and against a small server that plays the host.

use super::*;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn told(error: CliError) -> (Exit, String) {
    match error {
        CliError::Told(exit, cause) => (exit, cause.to_string()),
        CliError::Output(error) => panic!("{error}"),
    }
}

#[test]
fn a_refusal_has_the_exit_code_of_its_status_and_the_words_of_the_host() {
    let body = br#"{"type":"running","title":"Already running","status":409,"detail":"job `a` runs already"}"#;
    for (status, exit) in [
        (400, Exit::Usage),
        (401, Exit::NotAllowed),
        (403, Exit::NotAllowed),
        (404, Exit::NotFound),
        (409, Exit::Conflict),
        (422, Exit::Usage),
        (500, Exit::Failed),
        (503, Exit::NoHost),
    ] {
        let (code, text) = told(refusal(StatusCode::from_u16(status).unwrap(), body, &url("http://h:1")));
        assert_eq!(code, exit, "{status}");
        assert_eq!(text.contains("runs already"), status != 401, "{text}");
    }
    let (_, text) = told(refusal(StatusCode::BAD_GATEWAY, b"<html>", &url("http://h:1")));
    assert_eq!(text, "the host at http://h:1/ answers 502 Bad Gateway");
}

#[test]
fn loopback_is_known_by_every_name() {
    for near in ["http://127.0.0.1:1", "http://localhost", "http://[::1]:8090", "http://127.8.9.1"] {
        assert!(is_loopback(&url(near)), "{near}");
    }
    assert!(!is_loopback(&url("http://jobs.example.com")));
}

#[test]
fn a_name_with_odd_characters_stays_one_part_of_the_path() {
    let target = Target { url: url("http://h:1/base"), login: Login::Token("t".into()), file: None };
    let client = Client::new(target, None, String::new()).unwrap();
    let request = client.request(Method::GET, &["jobs", "triggered", "a b/..?#größe"]).build().unwrap();
    assert_eq!(request.url().as_str(), "http://h:1/base/api/v1/jobs/triggered/a%20b%2F..%3F%23gr%C3%B6%C3%9Fe");
    assert_eq!(request.headers()["authorization"], "Bearer t");
}

#[tokio::test]
async fn a_host_that_is_gone_is_told_with_how_to_start_one() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        url: url(&format!("http://{}", listener.local_addr().unwrap())),
        login: Login::Nobody,
        file: Some(crate::cli::place::HostFile { instance: "a".into(), url: String::new(), pid: 7, certificate: None }),
    };
    drop(listener);
    let client = Client::new(target, None, "start one with `webjobd serve`".into()).unwrap();
    let (exit, text) = told(client.jobs().await.unwrap_err());
    assert_eq!(exit, Exit::NoHost);
    assert!(text.starts_with("host `a` (process 7) was at http://127.0.0.1:"), "{text}");
    assert!(text.ends_with("it has probably crashed; start one with `webjobd serve`"), "{text}");
}
