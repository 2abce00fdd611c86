//! Due times of several schedules, told line by line.

mod queue;

use std::{path::Path, sync::Arc};

use super::*;
use crate::model::{
    id::{Instance, JobId, JobKind, JobName},
    job::{ContentHash, Manifest, Script},
    journal,
    settings::{ScheduleSetting, Settings},
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
        dir: Path::new("").into(),
        script_host: "BashScriptHost",
        program: vec!["bash".to_owned(), "run.sh".to_owned()],
        in_place_default: false,
    };
    Job {
        id: JobId { kind: JobKind::Triggered, name: JobName::parse("a").expect("a name") },
        root: Path::new("/jobs/triggered/a").into(),
        script: script.into(),
        settings: Settings { schedules: expressions.iter().map(setting).collect(), ..Settings::default() }.into(),
        content: ContentHash([0; 16]),
        files: Manifest::default(),
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
        self.0.iter().rev().find_map(Line::served)
    }

    /// What a host that starts finds, when no run left a record.
    fn past(&self, now: &str) -> Told {
        let Remains { owed, .. } = remains(self.0.clone(), |_| None, &Instance::new("a"), at(now));
        Told { owed, ..Told::from(self) }
    }

    fn outcomes(&self) -> Vec<String> {
        journal::corrected(self.0.clone()).iter().map(say).collect()
    }

    fn told(&self) -> Vec<String> {
        let tell = |line: &Line| match line {
            Line::Served { served } => format!("up to {}", served.strftime("%dT%H:%M:%S")),
            Line::Occurrence(told) => say(told),
        };
        self.0.iter().map(tell).collect()
    }
}

fn say(told: &Occurrence) -> String {
    let count = told.count.map(|count| format!(" x{count}")).unwrap_or_default();
    format!("{} {:?}{count}", told.due.strftime("%dT%H:%M:%S"), told.outcome)
}

impl From<&Journal> for Told {
    fn from(journal: &Journal) -> Self {
        Self { served: journal.served(), ..Self::default() }
    }
}

impl Host {
    fn start(journal: &Journal, expressions: &[&str], now: &str) -> Self {
        let mut host = Self { agenda: Agenda::new(journal.served(), at(now)), job: Arc::new(job(expressions)) };
        host.agenda.plan(&host.job, &Zone::utc(), at(now), None);
        host
    }

    fn serve(&mut self, journal: &mut Journal, now: &str) {
        let told = Told::from(&*journal);
        self.serve_with(journal, told, now, &Answer::Started);
    }

    /// Serves what is due, all with the same answer; returns the runs.
    fn serve_with(&mut self, journal: &mut Journal, told: Told, now: &str, answer: &Answer) -> Vec<RunId> {
        let mut batch = self.agenda.due(&self.job, told, at(now));
        let mut runs = Vec::new();
        for call in std::mem::take(&mut batch.calls) {
            let run = RunId::at(at(now), runs.last().copied());
            self.agenda.answer(&mut batch, &call, run, answer);
            runs.push(run);
        }
        journal.0.extend(batch.into_lines());
        runs
    }

    fn settle(&mut self, journal: &mut Journal, run: RunId, fate: &Fate, now: &str) {
        journal.0.extend(self.agenda.settle(run, fate, at(now)));
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
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, &Told::from(&journal), at("01T10:03:01")));
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
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, &Told::from(&journal), last_moment(end)));
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
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, &Told::from(&journal), at("01T09:00:01")));
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
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, &Told::from(&journal), at("01T10:00:30")));
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
    assert_eq!(host.agenda.pass_over(&host.job, &freed, &Told::from(&journal), at("01T09:00:01")), []);
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

