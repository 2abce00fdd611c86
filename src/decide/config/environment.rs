//! The host's environment as a source of settings.
//!
//! Names are looked up without regard to case, exactly written ones first; an empty value counts as unset. Kudu's settings
//! are found as app settings too, which Azure passes with `APPSETTING_` before their name (spec/kudu-webjobs 7.1).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    decide::config::{
        KuduLayer, Layer,
        door::{DoorLayer, parse_hosts, parse_networks},
        joined, parse_listen, parse_public_url, parse_zone,
    },
    model::{job::Problem, log::TimestampFormat},
};

/// The variables of the host.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'e>(&'e BTreeMap<String, String>);

impl<'e> Environment<'e> {
    /// Wraps the variables.
    pub fn new(variables: &'e BTreeMap<String, String>) -> Self {
        Self(variables)
    }

    /// Returns the value of one of webjobd's or the system's variables.
    pub fn own(self, name: &str) -> Option<&'e str> {
        let exact = self.0.get(name).filter(|value| !value.is_empty());
        let any_case = || self.0.iter().find(|(n, value)| n.eq_ignore_ascii_case(name) && !value.is_empty());
        exact.or_else(|| any_case().map(|(_, value)| value)).map(String::as_str)
    }

    /// Returns the system's folder for temporary files.
    pub fn temp_folder(self) -> PathBuf {
        let names: &[&str] = if cfg!(windows) { &["TEMP", "TMP"] } else { &["TMPDIR"] };
        let given = names.iter().find_map(|name| self.own(name)).map(PathBuf::from).filter(|path| path.is_absolute());
        given.unwrap_or_else(|| if cfg!(windows) { r"C:\Windows\Temp" } else { "/tmp" }.into())
    }

    /// Returns all that the variables say.
    pub fn layer(self, root: &Path, working_directory: &Path, problems: &mut Vec<Problem>) -> Layer {
        let path = |name: &str| self.own(name).map(|text| joined(working_directory, Path::new(text)));
        Layer {
            jobs: path("WEBJOBD_JOBS").or_else(|| self.webjobs_root(root)),
            data: path("WEBJOBD_DATA"),
            temp: path("WEBJOBD_TEMP"),
            listen: self.parsed("WEBJOBD_LISTEN", parse_listen, problems),
            instance: self.own("WEBJOBD_INSTANCE").or_else(|| self.own("WEBSITE_INSTANCE_ID")).map(str::to_owned),
            public_url: self.parsed("WEBJOBD_PUBLIC_URL", parse_public_url, problems),
            timestamps: self.parsed("WEBJOBD_TIMESTAMPS", parse_timestamps, problems),
            insecure_http: self.parsed("WEBJOBD_INSECURE_HTTP", parse_flag, problems),
            door: DoorLayer {
                cert: path("WEBJOBD_TLS_CERT"),
                key: path("WEBJOBD_TLS_KEY"),
                open_metrics: self.parsed("WEBJOBD_OPEN_METRICS", parse_flag, problems),
                allowed_hosts: self.parsed("WEBJOBD_ALLOWED_HOSTS", parse_hosts, problems),
                trusted_proxies: self.parsed("WEBJOBD_TRUSTED_PROXIES", parse_networks, problems),
                ..DoorLayer::default()
            },
            kudu_strict: self.parsed("WEBJOBD_KUDU_STRICT", parse_flag, problems),
            kudu: self.kudu(problems),
            ..Layer::default()
        }
    }

    /// Returns what they say of Kudu's settings.
    pub fn kudu(self, problems: &mut Vec<Problem>) -> KuduLayer {
        KuduLayer {
            restart_time: self.seconds("WEBJOBS_RESTART_TIME", problems),
            idle_timeout: self.seconds("WEBJOBS_IDLE_TIMEOUT", problems),
            history_size: self.kudu_parsed("WEBJOBS_HISTORY_SIZE", parse_count, problems),
            stopped: self.kudu_parsed("WEBJOBS_STOPPED", parse_flag, problems),
            disable_schedule: self.kudu_parsed("WEBJOBS_DISABLE_SCHEDULE", parse_flag, problems),
            time_zone: self.kudu_parsed("WEBSITE_TIME_ZONE", parse_zone, problems),
            log_triggered_to_app_logs: self.kudu_parsed("WEBJOBS_LOG_TRIGGERED_JOBS_TO_APP_LOGS", parse_flag, problems),
            application_log: self.parsed("WEBJOBD_APPLICATION_LOG", parse_flag, problems),
            logstream_timeout: self.seconds("SCM_LOGSTREAM_TIMEOUT", problems),
        }
    }

    fn app_setting(self, name: &str) -> Option<&'e str> {
        self.own(name).or_else(|| self.own(&format!("APPSETTING_{name}")))
    }

    /// A relative path begins at the root; an absolute one stays absolute, unlike in Kudu (spec/kudu-webjobs 12.2 #22).
    fn webjobs_root(self, root: &Path) -> Option<PathBuf> {
        let text = self.app_setting("WEBJOBS_ROOT_PATH")?;
        Some(joined(root, Path::new(&self.expanded(text))))
    }

    /// Replaces `%NAME%` by the variable of that name, where there is one.
    fn expanded(self, text: &str) -> String {
        let mut parts = text.split('%');
        let mut out = parts.next().unwrap_or_default().to_owned();
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            match self.own(part).filter(|_| parts.peek().is_some()) {
                Some(value) => {
                    out.push_str(value);
                    out.extend(parts.next());
                }
                None => out.extend(["%", part]),
            }
        }
        out
    }

    /// A wrong value of webjobd's own variable is fatal.
    fn parsed<T>(self, name: &str, parse: fn(&str) -> Result<T, String>, problems: &mut Vec<Problem>) -> Option<T> {
        kept(parse(self.own(name)?), name, true, problems)
    }

    /// A wrong value of Kudu's setting means the default.
    fn kudu_parsed<T>(
        self,
        name: &str,
        parse: fn(&str) -> Result<T, String>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        kept(parse(self.app_setting(name)?), name, false, problems)
    }

    fn seconds(self, name: &str, problems: &mut Vec<Problem>) -> Option<Duration> {
        self.kudu_parsed(name, parse_seconds, problems)
    }
}

fn kept<T>(value: Result<T, String>, name: &str, fatal: bool, problems: &mut Vec<Problem>) -> Option<T> {
    let instead = if fatal { "" } else { "; the default is used" };
    let refuse = |error: String| Problem {
        code: "bad_value".to_owned(),
        message: format!("the variable {name}: {error}{instead}"),
        file: None,
        line: None,
        column: None,
        fatal,
    };
    value.map_err(|error| problems.push(refuse(error))).ok()
}

fn parse_flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true (or 1) nor false (or 0)")),
    }
}

/// A negative number is zero, as in Kudu.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let number: i32 = text.trim().parse().map_err(|_| format!("{text:?} is not a whole number of seconds"))?;
    Ok(Duration::from_secs(u64::try_from(number).unwrap_or(0)))
}

fn parse_count(text: &str) -> Result<u32, String> {
    let number = text.trim().parse::<i32>().ok().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    number.ok_or_else(|| format!("{text:?} is not a whole number above 0"))
}

fn parse_timestamps(text: &str) -> Result<TimestampFormat, String> {
    match text {
        "kudu" => Ok(TimestampFormat::Kudu),
        "rfc3339" => Ok(TimestampFormat::Rfc3339),
        _ => Err(format!("{text:?} is neither \"kudu\" nor \"rfc3339\"")),
    }
}
