//! Due times of several schedules, told line by line.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Map;

use super::*;
use crate::model::{
    id::{JobId, JobKind, JobName},
    job::{ContentHash, Script},
    settings::Settings,
};

fn job(expressions: &[&str]) -> Job {
    let setting = |text: &&str| ScheduleSetting {
        expression: (*text).to_owned(),
        time_zone: Some("UTC".to_owned()),
        args: None,
        label: None,
    };
    let script = Script {
        run_command: "run.sh".to_owned(),
        dir: "".into(),
        script_host: "BashScriptHost".to_owned(),
        program: vec!["bash".to_owned(), "run.sh".to_owned()],
        in_place_default: false,
    };
    Job {
        id: JobId { kind: JobKind::Triggered, name: JobName::parse("a").expect("a name") },
        root: "/jobs/triggered/a".into(),
        script,
        settings: Settings { schedules: expressions.iter().map(setting).collect(), ..Settings::default() },
        raw_settings: Map::new(),
        content: ContentHash([0; 16]),
        files: BTreeMap::new(),
        disable_marker: false,
    }
}

fn at(text: &str) -> Wall {
    format!("2026-03-{text}Z").parse().expect("a time")
}

/// A journal and the agenda of one host.
struct Host {
    agenda: Agenda,
    job: Arc<Job>,
}

#[derive(Default)]
struct Journal(Vec<Line>);

impl Journal {
    fn served(&self) -> Option<Wall> {
        self.0.last().map(Line::served)
    }

    fn told(&self) -> Vec<String> {
        let tell = |line: &Line| match line {
            Line::Served { served } => format!("up to {}", served.strftime("%dT%H:%M:%S")),
            Line::Occurrence(told) => {
                let count = told.count.map(|count| format!(" x{count}")).unwrap_or_default();
                format!("{} {:?}{count}", told.due.strftime("%dT%H:%M:%S"), told.outcome)
            }
        };
        self.0.iter().map(tell).collect()
    }
}

impl Host {
    fn start(journal: &Journal, expressions: &[&str], now: &str) -> Self {
        let mut host = Self { agenda: Agenda::new(journal.served()), job: Arc::new(job(expressions)) };
        host.agenda.plan(&host.job, &Zone::utc(), at(now), None);
        host
    }

    fn serve(&mut self, journal: &mut Journal, now: &str) {
        let mut batch = self.agenda.due(&self.job, journal.served(), at(now));
        for call in std::mem::take(&mut batch.calls) {
            batch.answer(&call, RunId::at(at(now), None), &Answer::Started);
        }
        journal.0.extend(batch.into_lines());
    }

    fn bar(&mut self, now: &str, why: Option<&str>) -> Planned {
        self.agenda.plan(&self.job, &Zone::utc(), at(now), why.map(str::to_owned))
    }
}

#[test]
fn due_times_of_all_schedules_are_answered_in_their_order() {
    let mut journal = Journal::default();
    let mut host = Host::start(&journal, &["0 */2 * * * *", "0 */3 * * * *"], "01T10:00:30");
    for now in ["01T10:00:30", "01T10:02:00", "01T10:03:00", "01T10:04:00", "01T10:06:00"] {
        host.serve(&mut journal, now);
    }
    let told = [
        "up to 01T10:00:30",
        "01T10:02:00 Ran",
        "01T10:03:00 Ran",
        "01T10:04:00 Ran",
        "01T10:06:00 Ran",
        "01T10:06:00 Ran",
    ];
    assert_eq!(journal.told(), told);
    assert_eq!(host.agenda.next(), Some(at("01T10:08:00")));
}

#[test]
fn a_second_host_finds_nothing_left_to_serve() {
    let mut journal = Journal::default();
    let mut first = Host::start(&journal, &["0 * * * * *"], "01T10:00:30");
    first.serve(&mut journal, "01T10:00:30");
    let mut second = Host::start(&journal, &["0 * * * * *"], "01T10:00:40");
    first.serve(&mut journal, "01T10:01:00");
    second.serve(&mut journal, "01T10:01:00");
    assert_eq!(journal.told(), ["up to 01T10:00:30", "01T10:01:00 Ran"]);
}

#[test]
fn a_schedule_that_comes_later_owes_nothing_from_before() {
    let mut journal = Journal(vec![Line::Served { served: at("01T09:00:00") }]);
    let mut host = Host::start(&journal, &[], "01T10:00:00");
    host.job = Arc::new(job(&["0 * * * * *"]));
    assert!(host.bar("01T10:05:30", None).has_new);
    host.serve(&mut journal, "01T10:05:30");
    host.serve(&mut journal, "01T10:06:00");
    assert_eq!(journal.told(), ["up to 01T09:00:00", "01T10:06:00 Ran"]);
}