/// A job that comes with a moment of the past.
fn comes_late(moment: &str, journal: &Journal, catch_up: CatchUp) -> Host {
    let mut host = Host::start(journal, &["0 0 0 1 1 *"], "01T10:00:00");
    let settings = Settings { catch_up, run_at: Some(at(moment)), ..(*host.job.settings).clone() };
    host.job = Arc::new(Job { settings: settings.into(), ..(*host.job).clone() });
    host.bar("01T10:00:01", None);
    host
}

#[test]
fn a_moment_that_had_passed_when_its_job_came_is_answered_once() {
    let served = || Journal(vec![Line::Served { served: at("01T09:59:59") }]);
    for (moment, catch_up, outcome) in [
        ("01T09:50:30", CatchUp::Once, "CaughtUp"),
        ("01T09:50:30", CatchUp::All, "CaughtUp"),
        ("01T09:50:30", CatchUp::None, "Missed"),
        ("01T09:59:58", CatchUp::None, "Missed"),
        ("01T09:40:00", CatchUp::Once, "Missed"),
    ] {
        for mut journal in [Journal::default(), served()] {
            let mut host = comes_late(moment, &journal, catch_up);
            assert!(host.agenda.asks_for_moment());
            host.serve(&mut journal, "01T10:00:01");
            assert_eq!(journal.outcomes(), [format!("{moment} {outcome}")], "{catch_up:?}");
            assert!(journal.served() >= Some(at("01T09:59:59")), "what is served stays so: {:?}", journal.told());
            let told = &journal::corrected(journal.0.clone())[0];
            let reason = (outcome == "Missed").then_some("it had passed when the job came");
            assert_eq!(told.reason.as_deref(), reason);
            host.serve(&mut journal, "01T10:00:02");
            let mut next = comes_late(moment, &journal, catch_up);
            let told = Told { knows_moment: true, ..Told::from(&journal) };
            next.serve_with(&mut journal, told, "01T10:00:03", &Answer::Started);
            assert_eq!(journal.outcomes().len(), 1, "it has its answer: {:?}", journal.told());
        }
    }
}

#[test]
fn a_line_for_several_due_times_tells_of_the_oldest_too() {
    let mut journal = Journal(vec![Line::Served { served: at("01T10:00:00") }]);
    let mut host = Host::start(&journal, &["0 * * * * *"], "01T10:03:30");
    host.serve(&mut journal, "01T10:03:30");
    host.bar("01T10:03:40", Some("stopped"));
    let freed = host.bar("01T10:06:30", None).freed.expect("it rested");
    journal.0.extend(host.agenda.pass_over(&host.job, &freed, &Told::from(&journal), at("01T10:06:30")));
    let told = journal::corrected(journal.0.clone());
    let spans: Vec<_> = told.iter().map(|told| (told.first, told.due, told.count)).collect();
    let wanted = [
        (Some(at("01T10:01:00")), at("01T10:02:00"), Some(2)),
        (None, at("01T10:03:00"), None),
        (Some(at("01T10:04:00")), at("01T10:06:00"), Some(3)),
    ];
    assert_eq!(spans, wanted);
}

#[test]
fn a_job_that_is_taken_over_late_is_answered_for_since_it_came() {
    for (came, outcomes) in [(Some("10T08:59:58"), vec!["10T09:00:00 Ran"]), (None, vec![])] {
        let mut agenda = Agenda::new(None, at("10T00:00:00"));
        if let Some(came) = came {
            agenda.begin(at(came));
        }
        let mut host = Host { agenda, job: Arc::new(job(&["0 0 * * * *"])) };
        host.agenda.plan(&host.job, &Zone::utc(), at("10T09:00:02"), None);
        let mut journal = Journal::default();
        host.serve(&mut journal, "10T09:00:02");
        assert_eq!(journal.outcomes(), outcomes, "{came:?}");
    }
    // What the journal tells comes first.
    let mut agenda = Agenda::new(Some(at("10T07:00:00")), at("10T08:59:57"));
    agenda.begin(at("10T08:59:58"));
    assert_eq!(agenda.served, Some(at("10T07:00:00")));
}
