//! The keys of `webjobd.toml`: purpose, default, bounds, and where each value goes.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value, json};

use crate::{
    decide::{
        config::{CONFIG_FILE, KuduLayer, LISTEN, Layer, door, joined, parse_listen, parse_public_url, parse_zone},
        env,
        form::{
            self, As, Checked, Either, Flag, Form, List, OneOf, Report, Rule, Seconds, Table, Text, Unknown, Whole, key,
        },
    },
    model::{config::HISTORY_RUNS, job::Problem, log::TimestampFormat},
};

const DAY: f64 = 86_400.0;
const YEAR: f64 = 365.0 * DAY;
const RECORDS_MAX: u32 = 100_000;
const TIMESTAMPS: &[(&str, TimestampFormat)] =
    &[("kudu", TimestampFormat::Kudu), ("rfc3339", TimestampFormat::Rfc3339)];

/// Reads the text of a `webjobd.toml`; its relative paths begin at `root`.
pub fn layer(text: &str, root: &Path, problems: &mut Vec<Problem>) -> Layer {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut report = Report::new(Some(CONFIG_FILE), text, Unknown::Refused);
    let mut layer = Layer::default();
    if let Some(document) = form::parse_toml(text, &mut report) {
        Form::read(&document, None, &mut report, |form| keys(form, &mut layer));
    }
    for path in [&mut layer.jobs, &mut layer.data, &mut layer.temp].into_iter().flatten() {
        *path = joined(root, path);
    }
    door::place(&mut layer.door, root);
    problems.extend(report.into_problems());
    layer
}

/// Returns the JSON Schema of the file.
pub fn schema() -> Value {
    let mut schema = Map::from_iter([
        ("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), json!(CONFIG_FILE)),
        ("description".to_owned(), json!("Set-up of one webjobd host")),
    ]);
    schema.extend(Form::describe(|form| keys(form, &mut Layer::default())));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema.into()
}

fn keys(form: &mut Form<'_>, v: &mut Layer) {
    let jobs = key("jobs", "The folder of the job folders, relative to the root").default("jobs");
    form.key(jobs, Text::Some, |path| v.jobs = Some(path.into()));
    let data = key("data", "The folder of logs, records and the jobs' own data, relative to the root").default("data");
    form.key(data, Text::Some, |path| v.data = Some(path.into()));
    let temp = key("temp", "The folder of working copies; one below the system's for temporary files when not given");
    form.key(temp, Text::Some, |path| v.temp = Some(path.into()));
    let listen = key("listen", "Where the API listens").default(LISTEN.to_string());
    form.key(listen, parsed("an address such as \"127.0.0.1:8090\"", parse_listen), |a| v.listen = Some(a));
    let insecure = key("insecure_http", "Whether it may listen beyond loopback without TLS, behind a proxy");
    form.key(insecure.default(false), Flag, |flag| v.insecure_http = Some(flag));
    let strict =
        key("kudu_strict", "Whether Kudu's routes answer as Kudu's own, also where webjobd is better on purpose");
    form.key(strict.default(false), Flag, |flag| v.kudu_strict = Some(flag));
    let url = key("public_url", "How others reach the API");
    let is_url = parsed("a URL such as \"https://jobs.example.com\"", parse_public_url);
    form.key(url, is_url, |url| v.public_url = Some(url));
    let instance = key("instance", "The host's name among those that share the root; the computer's when not given");
    form.key(instance, Text::Some, |name| v.instance = Some(name));
    let timestamps = key("timestamps", "The time before each line of a log").default("kudu");
    form.key(timestamps, OneOf(TIMESTAMPS), |format| v.timestamps = Some(format));
    let about = "Program, or program and arguments, that runs scripts with an extension";
    form.key(key("interpreters", about), interpreters(), |table| {
        v.interpreters = table.into_iter().map(|(name, program)| (extension(&name), program)).collect();
    });
    form.key(key("env", "Variables for the processes of all jobs"), variables(), |table| v.env = table);
    door::keys(form, &mut v.door);
    kudu_keys(form, &mut v.kudu);
}

fn kudu_keys(form: &mut Form<'_>, v: &mut KuduLayer) {
    let restart = key("restart_time", "Fixed delay before a continuous job starts again, as WEBJOBS_RESTART_TIME");
    form.key(restart, Seconds(0.0, DAY), |time| v.restart_time = Some(time));
    let idle = key("idle_timeout", "Longest time of a triggered run without output and CPU use, 0 for no limit");
    form.key(idle, Seconds(0.0, YEAR), |time| v.idle_timeout = Some(time));
    let history = key("history_size", "Finished runs kept of a job").default(HISTORY_RUNS);
    form.key(history, Whole(1, RECORDS_MAX), |n| v.history_size = Some(n));
    form.key(key("stopped", "Whether nothing may start").default(false), Flag, |flag| v.stopped = Some(flag));
    let unscheduled = key("disable_schedule", "Whether nothing is started by schedule").default(false);
    form.key(unscheduled, Flag, |flag| v.disable_schedule = Some(flag));
    let zone = key("time_zone", "IANA or Windows name of the zone of schedules; the system's when not given");
    let is_zone = parsed("the name of a time zone such as \"Europe/Berlin\"", parse_zone);
    form.key(zone, is_zone, |name| v.time_zone = Some(name));
    let app_logs = key("log_triggered_to_app_logs", "Whether triggered output goes to the application log too");
    form.key(app_logs.default(false), Flag, |flag| v.log_triggered_to_app_logs = Some(flag));
    let always = key("application_log", "Whether the application log is written while nobody follows it, too");
    form.key(always.default(false), Flag, |flag| v.application_log = Some(flag));
    let stream = key("logstream_timeout", "Longest life of a log stream, as SCM_LOGSTREAM_TIMEOUT").default(7200);
    form.key(stream, Seconds(0.0, YEAR), |time| v.logstream_timeout = Some(time));
}

fn interpreters() -> impl Rule<Out = BTreeMap<String, Vec<String>>> {
    let is_name =
        |name: &str| !extension(name).is_empty() && extension(name).chars().all(|c| c.is_ascii_alphanumeric());
    let item = Either(List(Text::Some, 1..=100), As(Text::Some, |program| vec![program]));
    Table { item, names: ("an extension such as py", "^\\.?[A-Za-z0-9]+$"), is_name }
}

fn extension(name: &str) -> String {
    name.strip_prefix('.').unwrap_or(name).to_ascii_lowercase()
}

fn variables() -> Table<Text> {
    let names = ("the name of a variable: not empty, without `=` and NUL", "^[^=\\u0000]+$");
    Table { item: Text::Any, names, is_name: env::is_name }
}

/// A text that a parser judges.
pub fn parsed<T>(expects: &'static str, parse: fn(&str) -> Result<T, String>) -> impl Rule<Out = T> {
    let parse = move |text: &str| parse(text).map(|value| (value, Vec::new()));
    Checked { text: Text::Some, expects, format: None, parse }
}
