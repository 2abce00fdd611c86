//! What a `settings.job` says, once read and checked: every key of it as a value with its default.
//!
//! Reading the text, with the line and column of each defect, is `decide::settings`. The map as the user wrote it is kept
//! beside these values, because the API gives it back unchanged (spec/kudu-webjobs 2.1).

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, value::RawValue};

use crate::model::{exit::StopSignal, time::Wall};

/// Grace of a continuous job's stop when nothing is said (spec/kudu-webjobs 2.1).
pub const GRACE_CONTINUOUS: Duration = Duration::from_secs(5);
/// Grace of a triggered job's stop when nothing is said (spec/kudu-webjobs 2.1).
pub const GRACE_TRIGGERED: Duration = Duration::from_secs(30);

/// The settings of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// One line for people.
    pub description: Option<String>,
    /// Program and its first arguments, instead of the discovered script. Never empty when given.
    pub command: Option<Vec<String>>,
    /// Arguments of every run that brings none of its own.
    pub args: Vec<String>,
    /// Variables for the job's processes.
    pub env: BTreeMap<String, String>,
    /// A file of `KEY=value` lines, relative to the script's folder.
    pub env_file: Option<String>,
    /// When it runs: `schedule` first, then those of `schedules`.
    pub schedules: Vec<ScheduleSetting>,
    /// One moment at which it runs, once.
    pub run_at: Option<Wall>,
    /// Whether it runs when the host starts.
    pub run_on_start: bool,
    /// What happens when it is due or asked for while it runs.
    pub overlap: Overlap,
    /// How many runs at once with `Overlap::Allow`.
    pub max_concurrency: u32,
    /// What becomes of occurrences that passed while no host ran.
    pub catch_up: CatchUp,
    /// How far back catching up looks.
    pub catch_up_window: Duration,
    /// Starts are spread over this long, the same for a job every time.
    pub jitter: Duration,
    /// Longest run.
    pub timeout: Option<Duration>,
    /// Longest time without output and without CPU use; zero is no limit, `None` is the host's limit.
    pub idle_timeout: Option<Duration>,
    /// What happens after a failed run of a triggered job.
    pub retries: Option<Retries>,
    /// Exit codes that count as success. Never empty.
    pub success_exit_codes: Vec<i32>,
    /// What happens after the end of a continuous job.
    pub restart: RestartPolicy,
    /// Copies of a continuous job on one host. At least 1.
    pub instances: u32,
    /// First signal of a stop.
    pub stop_signal: StopSignal,
    /// Time from the first signal of a stop to the kill; the kind's own when not given.
    pub stopping_wait_time: Option<Duration>,
    /// Whether only one host at a time runs it.
    pub is_singleton: bool,
    /// Whether it runs in its own folder instead of a private copy; the script's own default when not given.
    pub is_in_place: Option<bool>,
    /// False: listed, never started.
    pub enabled: bool,
    /// Which records are kept.
    pub history: History,
    /// How much log is kept.
    pub log: LogSetting,
}

/// A job's settings as its user wrote them: an object of JSON, kept as text, for most jobs of a large host are never asked.
#[derive(Clone, Debug, Default)]
pub struct WrittenSettings(Option<Box<RawValue>>);

/// One schedule as written. The text is valid: whoever reads the settings has parsed it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleSetting {
    /// The expression, as the user wrote it.
    pub expression: String,
    /// IANA or Windows name of the zone; the host's when not given.
    pub time_zone: Option<String>,
    /// Arguments of its runs; the job's own when not given.
    pub args: Option<Vec<String>>,
    /// A name for people.
    pub label: Option<String>,
}

/// What happens to a trigger while a run is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It is refused, with a record of the refusal.
    Skip,
    /// It waits for its turn.
    Queue,
    /// It runs beside the others, up to `max_concurrency`.
    Allow,
    /// The run on its way is stopped, then it runs.
    Replace,
}

/// What becomes of occurrences that passed while no host ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// They are missed.
    None,
    /// The latest of them runs late.
    Once,
    /// Each of them runs late, in order.
    All,
}

/// What happens after a failed run of a triggered job.
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    /// Attempts after the first.
    pub max: u32,
    /// Time before the first retry.
    pub delay: Duration,
    /// Factor by which the delay grows each time. At least 1.
    pub backoff: f64,
    /// Longest delay.
    pub max_delay: Duration,
    /// Exit codes that are worth a retry; every failure when not given.
    pub on_exit_codes: Option<Vec<i32>>,
}

