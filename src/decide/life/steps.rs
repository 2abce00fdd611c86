//! The transitions of `Life`: one function a state, one arm an event.
//!
//! No state has a catch-all arm: a new event must be thought about in each of them.

use std::time::Duration;

use super::{Awaited, DRAIN, End, IdleWatch, Life, LifeAction, LifeEvent, LifePolicy, LifeStep, Process};
use crate::model::{
    exit::Exit,
    run::Outcome,
    stop::StopReason,
    time::{Mono, Now},
};

/// Processor time that a program may use for its start alone, before it does any work.
const START_CPU_MAX: Duration = Duration::from_millis(500);

/// Which part of the bound lies between the first look at a run that prints nothing and the second.
const FIRST_LOOK_PART: u32 = 4;

impl Life {
    /// Makes one transition.
    pub fn step(self, event: LifeEvent, now: Now, policy: &LifePolicy) -> LifeStep {
        match self {
            Self::Preparing => preparing(event),
            Self::Spawning { stop, at_once } => spawning(stop, at_once, event, now, policy),
            Self::Running { process, timeout_at, idle } => {
                Running { process, timeout_at, idle }.step(event, now, policy)
            }
            Self::Stopping { process, why, kill_at } => stopping(process, why, kill_at, event, now, policy),
            Self::Killing { process, why } => killing(process, why, event, now, policy),
            Self::Draining { process, exit, why, until, group } => {
                Draining { process, exit, why, until, group }.step(event, now, policy)
            }
            Self::Sweeping { end } => sweeping(end, event),
            Self::Ended { end } => stay(Self::Ended { end }),
        }
    }
}

fn stay(life: Life) -> LifeStep {
    (life, Vec::new())
}

fn never_ran(outcome: Outcome, reason: String, stop: Option<StopReason>) -> LifeStep {
    stay(Life::Ended { end: End { outcome, exit: None, reason, stop, lived: Duration::ZERO } })
}

fn preparing(event: LifeEvent) -> LifeStep {
    match event {
        LifeEvent::Prepared => (Life::Spawning { stop: None, at_once: false }, vec![LifeAction::Spawn]),
        LifeEvent::StartFailed { why } => never_ran(Outcome::Failed, why, None),
        LifeEvent::Stop(why) | LifeEvent::Kill(why) => {
            never_ran(why.outcome(), format!("{why}, before its process was there"), Some(why))
        }
        LifeEvent::Spawned { .. }
        | LifeEvent::Exited { .. }
        | LifeEvent::OutputClosed
        | LifeEvent::GroupGone
        | LifeEvent::Measured { .. }
        | LifeEvent::Swept { .. }
        | LifeEvent::Tick => stay(Life::Preparing),
    }
}

fn spawning(stop: Option<StopReason>, at_once: bool, event: LifeEvent, now: Now, policy: &LifePolicy) -> LifeStep {
    match event {
        LifeEvent::Spawned { pid } => {
            let process = Process { pid, since: now.mono, output_closed: false };
            let timeout_at = policy.timeout.map(|timeout| now.mono + timeout);
            let idle = policy.idle_timeout.map(|idle| IdleWatch { look_at: now.mono + idle, cpu: None });
            match stop {
                None => stay(Life::Running { process, timeout_at, idle }),
                Some(why) if at_once => kill(process, why),
                Some(why) => terminate(process, why, now, policy),
            }
        }
        LifeEvent::StartFailed { why } => never_ran(Outcome::Failed, why, stop),
        LifeEvent::Stop(why) => stay(Life::Spawning { stop: Some(stop.unwrap_or(why)), at_once }),
        LifeEvent::Kill(why) => stay(Life::Spawning { stop: Some(stop.unwrap_or(why)), at_once: true }),
        LifeEvent::Prepared
        | LifeEvent::Exited { .. }
        | LifeEvent::OutputClosed
        | LifeEvent::GroupGone
        | LifeEvent::Measured { .. }
        | LifeEvent::Swept { .. }
        | LifeEvent::Tick => stay(Life::Spawning { stop, at_once }),
    }
}

fn terminate(process: Process, why: StopReason, now: Now, policy: &LifePolicy) -> LifeStep {
    let kill_at = now.mono + policy.grace;
    (Life::Stopping { process, why, kill_at }, vec![LifeAction::Terminate(policy.stop_signal)])
}

