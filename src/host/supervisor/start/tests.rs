//! A job that waits for its turn. No host runs here; what it starts is a real program.

use std::path::Path;

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::{
    host::{
        keeper::Past,
        machine::Machine,
        message::{Ending, Living, Update},
        trial,
    },
    model::{
        id::{JobId, JobKind, JobName, RunId},
        job::{ContentHash, Found, Job, Manifest, Script},
        settings::{Settings, WrittenSettings},
        wish::Asked,
    },
};

/// One job on a machine without a host, and turns that somebody else has.
struct World {
    machine: Arc<Machine>,
    id: JobId,
    job: Living,
    turns: Turns,
    theirs: Option<Turn>,
    _root: TempDir,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let (machine, _) = trial::machine(root.path());
        let id = JobId { kind: JobKind::Continuous, name: JobName::parse("kept").expect("a name") };
        let turns = Arc::new(Semaphore::new(1));
        let theirs = Arc::clone(&turns).try_acquire_owned().ok();
        let update = update(&id, root.path());
        let job = Supervisor::spawn(&machine, update, Trigger::Startup, Past::None, Arc::clone(&turns));
        Self { machine, id, job, turns, theirs, _root: root }
    }

    fn run(&self) -> Option<RunId> {
        self.machine.view.job(&self.id).and_then(|job| job.copies.first().and_then(|copy| copy.run))
    }

    /// Lets all that is ready do what it can without waiting for anything outside of it.
    async fn let_all_go_on(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until its process is there.
    async fn until_running(&self) {
        let mut changes = self.machine.view.changes();
        let is_running = || self.machine.view.job(&self.id).is_some_and(|job| job.copies[0].pid.is_some());
        while !is_running() {
            changes.changed().await.expect("the view is there");
        }
    }

    async fn end(mut self) {
        self.job.inbox.send(JobMessage::End(Ending::HostKilled)).await.expect("it lives");
        self.job.life.await.expect("no panic");
        assert_eq!(self.turns.available_permits() + usize::from(self.theirs.is_some()), 1);
    }
}

fn update(id: &JobId, root: &Path) -> Update {
    let script = Script {
        run_command: "run.sh".to_owned(),
        dir: Path::new("").into(),
        script_host: "BashScriptHost",
        program: ["/bin/sh", "-c", "exec sleep 1000000"].map(str::to_owned).to_vec(),
        in_place_default: true,
    };
    let job = Job {
        id: id.clone(),
        root: root.into(),
        script: script.into(),
        settings: Settings::default().into(),
        content: ContentHash([0; 16]),
        files: Manifest::default(),
        disable_marker: false,
    };
    let found = Found {
        id: id.clone(),
        root: Arc::clone(&job.root),
        dir: Path::new("").into(),
        job: Some(job.into()),
        problems: Vec::new(),
        raw_settings: WrittenSettings::default(),
    };
    Update { found: found.into(), wishes: Asked::default() }
}

#[tokio::test]
async fn a_job_starts_in_its_turn_and_gives_it_back_when_its_program_is_there() {
    let mut world = World::new();
    world.let_all_go_on().await;
    assert_eq!(world.run(), None);
    world.theirs = None;
    world.until_running().await;
    world.let_all_go_on().await;
    assert_eq!(world.turns.available_permits(), 1, "while it runs");
    world.end().await;
}

#[tokio::test]
async fn a_job_that_is_told_something_waits_no_longer() {
    let mut world = World::new();
    let (reply, told) = oneshot::channel();
    world.job.inbox.send(JobMessage::Start { who: "ann".to_owned(), reply }).await.expect("it lives");
    told.await.expect("an answer").expect("it is started");
    assert!(world.run().is_some());
    world.until_running().await;
    world.end().await;
}

#[tokio::test]
async fn a_job_that_is_to_end_never_starts() {
    let mut world = World::new();
    world.job.inbox.send(JobMessage::End(Ending::HostStopping)).await.expect("it lives");
    world.job.life.await.expect("no panic");
    let job = world.machine.view.job(&world.id).expect("it is shown");
    assert!(job.latest.is_none() && job.active.is_empty());
}

#[tokio::test]
async fn a_job_whose_host_is_gone_ends() {
    let world = World::new();
    drop(world.job.inbox);
    world.job.life.await.expect("no panic");
    assert!(world.machine.view.job(&world.id).expect("it is shown").latest.is_none());
}
