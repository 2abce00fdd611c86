//! What is told when a job is published again.

use std::{path::Path, sync::Arc};

use futures_util::FutureExt;

use super::*;
use crate::model::{
    id::{Instance, JobName},
    run::{RunPhase, Trigger},
    wish::Pause,
};

fn found(id: &JobId) -> Arc<Found> {
    let folder = Path::new("/jobs");
    let (job, problems, raw_settings) = (None, Vec::new(), crate::model::settings::WrittenSettings::default());
    Arc::new(Found { id: id.clone(), root: folder.into(), dir: folder.into(), job, problems, raw_settings })
}

fn run(id: &JobId) -> Arc<RunRecord> {
    let run = RunId::parse("201510200336425903").expect("18 digits");
    let accepted = RunRecord::accepted(run, id.clone(), Instance::new("one"), Trigger::Startup);
    Arc::new(RunRecord { phase: RunPhase::Running, ..accepted })
}

fn published(id: &JobId, status: Status) -> JobView {
    JobView {
        found: found(id),
        job: None,
        status,
        copies: Box::default(),
        active: Box::default(),
        latest: None,
        next: None,
        restarts: 0,
        stopped_by: None,
        paused: None,
    }
}

#[test]
fn it_is_known_when_no_job_is_about_to_start() {
    let view = View::new(EventId(0));
    let id = |name| JobId { kind: JobKind::Continuous, name: JobName::parse(name).expect("a name") };
    let publish = |name, state| {
        let status = Status { state, reason: None, since: Wall::UNIX_EPOCH, until: None };
        view.publish(published(&id(name), status), Wall::UNIX_EPOCH);
        view.begun().now_or_never().is_some()
    };
    assert!(view.begun().now_or_never().is_some(), "there are none");
    for (name, state, have_all) in [
        ("a", StateWord::Initializing, false),
        ("b", StateWord::Problem, false),
        ("a", StateWord::Starting, false),
        ("c", StateWord::Starting, false),
        ("a", StateWord::Running, false),
        ("c", StateWord::Backoff, true),
        ("a", StateWord::Stopping, true),
        ("b", StateWord::Starting, false),
    ] {
        assert_eq!(publish(name, state), have_all, "{name} is {state:?}");
    }
    view.remove(&id("b"), Wall::UNIX_EPOCH);
    assert!(view.begun().now_or_never().is_some(), "it is gone");
}

#[test]
fn what_is_new_is_told_and_what_is_as_before_wakes_nobody() {
    let id = JobId { kind: JobKind::Triggered, name: JobName::parse("report").expect("a name") };
    let status = Status { state: StateWord::Idle, reason: None, since: Wall::UNIX_EPOCH, until: None };
    let first = published(&id, status.clone());
    let pause = Pause { by: "ada".to_owned(), at: Wall::UNIX_EPOCH, until: None, reason: None };
    let copy = CopyView { copy: 0, status, pid: None, run: None, port: None };
    let reason = Some("a retry is due".into());
    let changes: [&dyn Fn(&mut JobView); 9] = [
        &|view| view.found = found(&id),
        &|view| view.status.reason.clone_from(&reason),
        &|view| view.copies = [copy.clone()].into(),
        &|view| view.active = [run(&id)].into(),
        &|view| view.latest = Some(run(&id)),
        &|view| view.next = Some(Wall::UNIX_EPOCH),
        &|view| view.restarts = 1,
        &|view| view.stopped_by = Some("ada".into()),
        &|view| view.paused = Some(Box::new(Paused { pause: pause.clone(), all: false, until: None })),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let view = View::new(EventId(0));
        view.publish(first.clone(), Wall::UNIX_EPOCH);
        let (all, of_it) = (view.changes(), view.changes_of(&id));
        let is_told =
            || (all.has_changed().expect("the view is there"), of_it.has_changed().expect("the view is there"));
        view.publish(first.clone(), Wall::UNIX_EPOCH);
        assert_eq!(is_told(), (false, false), "change {n}");
        let mut other = first.clone();
        change(&mut other);
        view.publish(other, Wall::UNIX_EPOCH);
        assert_eq!(is_told(), (true, true), "change {n}");
    }
}
