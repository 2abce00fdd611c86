//! Scripts of events against the machine: a continuous job kept running, stopped and given up.

use super::*;
use crate::{
    decide::life::{Awaited, Process},
    model::{
        exit::{Exit, StopSignal},
        run::Outcome,
        settings::{RestartPolicy, RestartWhen},
        time::Now,
    },
};

fn at(seconds: f64) -> Now {
    Now { mono: Mono::at(Duration::from_secs_f64(seconds)), wall: "2026-01-01T00:00:00Z".parse().expect("a time") }
}

fn policy() -> Policy {
    Policy {
        life: LifePolicy {
            grace: Duration::from_secs(5),
            stop_signal: StopSignal::TERM,
            timeout: None,
            idle_timeout: None,
            success_exit_codes: vec![0],
        },
        restart: Restart { policy: RestartPolicy::default(), fixed_delay: None },
        luck: 0.5,
    }
}

fn request() -> StopReason {
    StopReason::Request { who: "a test".to_owned() }
}

fn exited(code: i32) -> [Event; 3] {
    [LifeEvent::Exited { exit: Exit::Code(code) }, LifeEvent::OutputClosed, LifeEvent::Swept { survivors: 0 }]
        .map(Event::Life)
}

/// A world in which every claim is granted and every start works, but nothing else happens by itself.
struct World {
    policy: Policy,
    state: State,
    second: f64,
    lines: Vec<String>,
}

impl World {
    fn new(policy: Policy) -> Self {
        Self { policy, state: State::new(), second: 0.0, lines: Vec::new() }
    }

    /// Lets time pass up to `second`, with a tick at every deadline.
    fn until(&mut self, second: f64) -> &mut Self {
        while let Some(due) =
            self.state.next_deadline().map(|due| due.since_start().as_secs_f64()).filter(|due| *due <= second)
        {
            self.second = due;
            self.send("tick", Event::Tick);
        }
        self.second = second;
        self
    }

    fn send(&mut self, said: &str, event: Event) -> &mut Self {
        let (state, actions) = std::mem::take(&mut self.state).step(event, at(self.second), &self.policy);
        self.state = state;
        let told: Vec<String> = actions.iter().filter_map(tell).collect();
        self.lines.push(format!("{:6.1} {said:<10} {:<9} {}", self.second, word(&self.state), told.join(", ")));
        for action in actions {
            match action {
                Action::Claim => self.quiet(Event::Claimed),
                Action::Life(LifeAction::Prepare) => self.quiet(Event::Life(LifeEvent::Prepared)),
                Action::Life(LifeAction::Spawn) => self.quiet(Event::Life(LifeEvent::Spawned { pid: 7 })),
                Action::Life(LifeAction::AwaitGroup) => self.quiet(Event::Life(LifeEvent::GroupGone)),
                Action::Life(_) | Action::Release | Action::Begin(_) | Action::Finish(_) => {}
                Action::SayBackoff(_) | Action::SayDone(_) => {}
            }
        }
        self
    }

    fn quiet(&mut self, event: Event) {
        let shown = self.lines.len();
        self.send("", event);
        let begun = self.lines.iter().skip(shown).any(|line| line.contains("begin"));
        if !begun {
            self.lines.truncate(shown);
        }
    }

    fn exits(&mut self, code: i32) -> &mut Self {
        for event in exited(code) {
            self.send(&format!("exit {code}"), event);
        }
        let dull = |line: &String| line.ends_with("up        ");
        self.lines.retain(|line| !dull(line));
        self
    }

    fn told(&self) -> String {
        self.lines.join("\n")
    }
}

fn tell(action: &Action) -> Option<String> {
    match action {
        Action::Begin(trigger) => Some(format!("begin ({trigger})")),
        Action::Life(LifeAction::Terminate(signal)) => Some(format!("send {signal}")),
        Action::Life(LifeAction::Kill) => Some("kill".to_owned()),
        Action::Life(_) | Action::Claim | Action::Release => None,
        Action::Finish(end) => Some(format!("record {:?} `{}`", end.outcome, end.reason)),
        Action::SayBackoff(delay) => Some(format!("wait {:.0} s", delay.as_secs_f64())),
        Action::SayDone(why) => Some(format!("done: {why}")),
    }
}