/// What happens after the end of a continuous job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// After which ends it is started again.
    pub when: RestartWhen,
    /// First delay; `None` is 1 s, or the fixed delay that the host's settings ask for.
    pub delay: Option<Duration>,
    /// Longest delay.
    pub max_delay: Duration,
    /// A life this long makes the next delay the first again.
    pub healthy_after: Duration,
    /// Restarts in a row, none of them healthy, after which it is left alone.
    pub give_up_after: Option<u32>,
}

/// After which ends a continuous job is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartWhen {
    /// After every end.
    Always,
    /// After a failure.
    OnFailure,
    /// Never.
    Never,
}

/// Which records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// How many finished runs; `None` is the host's own number.
    pub runs: Option<u32>,
    /// How old they may become.
    pub max_age: Option<Duration>,
}

/// How much log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSetting {
    /// Bytes in one part, before compression.
    pub max_size: u64,
    /// Rolled parts kept beside the current one.
    pub keep: u32,
    /// Age at which a rolled part goes.
    pub max_age: Duration,
}

/// What a job has that says nothing.
static USUAL: LazyLock<Arc<Settings>> = LazyLock::new(Arc::default);

impl Settings {
    /// Returns the settings as a job holds them. Most say nothing: these share one value.
    pub fn shared(self) -> Arc<Self> {
        if self == **USUAL { Arc::clone(&USUAL) } else { Arc::new(self) }
    }

    /// Returns how long a run may be quiet, where `host` is the limit of jobs that say nothing.
    pub fn idle_limit(&self, host: Option<Duration>) -> Option<Duration> {
        self.idle_timeout.or(host).filter(|limit| !limit.is_zero())
    }
}

impl WrittenSettings {
    /// Keeps an object.
    pub fn new(settings: &Map<String, Value>) -> Self {
        // What came from JSON has nothing that JSON has not.
        let text = || serde_json::value::to_raw_value(settings).ok();
        Self(if settings.is_empty() { None } else { text() })
    }

    /// Returns the object; an empty one where nothing is written.
    pub fn to_map(&self) -> Map<String, Value> {
        self.0.as_ref().and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default()
    }

    fn text(&self) -> &str {
        self.0.as_ref().map_or("", |text| text.get())
    }
}

impl PartialEq for WrittenSettings {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for WrittenSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(text) => text.serialize(serializer),
            None => Map::new().serialize(serializer),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            description: None,
            command: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            env_file: None,
            schedules: Vec::new(),
            run_at: None,
            run_on_start: false,
            overlap: Overlap::Skip,
            max_concurrency: 1,
            catch_up: CatchUp::Once,
            catch_up_window: Duration::from_secs(600),
            jitter: Duration::ZERO,
            timeout: None,
            idle_timeout: None,
            retries: None,
            success_exit_codes: vec![0],
            restart: RestartPolicy::default(),
            instances: 1,
            stop_signal: StopSignal::TERM,
            stopping_wait_time: None,
            is_singleton: false,
            is_in_place: None,
            enabled: true,
            history: History { runs: None, max_age: None },
            log: LogSetting::default(),
        }
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            when: RestartWhen::Always,
            delay: None,
            max_delay: Duration::from_secs(60),
            healthy_after: Duration::from_secs(120),
            give_up_after: None,
        }
    }
}

impl Default for LogSetting {
    fn default() -> Self {
        Self { max_size: 10 * 1024 * 1024, keep: 10, max_age: Duration::from_secs(30 * 24 * 3600) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_come_back_as_they_were_written() {
        let written = |value: &Value| WrittenSettings::new(value.as_object().expect("an object"));
        for (value, text) in [
            (json!({}), "{}"),
            (json!({"z": 1, "a": {"ö": [null, 1.5]}, "unknown": "x"}), r#"{"z":1,"a":{"ö":[null,1.5]},"unknown":"x"}"#),
        ] {
            let settings = written(&value);
            assert_eq!(Value::Object(settings.to_map()), value);
            assert_eq!(serde_json::to_string(&settings).expect("JSON"), text);
            assert_eq!(serde_json::to_value(&settings).expect("JSON"), value);
        }
        assert_eq!(written(&json!({})), WrittenSettings::default());
        assert_ne!(written(&json!({"a": 1})), written(&json!({"a": 2})));
    }
}
