//! Who gets in: nobody without the host's credentials, wherever he knocks.

use crate::world::{Host, Root, request};

const EVERYWHERE: [(&str, &str); 22] = [
    ("GET", "/"),
    ("GET", "/nothing/at/all"),
    ("GET", "/api/webjobs"),
    ("GET", "/jobs"),
    ("GET", "/api/triggeredwebjobs"),
    ("GET", "/api/triggeredwebjobs/report"),
    ("PUT", "/api/triggeredwebjobs/report"),
    ("DELETE", "/api/triggeredwebjobs/report"),
    ("POST", "/api/triggeredwebjobs/report/run"),
    ("GET", "/api/triggeredwebjobs/report/history"),
    ("GET", "/api/triggeredwebjobs/report/settings"),
    ("PUT", "/api/triggeredwebjobs/report/settings"),
    ("POST", "/api/continuouswebjobs/worker/stop"),
    ("GET", "/vfs/"),
    ("HEAD", "/vfs/jobs/triggered/report/run.sh"),
    ("GET", "/api/vfs/data/webjobd/credentials"),
    ("GET", "/api/v1/jobs"),
    ("POST", "/api/v1/refresh"),
    ("POST", "/api/v1/jobs/triggered/report/runs"),
    ("GET", "/api/v1/jobs/triggered/report/log"),
    ("GET", "/api/v1/nothing"),
    ("BREW", "/api/webjobs"),
];

fn host() -> (Root, Host) {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho ran\n")]);
    let host = root.host();
    (root, host)
}

fn basic(pair: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[test]
fn nobody_gets_in_without_the_right_credentials() {
    let (root, host) = host();
    let pair = root.read("data/webjobd/credentials").trim().to_owned();
    let (user, secret) = pair.split_once(':').expect("user:secret");
    assert!(secret.len() >= 20, "a secret that nobody guesses");
    let wrong = [
        None,
        Some(String::new()),
        Some(basic("")),
        Some(basic(user)),
        Some(basic(&format!("{user}:"))),
        Some(basic(&format!("{user}:{secret}x"))),
        Some(basic(&format!("x{user}:{secret}"))),
        Some(basic(&format!("{user}:{}", &secret[..secret.len() - 1]))),
        Some("Basic ???".to_owned()),
        Some("Bearer".to_owned()),
        Some(format!("Bearer {pair}")),
        Some("Bearer wrong".to_owned()),
        Some(format!("Digest {secret}")),
        Some(secret.to_owned()),
    ];
    for (at, (method, path)) in EVERYWHERE.into_iter().enumerate() {
        // Each way to be wrong at some doors, and the usual one at every door.
        for login in [&wrong[0], &wrong[at % wrong.len()], &wrong[(at + 7) % wrong.len()]] {
            let headers: Vec<(&str, &str)> = login.iter().map(|value| ("Authorization", value.as_str())).collect();
            let answer = request(&host.address, method, path, &headers, b"");
            assert_eq!(answer.status, 401, "{method} {path} {login:?}: {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"webjobd\""), "{method} {path}");
            assert!(!answer.text().contains(secret));
        }
        // A right one clears what the wrong ones cost.
        assert_eq!(host.get("/api/webjobs").status, 200);
    }
    assert!(root.path("jobs/triggered/report/run.sh").exists(), "nothing of it was done");
    assert_eq!(host.get("/api/triggeredwebjobs/report/history").text(), r#"{"runs":[]}"#);
}

#[test]
fn the_credentials_file_lets_in_as_basic_and_its_secret_as_bearer() {
    use std::os::unix::fs::PermissionsExt;
    let (root, host) = host();
    let file = root.path("data/webjobd/credentials");
    let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let pair = root.read("data/webjobd/credentials").trim().to_owned();
    let (_, secret) = pair.split_once(':').expect("user:secret");
    for login in [
        basic(&pair),
        basic(&pair).replacen("Basic", "BASIC", 1),
        format!("Bearer {secret}"),
        format!("bearer {secret}"),
    ] {
        let answer = request(&host.address, "GET", "/api/webjobs", &[("Authorization", &login)], b"");
        assert_eq!(answer.status, 200, "{login}");
    }
    assert!(host.stop().success());
    let host = root.host();
    assert_eq!(root.read("data/webjobd/credentials").trim(), pair, "they stay over restarts");
    assert_eq!(host.get("/api/webjobs").status, 200);
}
