//! TLS: the certificate that was given, another one after HUP, and a command line that believes nobody else.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::world::{Host, Root, base64, eventually, webjobd};

const TLS: [&str; 4] = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];

/// Makes an authority, and a certificate of `localhost` that it signs; writes both and the key, and returns the
/// authority's in PEM.
fn certify(root: &Root) -> String {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let cert = params.signed_by(&key, &issuer).expect("a certificate");
    root.write("key.pem", &key.serialize_pem());
    root.write("cert.pem", &cert.pem());
    root.write("ca.pem", &issuer.pem());
    issuer.pem()
}

fn host(root: &Root, listen: &str) -> Host {
    root.write("webjobd.toml", "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n");
    root.host_with(&["--listen", listen], &[])
}

/// Sends a request by TLS, believing what `ca` has signed; `None` when the host is not believed.
fn get(root: &Root, host: &Host, ca: &str, name: &str) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("a certificate")).expect("an authority");
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerName::try_from(name.to_owned()).expect("a name");
    let client = ClientConnection::new(Arc::new(config), server).expect("a client");
    let mut stream = StreamOwned::new(client, TcpStream::connect(&host.address).expect("a connection"));
    let login = base64(root.read("data/webjobd/credentials").trim().as_bytes());
    let head =
        format!("GET /api/webjobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic {login}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // The end of a connection may come without its last word.
    let _ = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn the_api_speaks_tls_and_only_that() {
    let root = Root::new();
    let ca = certify(&root);
    let host = host(&root, "127.0.0.1:0");
    let answer = get(&root, &host, &ca, "localhost").expect("it is believed");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    assert!(get(&root, &host, &ca, "other.example").is_none(), "the name is checked");
    let mut plain = TcpStream::connect(&host.address).expect("a connection");
    plain.write_all(b"GET /api/webjobs HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "nothing goes in clear");
    let told: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(host_json(&root)).expect("it is there")).expect("JSON");
    assert!(told["url"].as_str().is_some_and(|url| url.starts_with("https://127.0.0.1:")), "{told}");
    assert!(!told.to_string().contains("PRIVATE"), "{told}");
    // A handshake that does not go on keeps nobody from stopping.
    let silent = TcpStream::connect(&host.address).expect("a connection");
    assert!(host.stop().success());
    drop(silent);
}

fn host_json(root: &Root) -> std::path::PathBuf {
    let hosts = fs::read_dir(root.path("data/webjobd/hosts")).expect("a folder");
    hosts.flatten().next().expect("a host").path().join("host.json")
}

#[test]
fn hup_brings_the_new_certificate_and_a_bad_one_changes_nothing() {
    let root = Root::new();
    let old = certify(&root);
    let host = host(&root, "127.0.0.1:0");
    root.write("key.pem", "nothing of use");
    host.signal("HUP");
    eventually("it says so", || host.trace().contains("holds no private key").then_some(()));
    assert!(get(&root, &host, &old, "localhost").is_some(), "the old one is shown");
    let new = certify(&root);
    host.signal("HUP");
    eventually("the new one is shown", || get(&root, &host, &new, "localhost"));
    assert!(get(&root, &host, &old, "localhost").is_none());
    eventually("commands know the new one", || root.cli(&["list"]).status.success().then_some(()));
}

#[test]
fn the_command_line_believes_the_hosts_own_certificate_and_named_authorities() {
    let root = Root::new();
    certify(&root);
    // Beyond loopback without --insecure-http, by an address that the certificate does not name.
    let host = host(&root, "0.0.0.0:0");
    assert!(root.cli(&["list"]).status.success(), "by host.json");
    let port = host.address.rsplit(':').next().expect("a port").to_owned();
    let pair = root.read("data/webjobd/credentials").trim().to_owned();
    let ask = |url: &str, ca: Option<&str>| {
        let mut command = webjobd();
        command.args(["list", "--url", url]).env("WEBJOBD_CREDENTIALS", &pair);
        command.args(ca.map(|_| "--ca")).args(ca);
        command.output().expect("it runs")
    };
    let ca = root.path("ca.pem").display().to_string();
    let url = format!("https://localhost:{port}");
    assert!(ask(&url, Some(&ca)).status.success());
    assert_eq!(ask(&url, None).status.code(), Some(7), "nobody vouches for it");
    assert_eq!(ask(&format!("https://127.0.0.1:{port}"), Some(&ca)).status.code(), Some(7), "that is not its name");
    let cert = root.path("key.pem").display().to_string();
    assert_eq!(ask(&url, Some(&cert)).status.code(), Some(2), "no certificate at all");
    // Another certificate than the host's is not believed.
    let told = fs::read_to_string(host_json(&root)).expect("it is there");
    let mut told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    told["certificate"] = fs::read_to_string(root.path("ca.pem")).expect("a certificate").into();
    fs::write(host_json(&root), told.to_string()).expect("it is written");
    let output = root.cli(&["list"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(told.contains("not the one that the host's host.json names"), "{told}");
}

#[test]
fn a_host_with_bad_files_does_not_start_and_says_why() {
    let root = Root::new();
    certify(&root);
    let key = root.read("key.pem");
    for (key, why) in [
        (KeyPair::generate().expect("a key").serialize_pem(), "does not belong to the certificate"),
        ("nothing".to_owned(), "holds no private key"),
    ] {
        root.write("key.pem", &key);
        let mut command = webjobd();
        command.current_dir(root.path("")).args(["serve", "--listen", "127.0.0.1:0"]).args(TLS);
        let output = command.output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(why), "{told}");
    }
    root.write("key.pem", &key);
    let mut command = webjobd();
    command.current_dir(root.path("")).args(["serve", "--tls-cert", "cert.pem"]);
    assert_eq!(command.output().expect("it runs").status.code(), Some(2), "a certificate without a key");
}
