//! The checks on real folders.

use std::{cell::RefCell, io, rc::Rc};

use insta::assert_snapshot;
use jiff::tz::TimeZone;

use super::*;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A root with a good job of each kind, and bad ones.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("jobs/continuous/good/run.sh", "echo a\n"),
        ("jobs/triggered/good/run.sh", "echo a\n"),
        ("jobs/triggered/empty/readme.txt", "no script\n"),
        ("jobs/triggered/wrong/run.sh", "echo a\n"),
        ("jobs/triggered/wrong/settings.job", "{\n  \"shedule\": \"x\",\n  \"timeout\": \"long\"\n}\n"),
    ] {
        write(root.path(), path, text);
    }
    root
}

#[derive(Clone, Default)]
struct Out(Rc<RefCell<Vec<u8>>>);

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Checks a path; returns what is printed, without the place of the root, and the exit code.
fn run(root: &Path, path: &str, json: &str) -> String {
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckArgs,
    }
    let path = root.join(path);
    let mut line = vec!["check", path.to_str().unwrap()];
    line.extend(Some(json).filter(|json| !json.is_empty()));
    let out = Out::default();
    let now = "2026-11-22T18:00:00Z".parse().unwrap();
    let session = Session::writing(Place::default(), now, TimeZone::UTC, Box::new(out.clone()));
    let ended = match check(&Line::parse_from(line).args, &session) {
        Ok(exit) => format!("{exit:?}"),
        Err(CliError::Told(exit, cause)) => format!("{exit:?}: {cause:#}"),
        Err(CliError::Output(error)) => error.to_string(),
    };
    let text = String::from_utf8(out.0.borrow().clone()).unwrap();
    let ended = ended.replace("ExitCode(unix_exit_status(", "exit ").replace("))", "");
    format!("{text}{ended}").replace(&format!("{}/", root.display()), "").replace(&root.display().to_string(), ".")
}

#[test]
fn every_problem_of_a_root_is_told_in_one_go_with_its_place() {
    assert_snapshot!(run(root().path(), "", ""), @r#"
    jobs/triggered/empty: No runnable script file was found in the job's folder (seen: readme.txt); add run.sh, run.py, run.js or another script, or name a `command` in settings.job
    jobs/triggered/wrong/settings.job:3:14: `timeout` must be a number of seconds from 0.001 to 31536000, not the text "long"
    jobs/triggered/wrong/settings.job:2:3: warning: `shedule` is not a known key; did you mean `schedule`?
    4 jobs: 1 continuous, 3 triggered, 2 cannot run; 2 problems, 1 warning
    exit 1
    "#);
}

#[test]
fn a_job_or_its_settings_are_checked_alone() {
    let root = root();
    assert_snapshot!(run(root.path(), "jobs/triggered/wrong", ""), @r#"
    jobs/triggered/wrong/settings.job:3:14: `timeout` must be a number of seconds from 0.001 to 31536000, not the text "long"
    jobs/triggered/wrong/settings.job:2:3: warning: `shedule` is not a known key; did you mean `schedule`?
    1 job: 1 triggered, 1 cannot run; 1 problem, 1 warning
    exit 1
    "#);
    assert_snapshot!(run(root.path(), "jobs/triggered/wrong/settings.job", ""), @r#"
    jobs/triggered/wrong/settings.job:2:3: warning: `shedule` is not a known key; did you mean `schedule`?
    jobs/triggered/wrong/settings.job:3:14: `timeout` must be a number of seconds from 0.001 to 31536000, not the text "long"
    1 problem, 1 warning
    exit 1
    "#);
    assert_snapshot!(run(root.path(), "jobs/continuous/good", ""), @"
    1 job: 1 continuous; no problems
    exit 0
    ");
}

#[test]
fn a_wrong_configuration_is_told_beside_the_jobs() {
    let root = root();
    write(root.path(), "webjobd.toml", "listen = 5\n");
    fs::remove_dir_all(root.path().join("jobs/triggered")).unwrap();
    assert_snapshot!(run(root.path(), "", ""), @r#"
    webjobd.toml:1:10: `listen` must be an address such as "127.0.0.1:8090", not 5 (put it in quotes)
    1 job: 1 continuous; 1 problem
    exit 1
    "#);
}

#[test]
fn a_folder_of_jobs_is_checked_and_what_is_not_there_is_a_usage_error() {
    let root = root();
    assert!(run(root.path(), "jobs", "").contains("4 jobs: 1 continuous, 3 triggered"));
    assert!(
        run(root.path(), "jobs/triggered", "").contains("3 jobs: 3 triggered, 2 cannot run; 2 problems, 1 warning")
    );
    assert!(run(root.path(), "jobs/continuous/", "").contains("1 job: 1 continuous; no problems"));
    // A job may be called as a kind is.
    write(root.path(), "jobs/triggered/continuous/run.sh", "echo a\n");
    assert!(run(root.path(), "jobs/triggered/continuous", "").contains("1 job: 1 triggered; no problems"));
    assert!(run(root.path(), "nowhere", "").starts_with("Usage: failed to read `nowhere`"));
}

#[test]
fn as_json_every_problem_names_its_job_and_file() {
    let text = run(root().path(), "", "--json");
    let report: serde_json::Value = serde_json::from_str(text.rsplit_once('\n').unwrap().0).unwrap();
    assert_eq!(report["jobs"], serde_json::json!({"continuous": 1, "triggered": 3}));
    let wrong = report["problems"].as_array().unwrap().iter().find(|p| p["line"] == 3).unwrap();
    assert_eq!((wrong["job"].as_str(), wrong["fatal"].as_bool()), (Some("triggered/wrong"), Some(true)));
    assert_eq!(wrong["path"], "jobs/triggered/wrong/settings.job");
}