fn kill(process: Process, why: StopReason) -> LifeStep {
    (Life::Killing { process, why }, vec![LifeAction::Kill])
}

struct Running {
    process: Process,
    timeout_at: Option<Mono>,
    idle: Option<IdleWatch>,
}

impl Running {
    fn step(mut self, event: LifeEvent, now: Now, policy: &LifePolicy) -> LifeStep {
        match event {
            LifeEvent::Exited { exit } => drain(self.process, exit, None, now, policy),
            LifeEvent::OutputClosed => {
                self.process.output_closed = true;
                stay(self.into_life())
            }
            LifeEvent::Stop(why) => terminate(self.process, why, now, policy),
            LifeEvent::Kill(why) => kill(self.process, why),
            LifeEvent::Tick => self.tick(now, policy),
            LifeEvent::Measured { last_output, cpu } => self.measured(last_output, cpu, now, policy),
            LifeEvent::Prepared
            | LifeEvent::Spawned { .. }
            | LifeEvent::StartFailed { .. }
            | LifeEvent::GroupGone
            | LifeEvent::Swept { .. } => stay(self.into_life()),
        }
    }

    fn tick(mut self, now: Now, policy: &LifePolicy) -> LifeStep {
        // The bound counts as it is now: it may have changed since the deadline was set.
        self.timeout_at = policy.timeout.map(|after| self.process.since + after);
        if let (Some(at), Some(after)) = (self.timeout_at, policy.timeout)
            && at <= now.mono
        {
            return terminate(self.process, StopReason::TimedOut { after }, now, policy);
        }
        // The measurement takes a moment; until it is here, the next look lies a whole bound ahead.
        if let (Some(idle), Some(bound)) = (&mut self.idle, policy.idle_timeout)
            && idle.look_at <= now.mono
        {
            idle.look_at = now.mono + bound;
            return (self.into_life(), vec![LifeAction::Measure]);
        }
        // The policy lost the bound since the look was planned: so does the run.
        self.idle = self.idle.filter(|idle| idle.look_at > now.mono);
        stay(self.into_life())
    }

    fn measured(mut self, last_output: Option<Mono>, cpu: Option<Duration>, now: Now, policy: &LifePolicy) -> LifeStep {
        let (Some(idle), Some(bound)) = (&mut self.idle, policy.idle_timeout) else { return stay(self.into_life()) };
        let printed_at = last_output.unwrap_or(self.process.since);
        let before = std::mem::replace(&mut idle.cpu, cpu);
        if printed_at + bound > now.mono {
            idle.look_at = printed_at + bound;
        } else if before.is_none() && cpu.is_some_and(|cpu| cpu <= START_CPU_MAX) {
            // The first look at a quiet run: what little it used may be its start alone, so a second one follows soon.
            idle.look_at = now.mono + bound / FIRST_LOOK_PART;
        } else if cpu.is_none() || cpu == before {
            return terminate(self.process, StopReason::Idle { after: bound }, now, policy);
        }
        stay(self.into_life())
    }

    fn into_life(self) -> Life {
        Life::Running { process: self.process, timeout_at: self.timeout_at, idle: self.idle }
    }
}

fn stopping(
    mut process: Process,
    why: StopReason,
    kill_at: Mono,
    event: LifeEvent,
    now: Now,
    policy: &LifePolicy,
) -> LifeStep {
    match event {
        LifeEvent::Exited { exit } => drain(process, exit, Some((why, kill_at)), now, policy),
        LifeEvent::OutputClosed => {
            process.output_closed = true;
            stay(Life::Stopping { process, why, kill_at })
        }
        LifeEvent::Tick if kill_at <= now.mono => kill(process, why),
        LifeEvent::Kill(_) => kill(process, why),
        LifeEvent::Tick
        | LifeEvent::Stop(_)
        | LifeEvent::Prepared
        | LifeEvent::Spawned { .. }
        | LifeEvent::StartFailed { .. }
        | LifeEvent::GroupGone
        | LifeEvent::Measured { .. }
        | LifeEvent::Swept { .. } => stay(Life::Stopping { process, why, kill_at }),
    }
}

