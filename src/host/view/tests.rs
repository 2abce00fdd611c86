//! What is told when a job is published again.

use std::{path::Path, sync::Arc};

use super::*;
use crate::model::{
    id::{Instance, JobName},
    run::{RunPhase, Trigger},
    status::StateWord,
    wish::Pause,
};

fn found(id: &JobId) -> Arc<Found> {
    let folder = Path::new("/jobs");
    let (job, problems, raw_settings) = (None, Vec::new(), serde_json::Map::default());
    Arc::new(Found { id: id.clone(), root: folder.into(), dir: folder.into(), job, problems, raw_settings })
}

fn run(id: &JobId) -> Arc<RunRecord> {
    let run = RunId::parse("201510200336425903").expect("18 digits");
    let accepted = RunRecord::accepted(run, id.clone(), Instance::new("one"), Trigger::Startup);
    Arc::new(RunRecord { phase: RunPhase::Running, ..accepted })
}

#[test]
fn what_is_new_is_told_and_what_is_as_before_wakes_nobody() {
    let id = JobId { kind: JobKind::Triggered, name: JobName::parse("report").expect("a name") };
    let status = Status { state: StateWord::Idle, reason: None, since: Wall::UNIX_EPOCH, until: None };
    let first = JobView {
        found: found(&id),
        job: None,
        status: status.clone(),
        copies: Vec::new(),
        active: Vec::new(),
        latest: None,
        next: None,
        restarts: 0,
        stopped_by: None,
        paused: None,
    };
    let pause = Pause { by: "ada".to_owned(), at: Wall::UNIX_EPOCH, until: None, reason: None };
    let copy = CopyView { copy: 0, status, pid: None, run: None, port: None };
    let reason = Some("a retry is due".to_owned());
    let changes: [&dyn Fn(&mut JobView); 9] = [
        &|view| view.found = found(&id),
        &|view| view.status.reason.clone_from(&reason),
        &|view| view.copies = vec![copy.clone()],
        &|view| view.active = vec![run(&id)],
        &|view| view.latest = Some(run(&id)),
        &|view| view.next = Some(Wall::UNIX_EPOCH),
        &|view| view.restarts = 1,
        &|view| view.stopped_by = Some("ada".to_owned()),
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
