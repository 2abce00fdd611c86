//! A job that waits for its turn. No host runs here; what it starts is a real program.

use std::{path::Path, time::Duration};

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::{
    host::{
        dispatcher::Turn,
        keeper::Past,
        machine::Machine,
        message::{Ending, Inbox, JobMessage, Living, Update},
        run::Facts,
        trial,
    },
    model::{
        id::{JobId, JobKind, JobName, RunId},
        job::ContentHash,
        settings::Settings,
    },
};

/// How long is waited for what comes at once on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One job on a machine without a host, and turns that somebody else has.
struct World {
    machine: Arc<Machine>,
    id: JobId,
    job: Living,
    turns: Turns,
    theirs: Option<Turn>,
    root: TempDir,
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
        Self { machine, id, job, turns, theirs, root }
    }

    fn run(&self) -> Option<RunId> {
        self.machine.view.job(&self.id).and_then(|job| job.copies.first().and_then(|copy| copy.run))
    }

    fn pid(&self) -> Option<u32> {
        self.machine.view.job(&self.id).and_then(|job| job.copies.first().and_then(|copy| copy.pid))
    }

    fn free_turns(&self) -> usize {
        self.turns.available_permits()
    }

    /// Lets all that is ready do what it can without waiting for anything outside of it.
    async fn let_all_go_on(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until something is so.
    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let so = async {
            while !is_so(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, so).await.expect("it is so in time");
    }

    async fn tell(&mut self, message: JobMessage) {
        self.job.inbox.send(message).expect("it lives");
    }

    async fn told(&mut self, update: Update) {
        let (reply, heard) = oneshot::channel();
        self.tell(JobMessage::Update(Box::new(update), Some(reply))).await;
        heard.await.expect("an answer").expect("it is heard");
    }

    async fn ended(self) -> TempDir {
        tokio::time::timeout(PATIENCE, self.job.life).await.expect("it ends in time").expect("no panic");
        assert_eq!(self.turns.available_permits() + usize::from(self.theirs.is_some()), 1);
        self.root
    }

    async fn end(mut self) {
        self.tell(JobMessage::End(Ending::HostKilled)).await;
        self.ended().await;
    }
}

fn update(id: &JobId, root: &Path) -> Update {
    let sleeper = ["/bin/sh", "-c", "exec sleep 1000000"].map(str::to_owned).to_vec();
    with(id, root, sleeper, Settings::default())
}

fn with(id: &JobId, root: &Path, program: Vec<String>, settings: Settings) -> Update {
    // Another content with other settings.
    let content = ContentHash([u8::try_from(settings.instances).expect("a few"); 16]);
    trial::update(id, root, program, settings, content)
}

#[tokio::test]
async fn a_job_starts_in_its_turn_and_gives_it_back_when_its_program_is_there() {
    let mut world = World::new();
    world.let_all_go_on().await;
    assert_eq!(world.run(), None);
    world.theirs = None;
    world.until(|world| world.pid().is_some()).await;
    world.until(|world| world.free_turns() == 1).await;
    world.end().await;
}

#[tokio::test]
async fn a_job_has_its_turn_while_its_program_is_loaded() {
    let root = tempfile::tempdir().expect("a folder");
    let (machine, _) = trial::machine(root.path());
    let id = JobId { kind: JobKind::Continuous, name: JobName::parse("kept").expect("a name") };
    let ((facts, _heard), (_inbox, mut messages)) = (Facts::open(), Inbox::open());
    let mut actor = Supervisor::new(&machine, update(&id, root.path()), facts, Past::None);
    actor.set_copies();
    let turns = Arc::new(Semaphore::new(1));
    let beginning = Beginning { trigger: Trigger::Startup, turns: Arc::clone(&turns) };
    actor.begin_life(Box::new(beginning), &mut messages).await;
    // Nobody has taken in that its process is there.
    assert!(actor.copies[0].is_spawning() && actor.turn.is_some() && turns.available_permits() == 0);
    drop(actor);
    assert_eq!(turns.available_permits(), 1);
}

