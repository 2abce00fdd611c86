//! The environment of a run: whose variables it gets, and which are webjobd's own.
//!
//! ```text
//!  host ──> webjobd.toml [env] ──> env_file ──> settings env ──> webjobd's own        (later wins)
//! ```
//!
//! webjobd's own names are reserved: what another layer says of them is dropped. So a run inside a run carries the inner
//! run's markers only, and leftovers of a run are found by a marker that no user can have overwritten.

mod file;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use crate::model::id::{Instance, JobId, JobKind, RunId};

pub use file::parse_env_file;

/// Before the name of a continuous job: marks its processes.
pub const MARKER_CONTINUOUS: &str = "WEBSITE_ALWAYS_ON_JOB_RUNNING_";
/// Before the name of a triggered job: marks its processes.
pub const MARKER_TRIGGERED: &str = "WEBSITE_TRIGGERED_JOB_RUNNING_";
/// The variable that holds the run's id.
pub const RUN_ID: &str = "WEBJOBS_RUN_ID";

const OWN: [&str; 9] = [
    "WEBJOBS_PATH",
    "WEBJOBS_NAME",
    "WEBJOBS_TYPE",
    "WEBJOBS_DATA_PATH",
    RUN_ID,
    "WEBJOBS_COMMAND_ARGUMENTS",
    "WEBJOBS_SHUTDOWN_FILE",
    "WEBJOBS_PORT",
    "WEBJOBD_INSTANCE",
];

/// A service manager's words to the host process alone; a job that answered to them would speak for the host.
const HOST_ONLY: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What a run's environment says of the run. Paths are absolute.
#[derive(Clone, Copy, Debug)]
pub struct RunFacts<'a> {
    /// The job.
    pub job: &'a JobId,
    /// The run, or the life of a continuous job.
    pub run: RunId,
    /// The host.
    pub instance: &'a Instance,
    /// The folder it works in: its private copy, or the job's own folder.
    pub path: &'a Path,
    /// Its folder for data that outlives deployments.
    pub data: &'a Path,
    /// The file that appears when it is asked to stop.
    pub shutdown_file: &'a Path,
    /// Arguments as one text, when there are any.
    pub arguments: Option<&'a str>,
    /// The port that a continuous job may listen on.
    pub port: Option<u16>,
}

/// Returns whether a name is webjobd's own in the environment of a run.
pub fn is_reserved(name: &str) -> bool {
    OWN.iter().any(|own| same_name(name, own))
        || [MARKER_CONTINUOUS, MARKER_TRIGGERED].iter().any(|marker| starts_with(name, marker))
}

/// Returns whether a text can name a variable: not empty, no `=`, no NUL.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['=', '\0'])
}

/// Returns the marker variable of a job's processes; its value is `true`.
pub fn marker(job: &JobId) -> String {
    match job.kind {
        JobKind::Continuous => format!("{MARKER_CONTINUOUS}{}", job.name),
        JobKind::Triggered => format!("{MARKER_TRIGGERED}{}", job.name),
    }
}

/// Variables, with their values.
pub type Variables = Vec<(OsString, OsString)>;

/// Returns what the environments of all runs begin with, sorted by name: the host's own, then its settings. Each layer
/// wins over those before it.
pub fn common(host: &[(OsString, OsString)], layers: &[&BTreeMap<String, String>]) -> Variables {
    let host_only = |name: &OsStr| HOST_ONLY.iter().any(|own| name == *own);
    let host = host.iter().filter(|(name, _)| !host_only(name)).cloned();
    let layers = layers.iter().flat_map(|layer| layer.iter());
    let mut variables: BTreeMap<OsString, OsString> = host.collect();
    variables.extend(layers.map(|(name, value)| (name.into(), value.into())));
    variables.into_iter().filter(|(name, _)| !is_reserved(&name.to_string_lossy())).collect()
}

/// Returns what the environment of a run has besides what is [`common`] to all. What comes later wins.
pub fn own(
    env_file: &BTreeMap<String, String>,
    settings: &BTreeMap<String, String>,
    facts: &RunFacts<'_>,
) -> Variables {
    let layers = env_file.iter().chain(settings).filter(|(name, _)| !is_reserved(name));
    layers.map(|(name, value)| (name.into(), value.into())).chain(facts_of(facts)).collect()
}

