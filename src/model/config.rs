//! How one host is set up: where its folders are, where it listens, who it is, and what holds for all jobs.
//!
//! Put together from flags, environment, `webjobd.toml` and defaults by `decide::config`. Every path is absolute.

use core::net::SocketAddr;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::model::{access::Accounts, id::Instance, log::TimestampFormat, net::Network};

/// Finished runs kept of a job when nothing is said (spec/kudu-webjobs 7.1).
pub const HISTORY_RUNS: u32 = 50;

/// Longest life of a log stream when nothing is said (spec/kudu-webjobs 7.1).
pub const LOGSTREAM_TIMEOUT: Duration = Duration::from_secs(7200);

/// The set-up of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the API shows as HOME.
    pub root: PathBuf,
    /// The folder of the job folders.
    pub jobs: PathBuf,
    /// Logs, records, and the jobs' own data.
    pub data: PathBuf,
    /// Private working copies and shutdown files; belongs to this host alone.
    pub temp: PathBuf,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Its name among the hosts that share the root.
    pub instance: Instance,
    /// How others reach the API, without a slash at the end; for links when a request does not tell.
    pub public_url: Option<String>,
    /// The time before each line of a log.
    pub timestamps: TimestampFormat,
    /// Program and arguments before the script, by extension: lower case, without dot. The one of `sh` is for scripts
    /// without a shebang.
    pub interpreters: BTreeMap<String, Vec<String>>,
    /// Whether it may listen beyond loopback without TLS.
    pub insecure_http: bool,
    /// How the door is kept.
    pub door: DoorConfig,
    /// Whether Kudu's routes answer as Kudu's own do, also where webjobd is better on purpose.
    pub kudu_strict: bool,
    /// What Kudu's settings say of all jobs.
    pub kudu: EngineSettings,
    /// Variables for the processes of all jobs.
    pub env: BTreeMap<String, String>,
}

/// How the door is kept: who may come in, under which names the host is known, whom it believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoorConfig {
    /// The certificate and its key; the API speaks plain HTTP when not given.
    pub tls: Option<TlsFiles>,
    /// Names under which browsers may reach the API, beyond those it knows by itself.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose word about the client is taken.
    pub trusted_proxies: Vec<Network>,
    /// Whether clients of this machine read the numbers without a login.
    pub open_metrics: bool,
    /// Who may log in, besides the first credentials.
    pub accounts: Accounts,
}

/// Where the certificate lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to its root, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// What Kudu's settings say of all jobs (spec/kudu-webjobs 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Fixed delay before a continuous job starts again, where its own settings say nothing.
    pub restart_time: Option<Duration>,
    /// Longest time of a triggered run without output and CPU use, where its own settings say nothing; zero is no limit.
    pub idle_timeout: Option<Duration>,
    /// Finished runs kept of a job, where its own settings say nothing. At least 1.
    pub history_size: u32,
    /// Whether nothing may start.
    pub stopped: bool,
    /// Whether nothing is started by schedule.
    pub disable_schedule: bool,
    /// IANA or Windows name of the zone of schedules; the system's when not given.
    pub time_zone: Option<String>,
    /// Whether the output of triggered jobs goes to the application log too.
    pub log_triggered_to_app_logs: bool,
    /// Whether the application log is written all the time, not only while somebody follows it.
    pub application_log: bool,
    /// Longest life of a log stream.
    pub logstream_timeout: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            restart_time: None,
            idle_timeout: None,
            history_size: HISTORY_RUNS,
            stopped: false,
            disable_schedule: false,
            time_zone: None,
            log_triggered_to_app_logs: false,
            application_log: false,
            logstream_timeout: LOGSTREAM_TIMEOUT,
        }
    }
}