#[tokio::test]
async fn a_turn_comes_back_from_a_program_that_cannot_be_started() {
    let mut world = World::new();
    let nowhere = vec!["/no/such/program".to_owned()];
    world.told(with(&world.id, world.root.path(), nowhere, Settings::default())).await;
    assert_eq!(world.run(), None, "a job that waits for its turn is only told of it");
    world.theirs = None;
    world.until(|world| world.machine.view.job(&world.id).is_some_and(|job| job.latest.is_some())).await;
    world.until(|world| world.free_turns() == 1).await;
    world.end().await;
}

#[tokio::test]
async fn who_starts_it_by_hand_waits_for_no_turn() {
    let mut world = World::new();
    let (reply, told) = oneshot::channel();
    world.tell(JobMessage::Start { who: "ann".to_owned(), reply }).await;
    told.await.expect("an answer").expect("it is started");
    let run = world.run();
    assert!(run.is_some());
    world.until(|world| world.pid().is_some()).await;
    world.theirs = None;
    world.let_all_go_on().await;
    assert_eq!(world.run(), run, "it is started once");
    world.end().await;
}

#[tokio::test]
async fn a_job_that_shall_not_run_does_not_start_when_its_turn_comes() {
    let mut world = World::new();
    let stopped = Settings { enabled: false, ..Settings::default() };
    // Both are there before it looks: what it is told counts first.
    world.tell(JobMessage::Update(Box::new(with(&world.id, world.root.path(), Vec::new(), stopped)), None)).await;
    world.theirs = None;
    world.let_all_go_on().await;
    assert_eq!((world.run(), world.free_turns()), (None, 1));
    let allowed = update(&world.id, world.root.path());
    world.told(allowed).await;
    assert!(world.run().is_some(), "it is allowed again");
    world.end().await;
}

#[tokio::test]
async fn what_changes_while_a_job_waits_counts_when_its_turn_comes() {
    let mut world = World::new();
    let sleeper = ["/bin/sh", "-c", "exec sleep 1000000"].map(str::to_owned).to_vec();
    for instances in [3, 1] {
        let env = [("COPIES".to_owned(), instances.to_string())].into();
        let settings = Settings { instances, env, ..Settings::default() };
        world.told(with(&world.id, world.root.path(), sleeper.clone(), settings)).await;
        let job = world.machine.view.job(&world.id).expect("it is shown");
        assert!(job.copies.len() == instances as usize && job.active.is_empty());
    }
    world.theirs = None;
    world.until(|world| world.pid().is_some()).await;
    let job = world.machine.view.job(&world.id).expect("it is shown");
    assert_eq!(job.active.iter().map(|run| run.trigger.clone()).collect::<Vec<_>>(), [Trigger::Startup]);
    let log = std::fs::read_to_string(world.machine.layout.job(&world.id).join("job_log.txt")).expect("its log");
    assert!(log.contains("Starting") && !log.contains("refreshing"), "nothing was there to be refreshed: {log}");
    world.end().await;
}

#[tokio::test]
async fn a_job_that_is_to_end_never_starts() {
    for ending in [Ending::HostStopping, Ending::HostKilled, Ending::Removed] {
        let mut world = World::new();
        let data = world.machine.layout.job(&world.id);
        world.tell(JobMessage::End(ending)).await;
        world.theirs = None;
        let _root = world.ended().await;
        assert!(!data.join("runs").exists(), "{ending:?}");
    }
}

#[tokio::test]
async fn a_job_whose_host_is_gone_ends() {
    let World { machine, id, job, turns, theirs, root } = World::new();
    drop(job.inbox);
    tokio::time::timeout(PATIENCE, job.life).await.expect("it ends in time").expect("no panic");
    assert!(machine.view.job(&id).expect("it is shown").latest.is_none());
    drop((turns, theirs, root));
}