fn killing(mut process: Process, why: StopReason, event: LifeEvent, now: Now, policy: &LifePolicy) -> LifeStep {
    match event {
        LifeEvent::Exited { exit } => drain(process, exit, Some((why, now.mono)), now, policy),
        LifeEvent::OutputClosed => {
            process.output_closed = true;
            stay(Life::Killing { process, why })
        }
        LifeEvent::Kill(_) => kill(process, why),
        LifeEvent::Tick
        | LifeEvent::Stop(_)
        | LifeEvent::Prepared
        | LifeEvent::Spawned { .. }
        | LifeEvent::StartFailed { .. }
        | LifeEvent::GroupGone
        | LifeEvent::Measured { .. }
        | LifeEvent::Swept { .. } => stay(Life::Killing { process, why }),
    }
}

/// The leader has exited. Told to end, its group has the rest of the grace; else only its output is awaited.
fn drain(process: Process, exit: Exit, stop: Option<(StopReason, Mono)>, now: Now, policy: &LifePolicy) -> LifeStep {
    let (why, until, group) = match stop {
        Some((why, kill_at)) if kill_at > now.mono => (Some(why), kill_at, Awaited::Yes),
        Some((why, _)) => (Some(why), now.mono, Awaited::No),
        None => (None, now.mono + DRAIN, Awaited::No),
    };
    let draining = Draining { process, exit, why, until, group };
    match group {
        Awaited::Yes => (draining.into_life(), vec![LifeAction::AwaitGroup]),
        Awaited::No => draining.check(now, policy),
    }
}

struct Draining {
    process: Process,
    exit: Exit,
    why: Option<StopReason>,
    until: Mono,
    group: Awaited,
}

impl Draining {
    fn step(mut self, event: LifeEvent, now: Now, policy: &LifePolicy) -> LifeStep {
        match event {
            LifeEvent::OutputClosed => {
                self.process.output_closed = true;
                self.check(now, policy)
            }
            LifeEvent::GroupGone => {
                self.group = Awaited::No;
                self.until = self.until.min(now.mono + DRAIN);
                self.check(now, policy)
            }
            LifeEvent::Kill(_) => self.sweep(now, policy),
            LifeEvent::Tick => self.check(now, policy),
            // It has exited by itself; what it left behind goes at the end of the drain anyway.
            LifeEvent::Stop(_)
            | LifeEvent::Prepared
            | LifeEvent::Spawned { .. }
            | LifeEvent::StartFailed { .. }
            | LifeEvent::Exited { .. }
            | LifeEvent::Measured { .. }
            | LifeEvent::Swept { .. } => stay(self.into_life()),
        }
    }

    fn check(self, now: Now, policy: &LifePolicy) -> LifeStep {
        let done = self.process.output_closed && self.group == Awaited::No;
        if done || self.until <= now.mono { self.sweep(now, policy) } else { stay(self.into_life()) }
    }

    fn sweep(self, now: Now, policy: &LifePolicy) -> LifeStep {
        let cut = (!self.process.output_closed).then_some(LifeAction::CutOutput);
        let actions = cut.into_iter().chain([LifeAction::Sweep]).collect();
        (Life::Sweeping { end: conclude(&self.process, self.exit, self.why, now, policy) }, actions)
    }

    fn into_life(self) -> Life {
        let Self { process, exit, why, until, group } = self;
        Life::Draining { process, exit, why, until, group }
    }
}

fn sweeping(end: End, event: LifeEvent) -> LifeStep {
    match event {
        LifeEvent::Swept { .. } => stay(Life::Ended { end }),
        LifeEvent::Prepared
        | LifeEvent::Spawned { .. }
        | LifeEvent::StartFailed { .. }
        | LifeEvent::Exited { .. }
        | LifeEvent::OutputClosed
        | LifeEvent::GroupGone
        | LifeEvent::Measured { .. }
        | LifeEvent::Stop(_)
        | LifeEvent::Kill(_)
        | LifeEvent::Tick => stay(Life::Sweeping { end }),
    }
}

fn conclude(process: &Process, exit: Exit, stop: Option<StopReason>, now: Now, policy: &LifePolicy) -> End {
    let lived = now.mono.since(process.since);
    let success = matches!(exit, Exit::Code(code) if policy.success_exit_codes.contains(&code));
    let (outcome, reason) = match &stop {
        Some(why) => (why.outcome(), format!("{why} ({exit})")),
        None if success => (Outcome::Succeeded, String::new()),
        None => (Outcome::Failed, exit.to_string()),
    };
    End { outcome, exit: Some(exit), reason, stop, lived }
}
