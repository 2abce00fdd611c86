//! Verbs against a small server that plays the host: what they ask, what they print, how they end.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    rc::Rc,
    thread,
};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::samples::{coming, failed, missed, nightly, now, running, worker};
use crate::cli::*;

/// What a command came to.
struct Ended {
    exit: String,
    out: String,
    told: String,
}

/// Answers by method and path; a path with a query wins over one without.
type Script = BTreeMap<&'static str, (u16, Value)>;

#[test]
fn a_list_as_json_is_what_the_api_says() {
    let ended = play("list --json", host());
    assert_eq!(ended.exit, code(0));
    let jobs: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(jobs[1]["name"], "nightly");
    assert_eq!(jobs[1]["next"], "2026-11-23T02:30:00Z");
}

#[test]
fn every_verb_that_reads_finds_its_job() {
    for (line, says) in [
        ("list", "worker   continuous  running"),
        ("status nightly", "missed"),
        ("status continuous/worker", "Uptime    3 h 12 m"),
        ("history", "triggered/nightly  202611220230000001"),
        ("history nightly --failed --since 2d -n 3", "ended with exit code 3"),
        ("show nightly 202611220230000001", "Took       9.2 s"),
        ("show nightly last", "webjobd logs nightly --run 202611220230000001"),
        ("next nightly", "moved: 02:30"),
        ("next --from tomorrow", "triggered/nightly"),
        ("logs nightly", "[t > h: INFO] a line"),
    ] {
        let ended = play(line, host());
        assert_eq!((ended.exit, &*ended.told), (code(0), ""), "{line}");
        assert!(ended.out.contains(says), "{line}:\n{}", ended.out);
    }
}

#[test]
fn what_goes_wrong_has_its_exit_code_and_says_what_to_do() {
    for (line, exit, says) in [
        ("status nigthly", 4, "job \"nigthly\" is not there; jobs with a similar name: nightly"),
        ("status both", 2, "there are two jobs \"both\"; say which: continuous/both or triggered/both"),
        (
            "status triggered/worker",
            4,
            "job \"triggered/worker\" is not there; but there is one of the other kind: use worker",
        ),
        ("run worker", 2, "job \"worker\" is continuous; to let it run: webjobd start worker"),
        ("run both", 2, "there are two jobs"),
        ("run triggered/both", 5, "job `both` runs already"),
        ("restart nightly", 2, "job \"nightly\" is triggered; to run it again: webjobd run nightly"),
        ("stop nightly", 3, "job \"nightly\" is triggered, and no run of it is on its way"),
        ("stop nightly --run last", 3, "run 202611220230000001 of job \"nightly\" is not running: it failed 15 h ago"),
        (
            "show nightly 202611220230000009",
            4,
            "job \"nightly\" has no run 202611220230000009; `webjobd history nightly` lists those that are kept",
        ),
        ("logs nightly --since soon", 2, "`soon` is not a time"),
        ("restart worker", 1, "answers 500"),
    ] {
        let ended = play(line, host());
        assert_eq!(ended.exit, code(exit), "{line}: {}", ended.told);
        assert!(ended.told.contains(says), "{line}: {}", ended.told);
        assert_eq!(ended.out, "", "{line}");
    }
}

#[test]
fn a_run_says_its_id_and_with_wait_ends_as_the_job_ends() {
    let ended = play("run nightly -- a", host());
    assert_eq!((ended.exit, &*ended.out), (code(0), "202611221755000000\n"));
    let ended = play("run nightly --wait", host());
    assert_eq!((ended.exit, &*ended.out), (code(3), "[t > h: INFO] a line\n"));
    let ended = play("run nightly --wait --json", host());
    assert_eq!((ended.exit, ended.out.contains("\"outcome\": \"failed\"")), (code(3), true));
}

#[test]
fn a_run_that_did_not_succeed_never_ends_with_0() {
    for (outcome, exit_code, exit) in [
        ("succeeded", json!(0), 0),
        ("succeeded", json!(5), 5),
        ("failed", json!(5), 5),
        ("failed", json!(0), 1),
        ("failed", json!(null), 1),
        ("stopped", json!(143), 143),
        ("stopped", json!(0), 1),
        ("lost", json!(null), 1),
        ("failed", json!(-1073741510), 1),
    ] {
        let mut script = host();
        let mut run = failed();
        run["outcome"] = outcome.into();
        run["exit_code"] = exit_code.clone();
        script.insert("GET /api/v1/jobs/triggered/nightly/runs/202611221755000000?wait=30", (200, run));
        assert_eq!(play("run nightly --wait", script).exit, code(exit), "{outcome} {exit_code}");
    }
}

#[test]
fn a_stop_waits_until_nothing_runs() {
    let ended = play("stop worker", host());
    assert_eq!(ended.out, "job \"worker\" is stopped; it stays so until `webjobd start worker`\n");
    let ended = play("stop worker --detach", host());
    assert_eq!(ended.out, "job \"worker\" is being stopped\n");
    let ended = play("stop nightly --run 202611221755000000", host());
    assert_eq!(ended.out, "run 202611221755000000 of job \"nightly\" failed\n");
}

