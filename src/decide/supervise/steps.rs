//! The transitions of a supervisor: one function a state, one arm an event.
//!
//! No state has a catch-all arm: a new event must be thought about in each of them.

use std::time::Duration;

use super::{Action, CLAIM_AGAIN, Event, IdleWhy, Policy, State, Step, Then};
use crate::{
    decide::{
        life::{End, Life, LifeEvent},
        restart::{Past, Verdict},
    },
    model::{
        run::Trigger,
        stop::StopReason,
        time::{Mono, Now},
    },
};

impl State {
    /// Makes one transition.
    pub fn step(self, event: Event, now: Now, policy: &Policy) -> Step {
        match self {
            Self::Idle { why } => idle(why, event),
            Self::Claiming { trigger, in_a_row } => claiming(trigger, in_a_row, event, now),
            Self::Standby { retry_at, trigger } => standby(retry_at, trigger, event, now),
            Self::Up { life, then, in_a_row } => Up { life, then, in_a_row }.step(event, now, policy),
            Self::Backoff { until, in_a_row, why } => backoff(until, in_a_row, why, event, now),
        }
    }
}

fn stay(state: State) -> Step {
    (state, Vec::new())
}

fn claim(trigger: Trigger) -> Step {
    claim_again(trigger, 0)
}

fn claim_again(trigger: Trigger, in_a_row: u32) -> Step {
    (State::Claiming { trigger, in_a_row }, vec![Action::Claim])
}

fn begin(trigger: Trigger, in_a_row: u32) -> Step {
    let (life, actions) = Life::begin();
    let begun = [Action::Begin(trigger)].into_iter().chain(actions.into_iter().map(Action::Life)).collect();
    (State::Up { life, then: Then::Policy, in_a_row }, begun)
}

fn rest(why: IdleWhy) -> Step {
    (State::Idle { why }, vec![Action::Release])
}

fn request(who: String) -> StopReason {
    StopReason::Request { who }
}

fn idle(why: IdleWhy, event: Event) -> Step {
    match event {
        Event::Start(trigger) => claim(trigger),
        Event::Restart { who } => claim(Trigger::Api { user_agent: who }),
        // A job that was left alone gets another chance with other content; one that was stopped stays stopped.
        Event::Replace { what } => match why {
            IdleWhy::New | IdleWhy::Stopped(_) => stay(State::Idle { why }),
            IdleWhy::Done(_) => claim(Trigger::Change { what }),
        },
        Event::Stop(reason) | Event::Kill(reason) => stay(State::Idle { why: IdleWhy::Stopped(reason) }),
        Event::Claimed => (State::Idle { why }, vec![Action::Release]),
        Event::Refused | Event::Life(_) | Event::Tick => stay(State::Idle { why }),
    }
}

fn next_claim(now: Mono) -> Mono {
    let n_passed = u32::try_from(now.since_start().as_secs() / CLAIM_AGAIN.as_secs()).unwrap_or(u32::MAX);
    Mono::at(CLAIM_AGAIN.saturating_mul(n_passed.saturating_add(1)))
}

fn claiming(trigger: Trigger, in_a_row: u32, event: Event, now: Now) -> Step {
    match event {
        Event::Claimed => begin(trigger, in_a_row),
        Event::Refused => stay(State::Standby { retry_at: next_claim(now.mono), trigger }),
        Event::Stop(reason) | Event::Kill(reason) => rest(IdleWhy::Stopped(reason)),
        Event::Start(_) | Event::Restart { .. } | Event::Replace { .. } | Event::Life(_) | Event::Tick => {
            stay(State::Claiming { trigger, in_a_row })
        }
    }
}

fn standby(retry_at: Mono, trigger: Trigger, event: Event, now: Now) -> Step {
    match event {
        Event::Tick if retry_at <= now.mono => claim(trigger),
        Event::Start(_) | Event::Restart { .. } => claim(trigger),
        Event::Stop(reason) | Event::Kill(reason) => rest(IdleWhy::Stopped(reason)),
        Event::Claimed => begin(trigger, 0),
        Event::Tick | Event::Refused | Event::Replace { .. } | Event::Life(_) => {
            stay(State::Standby { retry_at, trigger })
        }
    }
}

