//! Actors that let go and begin again, each at its last moment. No host runs here: nobody takes a notice but the test.

use std::path::Path;

use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::{
    decide::rehearsal::Claims,
    host::{
        message::{Ending, WAITING_MAX},
        trial,
    },
    model::{
        id::JobName,
        job::ContentHash,
        settings::{ScheduleSetting, Settings},
    },
    store::occurrences,
};

/// One job, on a machine without a host.
struct World {
    actors: Actors,
    rests: mpsc::UnboundedReceiver<JobId>,
    id: JobId,
    came: Wall,
    _root: tempfile::TempDir,
}

impl World {
    /// With a job that is due once a year.
    fn new() -> Self {
        Self::with("0 0 0 1 1 *")
    }

    fn with(expression: &str) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let (machine, told) = trial::machine(root.path());
        let id = JobId { kind: JobKind::Triggered, name: JobName::parse("due").expect("a name") };
        let mut actors = Actors::new(&machine);
        // No job is there for as long as its host runs.
        while machine.now().wall <= machine.began {
            std::thread::yield_now();
        }
        let came = machine.now().wall;
        actors.begin(id.clone(), update(&id, expression), Trigger::Startup, Past::None);
        Self { actors, rests: told, id, came, _root: root }
    }

    /// Lets the actor begin that is called, and waits until it has let go; nobody has taken what it left.
    async fn until_let_go(&mut self) {
        let turn = self.actors.turn().await.expect("a turn");
        self.actors.wake_called(turn);
        assert!(self.is_living());
        assert_eq!(self.rests.recv().await.as_ref(), Some(&self.id));
    }

    fn is_living(&self) -> bool {
        matches!(self.actors.all[&self.id].state, State::Living(_))
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.actors.all[&self.id].state, State::Resting(_)) && self.actors.wake_at().is_some()
    }
}

fn update(id: &JobId, expression: &str) -> Update {
    let schedule = ScheduleSetting { expression: expression.to_owned(), time_zone: None, args: None, label: None };
    let settings = Settings { schedules: vec![schedule], ..Settings::default() };
    trial::update(id, Path::new("/jobs/triggered/due"), vec!["true".to_owned()], settings, ContentHash([0; 16]))
}

#[tokio::test]
async fn a_job_begins_in_its_turn_and_rests_when_there_is_nothing_to_do() {
    let mut world = World::new();
    assert!(world.actors.is_called() && !world.is_living() && world.actors.wake_at().is_none());
    let machine = Arc::clone(&world.actors.machine);
    let after = machine.now().wall;
    world.until_let_go().await;
    let served = occurrences::served(&machine.layout.occurrences(&world.id)).expect("it is read");
    let served = served.expect("somebody answers for it");
    assert!((world.came..=after).contains(&served), "since it was found, not since its host or its turn came");
    assert_eq!(world.actors.turns.available_permits(), TURNS, "its turn is over");
    world.actors.let_rest(&world.id).await;
    assert!(world.is_at_rest() && !world.actors.is_called());
    assert_eq!(*machine.rehearsals.0.lock().expect("no actor panics with them"), Claims::default());
    let at = world.actors.wake_at().expect("it is due next year");
    world.actors.wake_due(at - std::time::Duration::from_secs(1));
    assert!(world.is_at_rest());
    world.actors.wake_due(at);
    assert!(world.is_living() && world.actors.wake_at().is_none());
}

#[tokio::test]
async fn what_is_told_at_the_last_moment_is_heard() {
    let mut world = World::new();
    world.until_let_go().await;
    let (reply, told) = oneshot::channel();
    let message = JobMessage::Start { who: "ann".to_owned(), reply };
    world.actors.send(&world.id, message).await.expect("it is told");
    assert!(world.is_living());
    told.await.expect("an answer").expect("it is started");
    world.rests.recv().await.expect("it rests again");
    world.actors.let_rest(&world.id).await;
    assert!(world.is_at_rest());
    // A late notice finds it at rest, and one for a job that is gone nobody.
    world.actors.let_rest(&world.id).await;
    assert!(world.is_at_rest());
    assert!(matches!(world.actors.remove(&world.id), Some(State::Resting(_))));
    assert!(world.actors.wake_at().is_none());
    world.actors.let_rest(&world.id).await;
}

#[tokio::test]
async fn a_clock_that_is_set_is_looked_at_by_all_that_rest() {
    let mut world = World::new();
    let clock = world.actors.machine.clock.clone();
    world.until_let_go().await;
    // When nobody was there any more to hear of it.
    clock.pretend_step();
    world.actors.let_rest(&world.id).await;
    assert!(world.is_living());
    world.rests.recv().await.expect("it rests again");
    world.actors.let_rest(&world.id).await;
    assert!(world.is_at_rest());

    let journal = world.actors.machine.layout.occurrences(&world.id);
    std::fs::remove_file(&journal).expect("it was answered for");
    clock.pretend_step();
    world.actors.call_scheduled();
    world.until_let_go().await;
    assert!(occurrences::served(&journal).expect("it is read").is_some(), "what is due is served, not only planned");
    world.actors.let_rest(&world.id).await;
    assert!(world.is_at_rest());
}

#[tokio::test]
async fn who_ends_rehearses_no_more() {
    let mut world = World::with("* * * * * *");
    let machine = Arc::clone(&world.actors.machine);
    let claims = || machine.rehearsals.0.lock().expect("no actor panics with them").clone();
    let turn = world.actors.turn().await.expect("a turn");
    world.actors.wake_called(turn);
    let claimed = async {
        while claims() == Claims::default() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), claimed).await.expect("it is due soon");
    for living in world.actors.take_living() {
        living.inbox.send(JobMessage::End(Ending::Removed)).expect("it lives");
        living.life.await.expect("no panic");
    }
    assert_eq!(claims(), Claims::default());
}

#[tokio::test]
async fn a_job_for_which_too_much_waits_is_full_until_its_actor_comes_to_it() {
    let mut world = World::new();
    let turn = world.actors.turn().await.expect("a turn");
    world.actors.wake_called(turn);
    // It has not run yet, and does not while this test goes on: they share a thread.
    for _ in 0..WAITING_MAX {
        assert!(!world.actors.is_full(&world.id));
        let message = JobMessage::Update(Box::new(update(&world.id, "0 0 0 1 1 *")), None);
        world.actors.send(&world.id, message).await.expect("it is told");
    }
    assert!(world.actors.is_full(&world.id));
    let (id, who) = (world.id.clone(), "ann".to_owned());
    let (reply, answer) = oneshot::channel();
    let refused = world.actors.admit(Command::Start { job: id.clone(), who: who.clone(), reply });
    assert!(refused.is_none() && matches!(answer.await, Ok(Err(CommandError::Busy(job))) if job == id));
    let (reply, _answer) = oneshot::channel();
    assert!(
        world.actors.admit(Command::Stop { job: id.clone(), who: who.clone(), reply }).is_some(),
        "a stop goes through"
    );
    let other = JobId { kind: JobKind::Continuous, ..id };
    let (reply, _answer) = oneshot::channel();
    assert!(world.actors.admit(Command::Start { job: other, who, reply }).is_some(), "others are not in its way");
    world.rests.recv().await.expect("it rests when it has heard all");
    assert!(!world.actors.is_full(&world.id));
    world.actors.let_rest(&world.id).await;
    assert!(world.is_at_rest() && !world.actors.is_full(&world.id));
}
