//! Scripts of events against the machine: runs are admitted, queued, retried and cancelled.

use std::time::Duration;

use super::*;
use crate::model::exit::{Exit, StopSignal};

fn at(seconds: f64) -> Now {
    Now { mono: Mono::at(Duration::from_secs_f64(seconds)), wall: "2026-01-01T00:00:00Z".parse().expect("a time") }
}

fn policy(overlap: Overlap) -> Policy {
    Policy {
        life: LifePolicy {
            grace: Duration::from_secs(30),
            stop_signal: StopSignal::TERM,
            timeout: None,
            idle_timeout: None,
            success_exit_codes: vec![0],
        },
        overlap,
        max_concurrency: 2,
        retries: None,
    }
}

fn id(number: u64) -> RunId {
    RunId::parse(&format!("{number:018}")).expect("18 digits")
}

fn request() -> Request {
    Request { trigger: Trigger::Api { user_agent: "t".to_owned() }, arguments: None, attempt: 1 }
}

/// A job whose runs start at once and end when told.
struct World {
    policy: Policy,
    dispatch: Dispatch,
    second: f64,
    next_id: u64,
    lines: Vec<String>,
}

impl World {
    fn new(policy: Policy) -> Self {
        Self { policy, dispatch: Dispatch::default(), second: 0.0, next_id: 0, lines: Vec::new() }
    }

    fn ask(&mut self) -> RunId {
        self.ask_for(request(), false)
    }

    fn ask_for(&mut self, request: Request, elsewhere: bool) -> RunId {
        self.next_id += 1;
        let id = id(self.next_id);
        self.send(Event::Ask { id, request, elsewhere });
        id
    }

    fn exits(&mut self, id: RunId, code: i32) {
        for event in
            [LifeEvent::Exited { exit: Exit::Code(code) }, LifeEvent::OutputClosed, LifeEvent::Swept { survivors: 0 }]
        {
            self.send(Event::Life(id, event));
        }
    }

    fn until(&mut self, second: f64) {
        while let Some(due) =
            self.dispatch.next_deadline().map(|due| due.since_start().as_secs_f64()).filter(|due| *due <= second)
        {
            self.second = due;
            self.send(Event::Tick);
        }
        self.second = second;
    }

    fn send(&mut self, event: Event) {
        for action in self.dispatch.step(event, at(self.second), &self.policy) {
            let line = match &action {
                Action::Answer(id, answer) => format!("{} {answer:?}", short(*id)),
                Action::Hold(id, _) => format!("{} waits", short(*id)),
                Action::Begin(id, request) => format!("{} begins ({})", short(*id), request.trigger),
                Action::Life(id, LifeAction::Terminate(signal)) => format!("{} gets {signal}", short(*id)),
                Action::Life(..) => String::new(),
                Action::Finish(id, end) => format!("{} {:?} `{}`", short(*id), end.outcome, end.reason),
                Action::SayRetry(id, delay) => format!("{} is tried again in {delay:?}", short(*id)),
                Action::Again(request) => format!("attempt {} is due", request.attempt),
                Action::Unlock => "unlock".to_owned(),
                Action::TryLock => "try the lock".to_owned(),
            };
            if !line.is_empty() {
                self.lines.push(format!("{:.1} {line}", self.second));
            }
            match action {
                Action::Life(id, LifeAction::Prepare) => self.send(Event::Life(id, LifeEvent::Prepared)),
                Action::Life(id, LifeAction::Spawn) => self.send(Event::Life(id, LifeEvent::Spawned { pid: 7 })),
                Action::Life(id, LifeAction::AwaitGroup) => self.send(Event::Life(id, LifeEvent::GroupGone)),
                Action::Again(request) => drop(self.ask_for(request, false)),
                Action::Life(..)
                | Action::Answer(..)
                | Action::Hold(..)
                | Action::Begin(..)
                | Action::Finish(..)
                | Action::SayRetry(..)
                | Action::Unlock
                | Action::TryLock => {}
            }
        }
    }

    fn told(&self) -> String {
        self.lines.join("\n")
    }
}

fn short(id: RunId) -> String {
    format!("run {}", id.to_string().trim_start_matches('0'))
}