fn word(state: &State) -> &'static str {
    match state {
        State::Idle { .. } => "idle",
        State::Claiming { .. } => "claiming",
        State::Standby { .. } => "standby",
        State::Up { .. } => "up",
        State::Backoff { .. } => "backoff",
    }
}

#[test]
fn a_life_that_had_no_process_is_followed_by_a_rest_though_the_delay_is_zero() {
    let mut policy = policy();
    policy.restart.fixed_delay = Some(Duration::ZERO);
    let up = |life| State::Up { life, then: Then::Policy, in_a_row: 0 };
    let failed = Event::Life(LifeEvent::StartFailed { why: "no such file".to_owned() });
    let (state, _) = up(Life::Spawning { stop: None, at_once: false }).step(failed, at(5.0), &policy);
    assert!(matches!(state, State::Backoff { until, .. } if until == at(6.0).mono), "{state:?}");

    let process = Process { pid: 7, since: at(5.0).mono, output_closed: true };
    let life = Life::Draining { process, exit: Exit::Code(1), why: None, until: at(9.0).mono, group: Awaited::No };
    let swept = Event::Life(LifeEvent::Swept { survivors: 0 });
    let (state, _) = up(life).step(Event::Tick, at(9.0), &policy);
    let (state, _) = state.step(swept, at(9.0), &policy);
    assert!(matches!(state, State::Claiming { .. }), "{state:?}");
}

