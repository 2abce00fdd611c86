//! Scripts of events against the machine: one run from start to its last process.

use super::*;
use crate::model::time::Now;

fn at(seconds: f64) -> Now {
    Now { mono: Mono::at(Duration::from_secs_f64(seconds)), wall: "2026-01-01T00:00:00Z".parse().expect("a time") }
}

fn policy() -> LifePolicy {
    LifePolicy {
        grace: Duration::from_secs(5),
        stop_signal: StopSignal::TERM,
        timeout: Some(Duration::from_secs(100)),
        idle_timeout: Some(Duration::from_secs(20)),
        success_exit_codes: vec![0, 3],
    }
}

fn request() -> StopReason {
    StopReason::Request { who: "a test".to_owned() }
}

fn spawned() -> [(f64, LifeEvent); 2] {
    [(0.0, LifeEvent::Prepared), (0.0, LifeEvent::Spawned { pid: 7 })]
}

/// Plays events at their seconds, and a tick at every deadline between them; renders what happens, a line each.
fn transcript(events: &[(f64, LifeEvent)]) -> String {
    let policy = policy();
    let (mut life, actions) = Life::begin();
    let mut lines = vec![format!("0.0 begin -> {actions:?}")];
    for (second, event) in events {
        while let Some(due) = life.next_deadline().filter(|due| due.since_start().as_secs_f64() < *second) {
            let (next, actions) = life.step(LifeEvent::Tick, at(due.since_start().as_secs_f64()), &policy);
            life = next;
            lines.push(format!("{:.1} tick -> {} {actions:?}", due.since_start().as_secs_f64(), word(&life)));
        }
        let (next, actions) = life.step(event.clone(), at(*second), &policy);
        life = next;
        lines.push(format!("{second:.1} {event:?} -> {} {actions:?}", word(&life)));
    }
    if let Life::Ended { end } = &life {
        lines.push(format!("{:?} after {:.1} s: {}", end.outcome, end.lived.as_secs_f64(), end.reason));
    }
    lines.join("\n")
}

fn word(life: &Life) -> &'static str {
    match life {
        Life::Preparing => "preparing",
        Life::Spawning { .. } => "spawning",
        Life::Running { .. } => "running",
        Life::Stopping { .. } => "stopping",
        Life::Killing { .. } => "killing",
        Life::Draining { .. } => "draining",
        Life::Sweeping { .. } => "sweeping",
        Life::Ended { .. } => "ended",
    }
}

fn play(after_spawn: &[(f64, LifeEvent)]) -> String {
    transcript(&[&spawned()[..], after_spawn].concat())
}

