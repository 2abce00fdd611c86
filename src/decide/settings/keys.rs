//! Every key of a `settings.job`: purpose, default, bounds, and where its value goes.
//!
//! The one table behind the reader, the schema and the documentation of the keys. Durations are in seconds. `null` means
//! "not given". A key that is planned but does not work is refused, never ignored.

use std::time::Duration;

use serde_json::json;

use crate::{
    decide::{
        env,
        form::{
            As, Checked, Either, Flag, Form, List, OneOf, Part, Real, Rule, Seconds, Signal, Size, Table, Text, Whole,
            WholeSeconds, key,
        },
        ncrontab::Expression,
        zone::Zone,
    },
    model::{
        id::JobKind::{Continuous, Triggered},
        settings::{
            CatchUp, History, LogSetting, Overlap, RestartPolicy, RestartWhen, Retries, ScheduleSetting, Settings,
        },
        time::Wall,
    },
};

/// Bounds of the table, seconds where nothing else is said.
const DAY: u32 = 86_400;
const YEAR: u32 = 365 * DAY;
const SHORTEST: f64 = 0.001;
const ARGS_MAX: usize = 1000;
const SCHEDULES_MAX: usize = 100;
const COPIES_MAX: u32 = 256;
const RUNS_AT_ONCE_MAX: u32 = 1000;
const RETRIES_MAX: u32 = 1000;
const RECORDS_MAX: u32 = 100_000;
const LOG_PART_BYTES: (u64, u64) = (4 << 10, 16 << 30);
const LOG_PARTS_MAX: u32 = 1000;
const EXIT_CODES: (i32, i32) = if cfg!(windows) { (i32::MIN, i32::MAX) } else { (0, 255) };

/// Takes every key of a `settings.job`.
pub fn keys(form: &mut Form<'_>, s: &mut Settings) {
    what_runs(form, s);
    when_it_runs(form, s);
    what_ends_it(form, s);
    what_follows(form, s);
    what_is_kept(form, s);
    for (name, about) in [
        ("user", "The user that it runs as"),
        ("group", "The group that it runs as"),
        ("umask", "The mask of modes of new files"),
        ("nice", "The scheduling priority"),
        ("limits", "Limits of memory, processors, tasks, files and output"),
        ("essential", "Whether the host ends when this job fails for good"),
    ] {
        form.unsupported(name, about);
    }
    form.unread("shutdownGraceTimeLimit", "use `stopping_wait_time`");
    form.unread("run_mode", "the folder decides: `continuous`, or `triggered` with or without a `schedule`");
}

fn what_runs(form: &mut Form<'_>, s: &mut Settings) {
    form.key(key("description", "One line for people"), Text::Any, |v| s.description = Some(v));
    form.key(key("enabled", "False: listed, but never started").default(true), Flag, |v| s.enabled = v);
    let command = key("command", "Program and its first arguments, instead of the script that is found in the folder");
    form.key(command, program(), |v| s.command = Some(v));
    form.key(key("args", "Arguments of every run that brings none of its own").default(json!([])), args(), |v| {
        s.args = v;
    });
    form.key(key("env", "Variables for the job's processes").default(json!({})), variables(), |v| s.env = v);
    let env_file = key("env_file", "A file of KEY=value lines, relative to the script's folder");
    form.key(env_file, Text::Some, |v| s.env_file = Some(v));
    let in_place = key("is_in_place", "Whether it runs in its own folder instead of a private copy; Node scripts do");
    form.key(in_place, Flag, |v| s.is_in_place = Some(v));
    let singleton = key("is_singleton", "Whether only one host at a time runs it; a triggered job is always so");
    form.key(singleton.default(false), Flag, |v| s.is_singleton = v);
    let instances = key("instances", "Copies on one host").only(Continuous).default(1);
    form.key(instances, Whole(1, COPIES_MAX), |v| s.instances = v);
}