#[test]
fn credentials_that_the_host_does_not_know_are_an_exit_code_of_their_own() {
    let ended = play("list", Script::from([("GET /api/v1/jobs", (401, json!({})))]));
    assert_eq!(ended.exit, code(6));
    assert!(ended.told.contains("does not know these credentials"), "{}", ended.told);
}

/// A host with two jobs, and two more of one name.
fn host() -> Script {
    let (mut both, mut both_too) = (worker(), nightly());
    both["name"] = "both".into();
    both_too["name"] = "both".into();
    let running_already =
        json!({"type": "running", "title": "Already running", "status": 409, "detail": "job `both` runs already"});
    let no_run = json!({"type": "no_run", "title": "No run", "status": 404, "detail": "no such run"});
    Script::from([
        ("GET /api/v1/jobs", (200, json!([worker(), nightly()]))),
        ("GET /api/v1/runs", (200, json!({"runs": [failed()]}))),
        ("GET /api/v1/jobs/continuous/worker", (200, worker())),
        ("GET /api/v1/jobs/triggered/nightly", (200, nightly())),
        ("GET /api/v1/jobs/continuous/both", (200, both)),
        ("GET /api/v1/jobs/triggered/both", (200, both_too)),
        ("GET /api/v1/jobs/triggered/nightly/next", (200, json!([coming()]))),
        ("GET /api/v1/jobs/triggered/nightly/occurrences", (200, json!({"occurrences": [missed()]}))),
        ("GET /api/v1/jobs/triggered/nightly/log", (200, json!("[t > h: INFO] a line\n"))),
        ("GET /api/v1/jobs/triggered/nightly/runs/202611220230000001", (200, failed())),
        ("GET /api/v1/jobs/triggered/nightly/runs/202611220230000009", (404, no_run)),
        ("GET /api/v1/jobs/triggered/nightly/runs/202611221755000000", (200, running())),
        ("GET /api/v1/jobs/triggered/nightly/runs/202611221755000000?wait=30", (200, failed())),
        ("GET /api/v1/jobs/continuous/worker/runs/202611221448000000", (200, failed())),
        ("POST /api/v1/jobs/triggered/nightly/runs", (202, running())),
        ("POST /api/v1/jobs/triggered/nightly/runs/202611221755000000/cancel", (202, json!({}))),
        ("POST /api/v1/jobs/triggered/both/runs", (409, running_already)),
        ("POST /api/v1/jobs/continuous/worker/stop", (202, worker())),
        ("POST /api/v1/jobs/continuous/worker/restart", (500, json!({}))),
    ])
}

/// Runs one command line against a host that answers by the script.
fn play(line: &str, script: Script) -> Ended {
    let url = serve(script);
    let arguments = ["webjobd", "--url", &url].into_iter().chain(line.split(' '));
    let cli = Cli::try_parse_from(arguments).unwrap_or_else(|error| panic!("{line}: {error}"));
    let out = Out::default();
    let session = Session::writing(cli.place, now(), TimeZone::UTC, Box::new(out.clone()));
    let (exit, told) = match dispatch(cli.verb, &session) {
        Ok(exit) => (exit, String::new()),
        Err(CliError::Told(exit, cause)) => (exit.into(), cause.to_string()),
        Err(CliError::Output(error)) => panic!("{line}: {error}"),
    };
    let out = String::from_utf8(out.0.borrow().clone()).unwrap();
    Ended { exit: format!("{exit:?}"), out, told }
}

/// Exit codes can only be compared by what they show of themselves.
fn code(code: u8) -> String {
    format!("{:?}", ExitCode::from(code))
}

fn serve(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://ada:secret@{}", listener.local_addr().unwrap());
    // Ends with the process: a listener that nobody asks any more costs nothing.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (status, body) = match request(&mut BufReader::new(&stream)) {
                Ok(asked) => answer(&script, &asked),
                Err(_) => continue,
            };
            let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            drop(stream.write_all(format!("{head}{body}").as_bytes()));
        }
    });
    url
}

/// Reads one request; returns its method and target.
fn request(reader: &mut impl BufRead) -> io::Result<String> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut is_known) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
            Some(("authorization", value)) => is_known = value.starts_with("basic "),
            Some(_) => {}
            None => break,
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    assert!(is_known, "a request without credentials");
    Ok(first.rsplit_once(' ').map(|(asked, _)| asked.to_owned()).unwrap_or_default())
}

fn answer(script: &Script, asked: &str) -> (u16, String) {
    let bare = asked.split('?').next().unwrap_or_default();
    match script.get(asked).or_else(|| script.get(bare)) {
        Some((status, Value::String(text))) => (*status, text.clone()),
        Some((status, body)) => (*status, body.to_string()),
        None => (404, "{}".to_owned()),
    }
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Out(Rc<RefCell<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