#[test]
fn a_crash_loop_waits_longer_each_time_and_a_healthy_life_ends_it() {
    let mut world = World::new(policy());
    world.send("start", Event::Start(Trigger::Startup));
    world.until(0.1).exits(1).until(1.2).exits(1).until(3.3).exits(0).until(200.0).exits(1).until(202.0);
    insta::assert_snapshot!(world.told(), @"
       0.0 start      claiming  
       0.0            up        begin (Startup)
       0.1 exit 1     backoff   record Failed `exit code 1`, wait 1 s
       1.1 tick       claiming  
       1.1            up        begin (Restart)
       1.2 exit 1     backoff   record Failed `exit code 1`, wait 2 s
       3.2 tick       claiming  
       3.2            up        begin (Restart)
       3.3 exit 0     backoff   record Succeeded ``, wait 4 s
       7.3 tick       claiming  
       7.3            up        begin (Restart)
     200.0 exit 1     backoff   record Failed `exit code 1`, wait 1 s
     201.0 tick       claiming  
     201.0            up        begin (Restart)
    ");
}

#[test]
fn a_stop_while_waiting_ends_the_waiting_and_a_start_begins_anew() {
    let mut world = World::new(policy());
    world.send("start", Event::Start(Trigger::Startup)).until(0.1).exits(1);
    world.send("stop", Event::Stop(request())).until(100.0);
    world.send("start", Event::Start(Trigger::Api { user_agent: "x".to_owned() }));
    insta::assert_snapshot!(world.told(), @"
       0.0 start      claiming  
       0.0            up        begin (Startup)
       0.1 exit 1     backoff   record Failed `exit code 1`, wait 1 s
       0.1 stop       idle      
     100.0 start      claiming  
     100.0            up        begin (External - x)
    ");
}

#[test]
fn a_start_while_stopping_brings_it_back_once_it_is_down() {
    let mut world = World::new(policy());
    world.send("start", Event::Start(Trigger::Startup)).until(1.0);
    world.send("stop", Event::Stop(request())).until(2.0);
    world.send("start", Event::Start(Trigger::Api { user_agent: "x".to_owned() }));
    world.until(3.0).exits(0);
    insta::assert_snapshot!(world.told(), @"
       0.0 start      claiming  
       0.0            up        begin (Startup)
       1.0 stop       up        send SIGTERM
       3.0 exit 0     claiming  record Stopped `stopped on request of a test (exit code 0)`
       3.0            up        begin (External - x)
    ");
}

#[test]
fn changed_content_replaces_the_life_at_once_even_in_backoff() {
    let mut world = World::new(policy());
    let changed = || Event::Replace { what: "`run.sh` changed".to_owned() };
    world.send("start", Event::Start(Trigger::Startup)).until(1.0);
    world.send("change", changed()).exits(0).until(2.0).exits(1);
    world.send("change", changed());
    insta::assert_snapshot!(world.told(), @"
       0.0 start      claiming  
       0.0            up        begin (Startup)
       1.0 change     up        send SIGTERM
       1.0 exit 0     claiming  record Stopped `stopped because `run.sh` changed (exit code 0)`
       1.0            up        begin (Change - `run.sh` changed)
       2.0 exit 1     backoff   record Failed `exit code 1`, wait 1 s
       2.0 change     claiming  
       2.0            up        begin (Change - `run.sh` changed)
    ");
}

#[test]
fn a_stopped_job_stays_stopped_when_its_content_changes() {
    let mut world = World::new(policy());
    world.send("start", Event::Start(Trigger::Startup)).until(1.0);
    world.send("stop", Event::Stop(request()));
    world.send("change", Event::Replace { what: "`run.sh` changed".to_owned() }).exits(0).until(99.0);
    world.send("change", Event::Replace { what: "`run.sh` changed".to_owned() });
    assert_eq!(world.state, State::Idle { why: IdleWhy::Stopped(request()) });
}

#[test]
fn a_policy_that_asks_for_no_more_leaves_it_done_until_it_changes() {
    let mut policy = policy();
    policy.restart.policy.when = RestartWhen::OnFailure;
    let mut world = World::new(policy);
    world.send("start", Event::Start(Trigger::Startup)).until(1.0).exits(0).until(50.0);
    world.send("change", Event::Replace { what: "`run.sh` changed".to_owned() });
    insta::assert_snapshot!(world.told(), @"
       0.0 start      claiming  
       0.0            up        begin (Startup)
       1.0 exit 0     idle      record Succeeded ``, done: it succeeded and its restart policy asks for no more
      50.0 change     claiming  
      50.0            up        begin (Change - `run.sh` changed)
    ");
}

/// It may have become a singleton since its last life, and run on another host.
#[test]
fn each_life_claims_anew_and_keeps_its_place_in_the_row() {
    let mut world = World::new(policy());
    world.send("start", Event::Start(Trigger::Startup)).until(0.1).exits(1);
    let (state, actions) = std::mem::take(&mut world.state).step(Event::Tick, at(2.0), &policy());
    assert_eq!(actions, [Action::Claim]);
    let (refused, _) = state.clone().step(Event::Refused, at(2.0), &policy());
    assert!(matches!(refused, State::Standby { .. }), "{refused:?}");
    let (up, _) = state.step(Event::Claimed, at(2.0), &policy());
    assert!(matches!(up, State::Up { in_a_row: 1, .. }), "{up:?}");
}

#[test]
fn all_who_stand_by_try_again_at_the_same_moments() {
    let claiming = State::Claiming { trigger: Trigger::Startup, in_a_row: 0 };
    for (second, again) in [(0.0, 5), (0.1, 5), (4.9, 5), (5.0, 10), (7.3, 10)] {
        let (state, _) = claiming.clone().step(Event::Refused, at(second), &policy());
        assert_eq!(state.next_deadline(), Some(Mono::at(Duration::from_secs(again))), "{second}");
    }
}

fn states() -> Vec<State> {
    let until = Mono::at(Duration::from_secs(10));
    let process = Process { pid: 7, since: Mono::at(Duration::ZERO), output_closed: false };
    let up = |life: Life, then: Then| State::Up { life, then, in_a_row: 2 };
    let end = End { outcome: Outcome::Failed, exit: None, reason: "x".to_owned(), stop: None, lived: Duration::ZERO };
    let running = || Life::Running { process, timeout_at: None, idle: None };
    let stopping = || Life::Stopping { process, why: request(), kill_at: until };
    vec![
        State::new(),
        State::Idle { why: IdleWhy::Stopped(request()) },
        State::Idle { why: IdleWhy::Done("x".to_owned()) },
        State::Claiming { trigger: Trigger::Startup, in_a_row: 2 },
        State::Standby { retry_at: until, trigger: Trigger::Startup },
        State::Backoff { until, in_a_row: 1, why: "x".to_owned() },
        up(Life::Preparing, Then::Policy),
        up(Life::Spawning { stop: None, at_once: false }, Then::Policy),
        up(running(), Then::Policy),
        up(stopping(), Then::Idle(request())),
        up(stopping(), Then::Again(Trigger::Restart)),
        up(Life::Killing { process, why: request() }, Then::Idle(request())),
        up(Life::Sweeping { end }, Then::Policy),
    ]
}

fn events() -> Vec<Event> {
    let mut events = vec![
        Event::Start(Trigger::Startup),
        Event::Stop(request()),
        Event::Kill(request()),
        Event::Replace { what: "`run.sh` changed".to_owned() },
        Event::Restart { who: "a test".to_owned() },
        Event::Claimed,
        Event::Refused,
        Event::Tick,
    ];
    let facts = [
        LifeEvent::Prepared,
        LifeEvent::Spawned { pid: 8 },
        LifeEvent::StartFailed { why: "no".to_owned() },
        LifeEvent::Exited { exit: Exit::Code(0) },
        LifeEvent::OutputClosed,
        LifeEvent::GroupGone,
        LifeEvent::Measured { last_output: None, cpu: None },
        LifeEvent::Swept { survivors: 0 },
    ];
    events.extend(facts.map(Event::Life));
    events
}

#[test]
fn every_event_in_every_state_keeps_the_invariants() {
    for state in states() {
        for event in events() {
            for second in [0.0, 10.0, 50.0] {
                let now = at(second);
                let (next, actions) = state.clone().step(event.clone(), now, &policy());
                let said = format!("{state:?} + {event:?} at {second} -> {next:?} {actions:?}");
                if event == Event::Tick {
                    let due = next.next_deadline().is_some_and(|due| due <= now.mono);
                    assert!(!due, "a tick leaves no deadline due: {said}");
                }
                let begins = actions.iter().filter(|a| matches!(a, Action::Begin(_))).count();
                let finishes = actions.iter().filter(|a| matches!(a, Action::Finish(_))).count();
                let lives = |state: &State| i64::from(matches!(state, State::Up { .. }));
                assert_eq!(
                    lives(&state) + begins as i64 - finishes as i64,
                    lives(&next),
                    "every life is recorded exactly once: {said}"
                );
                let stop = matches!(event, Event::Stop(_) | Event::Kill(_));
                assert!(!stop || begins == 0, "nothing begins on a stop: {said}");
            }
        }
    }
}

proptest::proptest! {
    /// Whatever happened before, a stop and the facts that follow from it end in `Idle`, with every life recorded once.
    #[test]
    fn any_events_then_a_stop_reach_idle(picks in proptest::collection::vec((0..16usize, 0..30u32), 0..30)) {
        let all = events();
        let (mut state, mut second, mut open) = (State::new(), 0.0, 0_i32);
        let ending = [
            Event::Kill(request()),
            Event::Life(LifeEvent::Spawned { pid: 9 }),
            Event::Kill(request()),
            Event::Life(LifeEvent::Exited { exit: Exit::Signal(9) }),
            Event::Life(LifeEvent::OutputClosed),
            Event::Life(LifeEvent::GroupGone),
            Event::Life(LifeEvent::Swept { survivors: 0 }),
        ];
        let script = picks.into_iter().map(|(pick, gap)| (all[pick].clone(), gap)).chain(ending.map(|event| (event, 0)));
        for (event, gap) in script {
            second += f64::from(gap);
            let (next, actions) = state.step(event, at(second), &policy());
            state = next;
            for action in actions {
                match action {
                    Action::Begin(_) => open += 1,
                    Action::Finish(_) => open -= 1,
                    _ => {}
                }
                proptest::prop_assert!((0..=1).contains(&open));
            }
        }
        let idle = matches!(state, State::Idle { .. });
        proptest::prop_assert!(idle && open == 0, "{:?}", state);
    }
}