fn when_it_runs(form: &mut Form<'_>, s: &mut Settings) {
    let mut first = no_schedule();
    let about = "When it runs: six-field NCRONTAB, five-field cron, or a name such as @daily; empty for never";
    form.key(key("schedule", about).only(Triggered), schedule(Text::Any), |v| first.expression = v);
    let mut own_zone = None;
    let about = "IANA or Windows name of the schedules' time zone; the host's when not given";
    form.key(key("time_zone", about).only(Triggered), zone(), |v| own_zone = Some(v));
    let one = Part(no_schedule, one_schedule);
    let several = key("schedules", "Several schedules").only(Triggered).default(json!([]));
    form.key(several, List(one, 0..=SCHEDULES_MAX), |v| s.schedules = v);
    s.schedules.insert(0, first);
    s.schedules.retain(|schedule| !schedule.expression.is_empty());
    // Kept as long as the job is there, and mostly one.
    s.schedules.shrink_to_fit();
    for schedule in &mut s.schedules {
        schedule.time_zone = schedule.time_zone.take().or_else(|| own_zone.clone());
    }
    let run_at = key("run_at", "One moment at which it runs, once: RFC 3339 with an offset").only(Triggered);
    form.key(run_at, moment(), |v| s.run_at = Some(v));
    let on_start = key("run_on_start", "Whether it runs when the host starts").only(Triggered).default(false);
    form.key(on_start, Flag, |v| s.run_on_start = v);
    const OVERLAP: &str = "What happens when it is due or asked for while it runs; what is caught up waits for its turn \
                           instead of being skipped. With several hosts on one root, only a run of the same host is \
                           replaced, and the order of a queue is that of each host";
    let overlap = key("overlap", OVERLAP).only(Triggered);
    form.key(overlap.default("skip"), OneOf(OVERLAPS), |v| s.overlap = v);
    let at_once = key("max_concurrency", "How many runs at once, with overlap \"allow\"").only(Triggered).default(1);
    form.key(at_once, Whole(1, RUNS_AT_ONCE_MAX), |v| s.max_concurrency = v);
    let catch_up = key("catch_up", "What becomes of occurrences that passed while no host ran").only(Triggered);
    form.key(catch_up.default("once"), OneOf(CATCH_UPS), |v| s.catch_up = v);
    let window = key("catch_up_window", "How far back catching up looks").only(Triggered).default(600);
    form.key(window, seconds(0.0, YEAR), |v| s.catch_up_window = v);
    let jitter = key("jitter", "Starts are spread over this long, the same for a job every time").only(Triggered);
    form.key(jitter.default(0), seconds(0.0, DAY), |v| s.jitter = v);
}

fn what_ends_it(form: &mut Form<'_>, s: &mut Settings) {
    let timeout = key("timeout", "Longest run, or life of a continuous job; no limit when not given");
    form.key(timeout, seconds(SHORTEST, YEAR), |v| s.timeout = Some(v));
    let idle = key("idle_timeout", "Longest time without output and without CPU use; 0 for no limit");
    form.key(idle, seconds(0.0, YEAR), |v| s.idle_timeout = Some(v));
    form.key(key("stop_signal", "First signal of a stop").default("SIGTERM"), Signal, |v| s.stop_signal = v);
    let grace =
        "Time from the first signal of a stop to the kill: 5 for continuous, 30 for triggered jobs when not given";
    form.key(key("stopping_wait_time", grace), WholeSeconds(0, DAY), |v| s.stopping_wait_time = Some(v));
}

fn what_follows(form: &mut Form<'_>, s: &mut Settings) {
    let success = key("success_exit_codes", "Exit codes that count as success").default(json!([0]));
    form.key(success, exit_codes(), |v| s.success_exit_codes = v);
    let retries = key("retries", "What happens after a failed run; nothing when not given").only(Triggered);
    form.key(retries, Part(default_retries, retry_keys), |v| s.retries = Some(v));
    let policy = As(OneOf(RESTARTS), |when| RestartPolicy { when, ..RestartPolicy::default() });
    let restart = key("restart", "What happens after its end").only(Continuous).default("always");
    form.key(restart, Either(Part(RestartPolicy::default, restart_keys), policy), |v| s.restart = v);
}

fn what_is_kept(form: &mut Form<'_>, s: &mut Settings) {
    let none = || History { runs: None, max_age: None };
    let history = key("history", "Which records of runs are kept");
    form.key(history, Part(none, history_keys), |v| s.history = v);
    form.key(key("log", "How much log is kept"), Part(LogSetting::default, log_keys), |v| s.log = v);
}

fn one_schedule(form: &mut Form<'_>, v: &mut ScheduleSetting) {
    form.key(key("schedule", "When it runs").required(), schedule(Text::Some), |text| v.expression = text);
    form.key(key("time_zone", "Its time zone; the job's when not given"), zone(), |text| v.time_zone = Some(text));
    form.key(key("args", "Arguments of its runs; the job's when not given"), args(), |list| v.args = Some(list));
    form.key(key("label", "A name for people"), Text::Some, |text| v.label = Some(text));
}

fn retry_keys(form: &mut Form<'_>, v: &mut Retries) {
    form.key(key("max", "Attempts after the first").default(3), Whole(0, RETRIES_MAX), |n| v.max = n);
    form.key(key("delay", "Time before the first retry").default(10), seconds(0.0, DAY), |d| v.delay = d);
    let backoff = key("backoff", "Factor by which the delay grows each time").default(2);
    form.key(backoff, Real(1.0, 100.0), |n| v.backoff = n);
    let longest = key("max_delay", "Longest delay; never below `delay`").default(600);
    form.key(longest, seconds(0.0, DAY), |d| v.max_delay = d);
    let codes = key("on_exit_codes", "Exit codes that are worth a retry; every failure when not given");
    form.key(codes, exit_codes(), |list| v.on_exit_codes = Some(list));
}