#[test]
fn a_run_that_succeeds_is_swept_before_it_ends() {
    insta::assert_snapshot!(play(&[
        (1.0, LifeEvent::Exited { exit: Exit::Code(3) }),
        (1.5, LifeEvent::OutputClosed),
        (1.6, LifeEvent::Swept { survivors: 0 }),
    ]), @"
    0.0 begin -> [Prepare]
    0.0 Prepared -> spawning [Spawn]
    0.0 Spawned { pid: 7 } -> running []
    1.0 Exited { exit: Code(3) } -> draining []
    1.5 OutputClosed -> sweeping [Sweep]
    1.6 Swept { survivors: 0 } -> ended []
    Succeeded after 1.5 s: 
    ");
}

#[test]
fn a_process_that_ignores_terminate_is_killed_after_grace() {
    insta::assert_snapshot!(play(&[
        (1.0, LifeEvent::Stop(request())),
        (6.1, LifeEvent::Exited { exit: Exit::Signal(9) }),
        (6.1, LifeEvent::Swept { survivors: 0 }),
    ]), @r#"
    0.0 begin -> [Prepare]
    0.0 Prepared -> spawning [Spawn]
    0.0 Spawned { pid: 7 } -> running []
    1.0 Stop(Request { who: "a test" }) -> stopping [Terminate(StopSignal(15))]
    6.0 tick -> killing [Kill]
    6.1 Exited { exit: Signal(9) } -> sweeping [CutOutput, Sweep]
    6.1 Swept { survivors: 0 } -> ended []
    Stopped after 6.1 s: stopped on request of a test (signal 9 (SIGKILL))
    "#);
}

#[test]
fn a_group_told_to_end_has_its_grace_after_its_leader_is_gone() {
    insta::assert_snapshot!(play(&[
        (1.0, LifeEvent::Stop(request())),
        (1.1, LifeEvent::Exited { exit: Exit::Signal(15) }),
        (1.1, LifeEvent::OutputClosed),
        (4.0, LifeEvent::GroupGone),
        (4.0, LifeEvent::Swept { survivors: 0 }),
    ]), @r#"
    0.0 begin -> [Prepare]
    0.0 Prepared -> spawning [Spawn]
    0.0 Spawned { pid: 7 } -> running []
    1.0 Stop(Request { who: "a test" }) -> stopping [Terminate(StopSignal(15))]
    1.1 Exited { exit: Signal(15) } -> draining [AwaitGroup]
    1.1 OutputClosed -> draining []
    4.0 GroupGone -> sweeping [Sweep]
    4.0 Swept { survivors: 0 } -> ended []
    Stopped after 4.0 s: stopped on request of a test (signal 15 (SIGTERM))
    "#);
}

#[test]
fn output_that_somebody_holds_open_is_cut_after_the_drain_time() {
    insta::assert_snapshot!(play(&[
        (1.0, LifeEvent::Exited { exit: Exit::Code(1) }),
        (9.0, LifeEvent::Swept { survivors: 1 }),
    ]), @"
    0.0 begin -> [Prepare]
    0.0 Prepared -> spawning [Spawn]
    0.0 Spawned { pid: 7 } -> running []
    1.0 Exited { exit: Code(1) } -> draining []
    6.0 tick -> sweeping [CutOutput, Sweep]
    9.0 Swept { survivors: 1 } -> ended []
    Failed after 6.0 s: exit code 1
    ");
}

#[test]
fn a_quiet_run_without_work_is_stopped_after_its_idle_timeout() {
    let measured = |last: f64, cpu: f64| LifeEvent::Measured {
        last_output: Some(Mono::at(Duration::from_secs_f64(last))),
        cpu: Some(Duration::from_secs_f64(cpu)),
    };
    insta::assert_snapshot!(play(&[
        (20.0, LifeEvent::Tick),
        (20.0, measured(15.0, 0.1)),
        (35.0, LifeEvent::Tick),
        (35.0, measured(15.0, 9.0)),
        (55.0, LifeEvent::Tick),
        (55.0, measured(15.0, 9.0)),
    ]), @"
    0.0 begin -> [Prepare]
    0.0 Prepared -> spawning [Spawn]
    0.0 Spawned { pid: 7 } -> running []
    20.0 Tick -> running [Measure]
    20.0 Measured { last_output: Some(Mono(15s)), cpu: Some(100ms) } -> running []
    35.0 Tick -> running [Measure]
    35.0 Measured { last_output: Some(Mono(15s)), cpu: Some(9s) } -> running []
    55.0 Tick -> running [Measure]
    55.0 Measured { last_output: Some(Mono(15s)), cpu: Some(9s) } -> stopping [Terminate(StopSignal(15))]
    ");
}

#[test]
fn a_run_that_used_little_at_its_first_look_is_looked_at_again_soon() {
    let measured = |cpu: f64| LifeEvent::Measured {
        last_output: Some(Mono::at(Duration::ZERO)),
        cpu: Some(Duration::from_secs_f64(cpu)),
    };
    let ends = |looks: &[(f64, f64)]| {
        let events: Vec<_> =
            looks.iter().flat_map(|(at, cpu)| [(*at, LifeEvent::Tick), (*at, measured(*cpu))]).collect();
        let last = play(&events).lines().last().map(|line| line.contains("stopping"));
        last.expect("a line")
    };
    assert!(!ends(&[(20.0, 0.3)]), "it may have begun to work a moment ago");
    assert!(ends(&[(20.0, 0.3), (25.0, 0.3)]), "it did nothing since");
    assert!(!ends(&[(20.0, 0.3), (25.0, 0.31)]), "a busy machine gave it little, and it took that");
    assert!(!ends(&[(20.0, 0.6)]), "no start takes so long");
    assert!(ends(&[(20.0, 0.6), (40.0, 0.6)]), "a whole bound without work");
}

#[test]
fn a_stop_before_the_process_is_there_waits_for_it() {
    insta::assert_snapshot!(transcript(&[
        (0.0, LifeEvent::Prepared),
        (0.1, LifeEvent::Stop(request())),
        (0.2, LifeEvent::Spawned { pid: 7 }),
    ]), @r#"
    0.0 begin -> [Prepare]
    0.0 Prepared -> spawning [Spawn]
    0.1 Stop(Request { who: "a test" }) -> spawning []
    0.2 Spawned { pid: 7 } -> stopping [Terminate(StopSignal(15))]
    "#);
}

#[test]
fn a_kill_before_the_process_is_there_leaves_it_no_grace() {
    let told = transcript(&[
        (0.0, LifeEvent::Prepared),
        (0.1, LifeEvent::Stop(request())),
        (0.2, LifeEvent::Kill(request())),
        (0.5, LifeEvent::Spawned { pid: 7 }),
    ]);
    assert!(told.ends_with("0.5 Spawned { pid: 7 } -> killing [Kill]"), "{told}");
}

fn states() -> Vec<Life> {
    let process = Process { pid: 7, since: Mono::at(Duration::ZERO), output_closed: false };
    let closed = Process { output_closed: true, ..process };
    let end = End { outcome: Outcome::Failed, exit: None, reason: "x".to_owned(), stop: None, lived: Duration::ZERO };
    let until = Mono::at(Duration::from_secs(10));
    let mut states = vec![
        Life::Preparing,
        Life::Spawning { stop: None, at_once: false },
        Life::Spawning { stop: Some(request()), at_once: false },
        Life::Spawning { stop: Some(request()), at_once: true },
        Life::Running { process, timeout_at: None, idle: None },
        Life::Running { process, timeout_at: Some(until), idle: Some(IdleWatch { look_at: until, cpu: None }) },
        Life::Stopping { process, why: request(), kill_at: until },
        Life::Killing { process, why: request() },
        Life::Sweeping { end: end.clone() },
        Life::Ended { end },
    ];
    for (process, group) in [(process, Awaited::Yes), (process, Awaited::No), (closed, Awaited::Yes)] {
        states.push(Life::Draining { process, exit: Exit::Code(0), why: None, until, group });
    }
    states
}

fn events() -> Vec<LifeEvent> {
    vec![
        LifeEvent::Prepared,
        LifeEvent::Spawned { pid: 8 },
        LifeEvent::StartFailed { why: "no".to_owned() },
        LifeEvent::Exited { exit: Exit::Code(0) },
        LifeEvent::OutputClosed,
        LifeEvent::GroupGone,
        LifeEvent::Measured { last_output: None, cpu: None },
        LifeEvent::Swept { survivors: 0 },
        LifeEvent::Stop(request()),
        LifeEvent::Kill(request()),
        LifeEvent::Tick,
    ]
}

#[test]
fn every_event_in_every_state_keeps_the_invariants() {
    for state in states() {
        for event in events() {
            for second in [0.0, 10.0, 50.0] {
                let now = at(second);
                let (next, actions) = state.clone().step(event.clone(), now, &policy());
                let said = format!("{state:?} + {event:?} at {second} -> {next:?} {actions:?}");
                let due = |life: &Life| life.next_deadline().is_some_and(|due| due <= now.mono);
                if event == LifeEvent::Tick {
                    assert!(!due(&next), "a tick leaves no deadline due: {said}");
                }
                let spawns = actions.contains(&LifeAction::Spawn);
                assert!(!spawns || state == Life::Preparing, "only a prepared run is started: {said}");
                let ended = matches!(state, Life::Ended { .. });
                assert!(!ended || (next == state && actions.is_empty()), "the end is the end: {said}");
                let swept = actions.contains(&LifeAction::Sweep);
                assert_eq!(
                    swept,
                    matches!(next, Life::Sweeping { .. }) && !matches!(state, Life::Sweeping { .. }),
                    "a run is swept exactly once: {said}"
                );
            }
        }
    }
}

#[test]
fn a_kill_that_comes_before_the_process_is_not_softened_to_a_stop() {
    let now = at(0.0);
    let mut life = Life::Spawning { stop: None, at_once: false };
    for event in [LifeEvent::Stop(request()), LifeEvent::Kill(request()), LifeEvent::Stop(request())] {
        life = life.step(event, now, &policy()).0;
    }
    let (life, actions) = life.step(LifeEvent::Spawned { pid: 7 }, now, &policy());
    assert!(matches!(life, Life::Killing { .. }), "{life:?}");
    assert_eq!(actions, [LifeAction::Kill]);
}

proptest::proptest! {
    /// Whatever happened: a kill, then the facts that follow from it, end the run.
    #[test]
    fn any_events_then_a_kill_reach_the_end(picks in proptest::collection::vec((0..11usize, 0..30u32), 0..20)) {
        let all = events();
        let (mut life, _) = Life::begin();
        let mut second = 0.0;
        for (pick, gap) in picks {
            second += f64::from(gap);
            life = life.step(all[pick].clone(), at(second), &policy()).0;
        }
        for event in [
            LifeEvent::Kill(request()),
            LifeEvent::Spawned { pid: 9 },
            LifeEvent::Kill(request()),
            LifeEvent::Exited { exit: Exit::Signal(9) },
            LifeEvent::OutputClosed,
            LifeEvent::GroupGone,
            LifeEvent::Swept { survivors: 0 },
        ] {
            life = life.step(event, at(second), &policy()).0;
        }
        let ended = matches!(life, Life::Ended { .. });
        proptest::prop_assert!(ended, "{:?}", life);
    }
}
