//! The API keeps to its document, whatever it is sent: schemathesis calls it with what the document allows and with what
//! it does not. `tests/run` installs it below `target/venv`; where it is not there, nothing is tested here, unless
//! `WEBJOBD_TEST_CONTRACT` asks for it.

use std::{env, path::Path, process::Command};

use crate::world::Root;

/// What every answer is held against. All of it must hold whatever the jobs are doing. Wrong logins are tested elsewhere:
/// many in a row are answered with 429.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance";

/// Streams have no end to wait for.
const ENDLESS: &str = "/events$|/log/stream$";

/// Names a job that is there, so that more than refusals is tested, and follows no log.
const REAL: &str = "[parameters]\n\"path.kind\" = \"triggered\"\n\"path.name\" = \"report\"\n\
                    \"query.follow\" = \"false\"\n\"query.wait\" = \"0\"\n";

/// Follows no log, and waits for nothing.
const ANY: &str = "[parameters]\n\"query.follow\" = \"false\"\n\"query.wait\" = \"0\"\n";

fn root() -> Root {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho out\necho err >&2\n")]);
    root.job("triggered/nightly", &[("run.sh", "#!/bin/bash\n"), ("settings.job", r#"{"schedule": "0 0 3 * * *"}"#)]);
    root.job("triggered/broken", &[("readme.txt", "no script")]);
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\necho alive\nsleep 1000\n")]);
    root
}

/// Calls the API of a host with arguments of schemathesis; the same calls each time.
#[expect(clippy::disallowed_methods, reason = "the program that tests is a process")]
fn holds(config: &str, arguments: &[&str]) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/st");
    if !program.exists() && env::var_os("WEBJOBD_TEST_CONTRACT").is_none() {
        eprintln!("{} is not there; ./tests/run installs it", program.display());
        return;
    }
    let root = root();
    let host = root.host();
    root.write("schemathesis.toml", config);
    let pair = root.read("data/webjobd/credentials");
    let secret = pair.trim().split_once(':').expect("user:secret").1;
    let document = format!("http://{}/api/v1/openapi.json", host.address);
    let mut command = Command::new(program);
    command.current_dir(root.path("")).args(["--config-file", "schemathesis.toml", "run", &document]);
    command.args(["-H", &format!("Authorization: Bearer {secret}"), "--generation-deterministic", "--no-color"]);
    command.args(["--checks", CHECKS, "--exclude-path-regex", ENDLESS, "--request-timeout", "120"]);
    command.args(["--suppress-health-check", "all", "--warnings", "off"]).args(arguments);
    let done = command.output().expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{}", said.replace(secret, "…"));
    assert_eq!(host.get("/api/v1/jobs").status, 200, "it still answers");
}

#[test]
fn whatever_is_sent_is_answered_as_the_document_says() {
    holds(ANY, &["--phases", "coverage,fuzzing", "--max-examples", "5"]);
}

#[test]
fn what_the_document_allows_is_done_as_it_says() {
    holds(REAL, &["--phases", "fuzzing", "--mode", "positive", "--max-examples", "10"]);
}