#[test]
fn what_was_due_while_the_job_rested_is_paused_up_to_the_last_second() {
    let mut journal = Journal::default();
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T10:00:30");
    host.serve(&mut journal, "01T10:00:30");
    assert_eq!(host.bar("01T10:00:40", Some("stopped")).freed, None);
    assert_eq!(host.agenda.next(), None);
    let freed = host.bar("01T10:03:01", None).freed.expect("it rested");
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, journal.served(), at("01T10:03:01")));
    host.serve(&mut journal, "01T10:03:01");
    assert_eq!(journal.told(), ["up to 01T10:00:30", "01T10:03:00 Paused x3", "up to 01T10:03:01"]);
    assert_eq!(host.agenda.next(), Some(at("01T10:04:00")));
}

#[test]
fn a_pause_with_an_end_wakes_then_and_the_moment_of_its_end_is_served() {
    let mut journal = Journal::default();
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T10:00:30");
    host.serve(&mut journal, "01T10:00:30");
    let end = at("01T10:03:00");
    host.agenda.rest_until(Some(end));
    host.bar("01T10:00:40", Some("paused"));
    assert!(host.agenda.rests());
    assert_eq!((host.agenda.next(), host.agenda.wake_at()), (Some(end), Some(end)));
    // It is noticed late: what was due since the end is late, and not paused.
    host.agenda.rest_until(None);
    let freed = host.bar("01T10:04:00", None).freed.expect("it rested");
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, journal.served(), last_moment(end)));
    assert_eq!(host.agenda.wake_at(), Some(end));
    host.serve(&mut journal, "01T10:04:00");
    let told =
        ["up to 01T10:00:30", "01T10:02:00 Paused x2", "up to 01T10:02:59", "01T10:03:00 Missed", "01T10:04:00 Ran"];
    assert_eq!(journal.told(), told);
}

#[test]
fn a_rest_during_which_the_clock_went_back_serves_nothing_twice() {
    let mut journal = Journal::default();
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T10:00:30");
    host.serve(&mut journal, "01T10:00:30");
    host.serve(&mut journal, "01T10:01:00");
    host.bar("01T09:00:00", Some("stopped"));
    let freed = host.bar("01T09:00:01", None).freed.expect("it rested");
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, journal.served(), at("01T09:00:01")));
    host.serve(&mut journal, "01T09:01:00");
    host.serve(&mut journal, "01T10:01:00");
    assert_eq!(journal.told(), ["up to 01T10:00:30", "01T10:01:00 Ran", "up to 01T10:01:00"]);
    assert_eq!(host.agenda.next(), Some(at("01T10:02:00")));
}

#[test]
fn a_schedule_that_came_under_a_clock_that_was_ahead_begins_when_its_rest_ends() {
    let mut journal = Journal::default();
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T12:00:00");
    host.bar("01T12:00:00", Some("stopped"));
    let freed = host.bar("01T10:00:30", None).freed.expect("it rested");
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, journal.served(), at("01T10:00:30")));
    host.serve(&mut journal, "01T10:01:00");
    assert_eq!(journal.told(), ["up to 01T10:00:30", "01T10:01:00 Ran"]);
}

#[test]
fn a_job_that_has_no_schedule_when_its_rest_ends_tells_the_journal_nothing() {
    let journal = Journal(vec![Line::Served { served: at("01T10:00:00") }]);
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T09:00:00");
    host.bar("01T09:00:00", Some("stopped"));
    host.job = Arc::new(job(&[]));
    let freed = host.bar("01T09:00:01", None).freed.expect("it rested");
    assert_eq!(host.agenda.pass_over(&host.job, &freed, journal.served(), at("01T09:00:01")), []);
}

#[test]
fn of_two_hosts_the_one_that_sees_a_wrong_clock_later_follows_the_other() {
    let mut journal = Journal::default();
    let mut first = Host::start(&journal, &["0 * * * * *"], "05T10:00:30");
    first.serve(&mut journal, "05T10:00:30");
    let mut second = Host::start(&journal, &["0 * * * * *"], "05T10:00:30");
    second.serve(&mut journal, "05T10:00:30");
    // The clock is set back; the second host is frozen meanwhile, and the first ends.
    first.serve(&mut journal, "01T10:00:30");
    second.serve(&mut journal, "01T10:02:30");
    let told = ["up to 05T10:00:30", "up to 01T10:00:30", "01T10:01:00 Missed", "01T10:02:00 CaughtUp"];
    assert_eq!(journal.told(), told);
}