#[test]
fn a_trigger_during_a_run_is_refused_by_default() {
    let mut world = World::new(policy(Overlap::Skip));
    let first = world.ask();
    world.ask();
    world.exits(first, 0);
    world.ask();
    insta::assert_snapshot!(world.told(), @r"
    0.0 run 1 Started
    0.0 run 1 begins (External - t)
    0.0 run 2 Refused(AlreadyRunning)
    0.0 run 1 Succeeded ``
    0.0 unlock
    0.0 run 3 Started
    0.0 run 3 begins (External - t)
    ");
}

#[test]
fn a_queue_runs_one_after_another_and_a_cancelled_one_never() {
    let mut world = World::new(policy(Overlap::Queue));
    let (first, second, third) = (world.ask(), world.ask(), world.ask());
    world.send(Event::Cancel(second, StopReason::Request { who: "t".to_owned() }));
    world.exits(first, 1);
    world.exits(third, 0);
    insta::assert_snapshot!(world.told(), @r"
    0.0 run 1 Started
    0.0 run 1 begins (External - t)
    0.0 run 2 Queued
    0.0 run 2 waits
    0.0 run 3 Queued
    0.0 run 3 waits
    0.0 run 2 Stopped `stopped on request of t, while it waited in the queue`
    0.0 run 1 Failed `exit code 1`
    0.0 run 3 begins (External - t)
    0.0 run 3 Succeeded ``
    0.0 unlock
    ");
}

#[test]
fn a_replacing_run_waits_for_the_end_of_the_one_it_replaces() {
    let mut world = World::new(policy(Overlap::Replace));
    let first = world.ask();
    world.until(1.0);
    world.ask();
    world.ask();
    world.until(2.0);
    world.exits(first, 0);
    insta::assert_snapshot!(world.told(), @r"
    0.0 run 1 Started
    0.0 run 1 begins (External - t)
    1.0 run 2 Queued
    1.0 run 2 waits
    1.0 run 1 gets SIGTERM
    1.0 run 3 Queued
    1.0 run 3 waits
    1.0 run 2 Stopped `stopped because the next run takes its place, while it waited in the queue`
    2.0 run 1 Stopped `stopped because the next run takes its place (exit code 0)`
    2.0 run 3 begins (External - t)
    ");
}

#[test]
fn a_failed_run_is_tried_again_with_growing_delays_under_its_first_id() {
    let mut policy = policy(Overlap::Skip);
    policy.retries = Some(Retries {
        max: 2,
        delay: Duration::from_secs(10),
        backoff: 2.0,
        max_delay: Duration::from_secs(60),
        on_exit_codes: None,
    });
    let mut world = World::new(policy);
    let first = world.ask();
    world.exits(first, 1);
    world.until(10.0);
    world.exits(id(2), 1);
    world.until(30.0);
    world.exits(id(3), 1);
    world.until(1000.0);
    insta::assert_snapshot!(world.told(), @r"
    0.0 run 1 Started
    0.0 run 1 begins (External - t)
    0.0 run 1 Failed `exit code 1`
    0.0 run 1 is tried again in 10s
    0.0 unlock
    10.0 attempt 2 is due
    10.0 run 2 Started
    10.0 run 2 begins (Retry - of run 000000000000000001)
    10.0 run 2 Failed `exit code 1`
    10.0 run 2 is tried again in 20s
    10.0 unlock
    30.0 attempt 3 is due
    30.0 run 3 Started
    30.0 run 3 begins (Retry - of run 000000000000000001)
    30.0 run 3 Failed `exit code 1`
    30.0 unlock
    ");
}

#[test]
fn a_queue_behind_another_host_tries_its_lock_until_it_is_free() {
    let mut world = World::new(policy(Overlap::Queue));
    world.ask_for(request(), true);
    world.until(1.0);
    world.send(Event::Lock { ours: false });
    world.until(2.0);
    world.send(Event::Lock { ours: true });
    world.until(9.0);
    insta::assert_snapshot!(world.told(), @r"
    0.0 run 1 Queued
    0.0 run 1 waits
    1.0 try the lock
    2.0 try the lock
    2.0 run 1 begins (External - t)
    ");
}

#[test]
fn a_stop_of_all_leaves_nothing_waiting() {
    let mut world = World::new(policy(Overlap::Queue));
    let first = world.ask();
    world.ask();
    world.send(Event::StopAll(StopReason::HostStopping));
    world.exits(first, 0);
    assert!(world.dispatch.is_idle());
    assert_eq!(world.dispatch.next_deadline(), None);
}

proptest::proptest! {
    /// Whatever is asked, cancelled and ended in whatever order: each asker is answered once, each run that was begun or
    /// held is finished once, and no more run at once than allowed.
    #[test]
    fn every_trigger_is_answered_once_and_every_run_finished_once(
        overlap in 0..4usize,
        picks in proptest::collection::vec((0..6u32, 0..8u64, 0..40u32), 0..60),
    ) {
        let overlap = [Overlap::Skip, Overlap::Queue, Overlap::Allow, Overlap::Replace][overlap];
        let mut world = World::new(policy(overlap));
        let bound = if overlap == Overlap::Allow { 2 } else { 1 };
        for (what, which, gap) in picks {
            world.until(world.second + f64::from(gap));
            let run = id(world.next_id.saturating_sub(which));
            match what {
                0 | 1 => drop(world.ask()),
                2 => world.exits(run, 0),
                3 => world.exits(run, 1),
                4 => world.send(Event::Cancel(run, StopReason::Removed)),
                _ => world.send(Event::Life(run, LifeEvent::OutputClosed)),
            }
            proptest::prop_assert!(world.dispatch.lives().count() <= bound);
        }
        world.send(Event::KillAll(StopReason::HostStopping));
        for run in 1..=world.next_id {
            world.exits(id(run), 9);
        }
        proptest::prop_assert!(world.dispatch.is_idle());
        let told = world.told();
        for run in 1..=world.next_id {
            let lines = |word: &str| told.lines().filter(|line| line.contains(&format!("run {run} {word}"))).count();
            let answers = lines("Started") + lines("Queued") + lines("Refused");
            proptest::prop_assert_eq!(answers, 1, "run {}\n{}", run, told);
            let ends = lines("Succeeded") + lines("Failed") + lines("Stopped");
            proptest::prop_assert_eq!(ends, 1 - lines("Refused"), "run {}\n{}", run, told);
        }
    }
}

/// Runs that may overlap hold no lock: who queues behind one of them may find it taken.
#[test]
fn a_queued_run_waits_for_the_lock_even_when_a_run_without_it_ends_first() {
    let mut world = World::new(policy(Overlap::Allow));
    let first = world.ask();
    world.policy.overlap = Overlap::Queue;
    world.ask_for(request(), true);
    world.until(0.5);
    world.exits(first, 0);
    assert!(world.lines.iter().all(|line| !line.contains("run 2 begins")), "{:?}", world.lines);
    world.until(1.5);
    assert_eq!(world.lines.last().map(String::as_str), Some("1.0 try the lock"));
    world.send(Event::Lock { ours: false });
    world.until(2.6);
    world.send(Event::Lock { ours: true });
    assert_eq!(world.lines.last().map(String::as_str), Some("2.6 run 2 begins (External - t)"));
}