fn restart_keys(form: &mut Form<'_>, v: &mut RestartPolicy) {
    let policy = key("policy", "After which ends it is started again").default("always");
    form.key(policy, OneOf(RESTARTS), |when| v.when = when);
    form.key(key("delay", "First delay").default(1), seconds(0.0, DAY), |d| v.delay = Some(d));
    let longest = key("max_delay", "Longest delay; never below `delay`").default(60);
    form.key(longest, seconds(0.0, DAY), |d| v.max_delay = d);
    let healthy = key("healthy_after", "A life this long makes the next delay the first again").default(120);
    form.key(healthy, seconds(0.0, YEAR), |d| v.healthy_after = d);
    let give_up = "Restarts in a row, none of them healthy, after which it is left alone; never when not given";
    form.key(key("give_up_after", give_up), Whole(1, 1_000_000), |n| v.give_up_after = Some(n));
}

fn history_keys(form: &mut Form<'_>, v: &mut History) {
    form.key(key("runs", "How many finished runs").default(50), Whole(1, RECORDS_MAX), |n| v.runs = Some(n));
    form.key(key("max_age", "How old they may become"), seconds(1.0, 10 * YEAR), |d| v.max_age = Some(d));
}

fn log_keys(form: &mut Form<'_>, v: &mut LogSetting) {
    let size = key("max_size", "Bytes in one part, before compression").default("10MiB");
    form.key(size, Size(LOG_PART_BYTES.0, LOG_PART_BYTES.1), |n| v.max_size = n);
    form.key(key("keep", "Rolled parts beside the current one").default(10), Whole(0, LOG_PARTS_MAX), |n| v.keep = n);
    let age = key("max_age", "Age at which a rolled part goes").default(30 * DAY);
    form.key(age, seconds(1.0, 10 * YEAR), |d| v.max_age = d);
}

const OVERLAPS: &[(&str, Overlap)] =
    &[("skip", Overlap::Skip), ("queue", Overlap::Queue), ("allow", Overlap::Allow), ("replace", Overlap::Replace)];
const CATCH_UPS: &[(&str, CatchUp)] = &[("none", CatchUp::None), ("once", CatchUp::Once), ("all", CatchUp::All)];
const RESTARTS: &[(&str, RestartWhen)] =
    &[("always", RestartWhen::Always), ("on_failure", RestartWhen::OnFailure), ("never", RestartWhen::Never)];

fn no_schedule() -> ScheduleSetting {
    ScheduleSetting { expression: String::new(), time_zone: None, args: None, label: None }
}

fn default_retries() -> Retries {
    Retries {
        max: 3,
        delay: Duration::from_secs(10),
        backoff: 2.0,
        max_delay: Duration::from_secs(600),
        on_exit_codes: None,
    }
}

fn seconds(min: f64, max: u32) -> Seconds {
    Seconds(min, max.into())
}

fn args() -> List<Text> {
    List(Text::Any, 0..=ARGS_MAX)
}

fn exit_codes() -> List<Whole<i32>> {
    List(Whole(EXIT_CODES.0, EXIT_CODES.1), 1..=256)
}

fn program() -> impl Rule<Out = Vec<String>> {
    Either(List(Text::Some, 1..=ARGS_MAX), As(Text::Some, |program| vec![program]))
}

fn variables() -> Table<Text> {
    let names = ("the name of a variable: not empty, without `=` and NUL", "^[^=\\u0000]+$");
    Table { item: Text::Any, names, is_name: env::is_name }
}

fn moment() -> impl Rule<Out = Wall> {
    let parse = |text: &str| match text.parse::<Wall>() {
        Ok(moment) => Ok((moment, Vec::new())),
        Err(error) => Err(format!("{text:?} is not a moment as in \"2026-03-01T02:30:00+01:00\": {error}")),
    };
    let expects = "a moment with offset, as in \"2026-03-01T02:30:00+01:00\"";
    Checked { text: Text::Some, expects, format: Some("date-time"), parse }
}

/// Kudu takes an empty expression for none, so an empty text is allowed where `text` says so.
fn schedule(text: Text) -> impl Rule<Out = String> {
    let parse = |text: &str| {
        if text.is_empty() {
            return Ok((String::new(), vec!["an empty schedule never runs it".to_owned()]));
        }
        let expression = Expression::parse(text).map_err(|error| format!("{text:?}: {error}"))?;
        Ok((text.to_owned(), expression.notices().iter().map(ToString::to_string).collect()))
    };
    Checked { text, expects: "a schedule such as \"0 30 2 * * *\"", format: None, parse }
}

fn zone() -> impl Rule<Out = String> {
    let parse = |text: &str| match Zone::parse(text) {
        Ok(_) => Ok((text.to_owned(), Vec::new())),
        Err(error) => Err(error.to_string()),
    };
    Checked { text: Text::Some, expects: "the name of a time zone such as \"Europe/Berlin\"", format: None, parse }
}