fn backoff(until: Mono, in_a_row: u32, why: String, event: Event, now: Now) -> Step {
    match event {
        Event::Tick if until <= now.mono => claim_again(Trigger::Restart, in_a_row),
        Event::Start(trigger) => claim(trigger),
        Event::Restart { who } => claim(Trigger::Api { user_agent: who }),
        // Other content may well have mended what failed.
        Event::Replace { what } => claim(Trigger::Change { what }),
        Event::Stop(reason) | Event::Kill(reason) => rest(IdleWhy::Stopped(reason)),
        Event::Tick | Event::Claimed | Event::Refused | Event::Life(_) => stay(State::Backoff { until, in_a_row, why }),
    }
}

struct Up {
    life: Life,
    then: Then,
    in_a_row: u32,
}

impl Up {
    fn step(mut self, event: Event, now: Now, policy: &Policy) -> Step {
        match event {
            Event::Life(event) => self.life(event, now, policy),
            Event::Tick => self.life(LifeEvent::Tick, now, policy),
            Event::Stop(reason) => {
                self.then = Then::Idle(reason.clone());
                self.life(LifeEvent::Stop(reason), now, policy)
            }
            Event::Kill(reason) => {
                self.then = Then::Idle(reason.clone());
                self.life(LifeEvent::Kill(reason), now, policy)
            }
            Event::Replace { what } => {
                self.again(Trigger::Change { what: what.clone() });
                self.life(LifeEvent::Stop(StopReason::Changed { what }), now, policy)
            }
            Event::Restart { who } => {
                self.again(Trigger::Api { user_agent: who.clone() });
                self.life(LifeEvent::Stop(request(who)), now, policy)
            }
            Event::Start(trigger) => {
                // On its way down, it comes back; else it is up already.
                if matches!(self.then, Then::Idle(_)) {
                    self.then = Then::Again(trigger);
                }
                stay(self.into_state())
            }
            Event::Claimed | Event::Refused => stay(self.into_state()),
        }
    }

    /// A job that is being stopped stays stopped, whatever else comes, until somebody starts it.
    fn again(&mut self, trigger: Trigger) {
        match self.then {
            Then::Policy | Then::Again(_) => self.then = Then::Again(trigger),
            Then::Idle(_) => {}
        }
    }

    fn life(self, event: LifeEvent, now: Now, policy: &Policy) -> Step {
        let Self { life, then, in_a_row } = self;
        let (life, actions) = life.step(event, now, &policy.life);
        let mut actions: Vec<Action> = actions.into_iter().map(Action::Life).collect();
        let end = match &life {
            Life::Ended { end } => end.clone(),
            Life::Preparing
            | Life::Spawning { .. }
            | Life::Running { .. }
            | Life::Stopping { .. }
            | Life::Killing { .. }
            | Life::Draining { .. }
            | Life::Sweeping { .. } => {
                return (State::Up { life, then, in_a_row }, actions);
            }
        };
        let (state, follow) = follow(then, in_a_row, &end, now, policy);
        actions.push(Action::Finish(end));
        actions.extend(follow);
        (state, actions)
    }

    fn into_state(self) -> State {
        State::Up { life: self.life, then: self.then, in_a_row: self.in_a_row }
    }
}

/// Shortest rest after a life that had no process: such lives take no time, and without a rest one would follow the other
/// while nothing else gets its turn.
const DELAY_UNSTARTED_MIN: Duration = Duration::from_secs(1);

/// Decides what comes after a life.
fn follow(then: Then, in_a_row: u32, end: &End, now: Now, policy: &Policy) -> Step {
    match then {
        Then::Idle(reason) => rest(IdleWhy::Stopped(reason)),
        Then::Again(trigger) => claim(trigger),
        Then::Policy => {
            let past = Past { outcome: end.outcome, lived: end.lived, in_a_row };
            match policy.restart.after(past, policy.luck) {
                Verdict::Again { delay, in_a_row } if delay.is_zero() && end.exit.is_some() => {
                    claim_again(Trigger::Restart, in_a_row)
                }
                Verdict::Again { delay, in_a_row } => {
                    let delay = if end.exit.is_some() { delay } else { delay.max(DELAY_UNSTARTED_MIN) };
                    let why = if end.reason.is_empty() { "it ended".to_owned() } else { end.reason.clone() };
                    let state = State::Backoff { until: now.mono + delay, in_a_row, why };
                    (state, vec![Action::SayBackoff(delay)])
                }
                Verdict::Done { why } => {
                    let (state, mut actions) = rest(IdleWhy::Done(why.clone()));
                    actions.push(Action::SayDone(why));
                    (state, actions)
                }
            }
        }
    }
}