fn facts_of(facts: &RunFacts<'_>) -> impl Iterator<Item = (OsString, OsString)> {
    let port = facts.port.filter(|_| facts.job.kind == JobKind::Continuous);
    let always: [(&str, OsString); 7] = [
        ("WEBJOBS_PATH", facts.path.into()),
        ("WEBJOBS_NAME", facts.job.name.as_str().into()),
        ("WEBJOBS_TYPE", facts.job.kind.as_str().into()),
        ("WEBJOBS_DATA_PATH", facts.data.into()),
        (RUN_ID, facts.run.to_string().into()),
        ("WEBJOBS_SHUTDOWN_FILE", facts.shutdown_file.into()),
        ("WEBJOBD_INSTANCE", facts.instance.as_str().into()),
    ];
    let arguments = facts.arguments.map(|text| ("WEBJOBS_COMMAND_ARGUMENTS".into(), text.into()));
    always
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .chain(arguments)
        .chain(port.map(|port| ("WEBJOBS_PORT".into(), port.to_string().into())))
        .chain([(marker(facts.job).into(), "true".into())])
}

/// Names of variables don't heed case on Windows.
fn same_name(a: &str, b: &str) -> bool {
    if cfg!(windows) { a.eq_ignore_ascii_case(b) } else { a == b }
}

fn starts_with(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|head| same_name(head, start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::JobName;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn composed(
        kind: JobKind,
        host: &[(&str, &str)],
        layers: [&BTreeMap<String, String>; 3],
    ) -> BTreeMap<String, String> {
        let job = JobId { kind, name: JobName::parse("daas(ping)").expect("a name") };
        let facts = RunFacts {
            job: &job,
            run: RunId::parse("201605190150326541").expect("an id"),
            instance: &Instance::new("web-1"),
            path: Path::new("/tmp/copy"),
            data: Path::new("/srv/data/jobs/x"),
            shutdown_file: Path::new("/tmp/stop/file"),
            arguments: None,
            port: Some(8123),
        };
        let host: Vec<_> = host.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let text = |text: OsString| text.into_string().expect("text");
        let [config, file, settings] = layers;
        let whole = common(&host, &[config]).into_iter().chain(own(file, settings, &facts));
        whole.map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn a_run_sees_the_host_then_each_layer_then_its_own_facts() {
        let host = [("HOME", "~"), ("A", "host"), ("B", "host"), ("C", "host"), ("D", "host")];
        let config = map(&[("B", "config"), ("C", "config"), ("D", "config")]);
        let file = map(&[("C", "file"), ("D", "file")]);
        let settings = map(&[("D", "settings"), ("WEBJOBS_NAME", "mine"), ("WEBJOBS_PORT", "1")]);
        let seen = composed(JobKind::Triggered, &host, [&config, &file, &settings]);
        let expected = map(&[
            ("HOME", "~"),
            ("A", "host"),
            ("B", "config"),
            ("C", "file"),
            ("D", "settings"),
            ("WEBJOBS_PATH", "/tmp/copy"),
            ("WEBJOBS_NAME", "daas(ping)"),
            ("WEBJOBS_TYPE", "triggered"),
            ("WEBJOBS_DATA_PATH", "/srv/data/jobs/x"),
            ("WEBJOBS_RUN_ID", "201605190150326541"),
            ("WEBJOBS_SHUTDOWN_FILE", "/tmp/stop/file"),
            ("WEBJOBD_INSTANCE", "web-1"),
            ("WEBSITE_TRIGGERED_JOB_RUNNING_daas(ping)", "true"),
        ]);
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_host_inside_a_job_does_not_pass_on_the_outer_markers() {
        let host = [
            ("WEBSITE_ALWAYS_ON_JOB_RUNNING_outer", "true"),
            ("WEBJOBS_COMMAND_ARGUMENTS", "outer"),
            ("WEBJOBS_RUN_ID", "1"),
            ("WEBJOBS_RESTART_TIME", "5"),
            ("NOTIFY_SOCKET", "/run/notify"),
            ("WEBROOT_PATH", "/var/www"),
        ];
        let none = BTreeMap::new();
        let seen = composed(JobKind::Continuous, &host, [&none, &none, &none]);
        for name in ["WEBSITE_ALWAYS_ON_JOB_RUNNING_outer", "WEBJOBS_COMMAND_ARGUMENTS", "NOTIFY_SOCKET"] {
            assert!(!seen.contains_key(name), "{name}");
        }
        for (name, value) in [
            ("WEBJOBS_RUN_ID", "201605190150326541"),
            ("WEBJOBS_RESTART_TIME", "5"),
            ("WEBJOBS_PORT", "8123"),
            ("WEBROOT_PATH", "/var/www"),
            ("WEBSITE_ALWAYS_ON_JOB_RUNNING_daas(ping)", "true"),
        ] {
            assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
}
