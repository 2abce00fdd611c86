//! What follows the end of a continuous job's life: again, and when, or not.
//!
//! The delay doubles up to its bound with every life that ends before it was healthy, with a spread so that many jobs that fail together
//! do not come back together. A `WEBJOBS_RESTART_TIME` of the host gives Kudu's fixed delay instead (product, section 2).

use std::time::Duration;

use crate::model::{
    run::Outcome,
    settings::{RestartPolicy, RestartWhen},
};

/// First delay when nothing is said.
pub const DELAY: Duration = Duration::from_secs(1);
/// By how much a delay is spread, as a part of it, to either side.
const SPREAD: f64 = 0.1;

/// A job's policy and its host's.
#[derive(Clone, Debug, PartialEq)]
pub struct Restart {
    /// The job's.
    pub policy: RestartPolicy,
    /// The host's fixed delay, for jobs that name none.
    pub fixed_delay: Option<Duration>,
}

/// How a life ended, as far as the next one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// What we conclude of it.
    pub outcome: Outcome,
    /// How long it lived.
    pub lived: Duration,
    /// Restarts in a row before it, none of them healthy.
    pub in_a_row: u32,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is started again.
    Again {
        /// After this long.
        delay: Duration,
        /// Restarts in a row, this one included.
        in_a_row: u32,
    },
    /// It is left alone.
    Done {
        /// Why, for people.
        why: String,
    },
}

impl Restart {
    /// Concludes what follows. `luck` lies in 0..1 and picks the place within the spread.
    pub fn after(&self, past: Past, luck: f64) -> Verdict {
        let policy = &self.policy;
        let wanted = match policy.when {
            RestartWhen::Always => true,
            RestartWhen::OnFailure => past.outcome != Outcome::Succeeded,
            RestartWhen::Never => false,
        };
        if !wanted {
            return Verdict::Done {
                why: format!("it {} and its restart policy asks for no more", ended(past.outcome)),
            };
        }
        let healthy = past.lived >= policy.healthy_after;
        let in_a_row = if healthy { 1 } else { past.in_a_row.saturating_add(1) };
        if policy.give_up_after.is_some_and(|bound| in_a_row > bound) {
            let why = format!("it was restarted {} times in a row without becoming healthy", in_a_row - 1);
            return Verdict::Done { why };
        }
        Verdict::Again { delay: self.delay(in_a_row, healthy, luck), in_a_row }
    }

    fn delay(&self, in_a_row: u32, healthy: bool, luck: f64) -> Duration {
        let (first, fixed) = match (self.policy.delay, self.fixed_delay) {
            (None, Some(fixed)) => (fixed, true),
            (given, _) => (given.unwrap_or(DELAY), false),
        };
        // Kudu restarts at once what lived for long enough (spec/kudu-webjobs 3.3).
        if fixed {
            return if healthy { Duration::ZERO } else { first };
        }
        let doubled = first.saturating_mul(2_u32.saturating_pow(in_a_row.saturating_sub(1).min(31)));
        let longest = self.policy.max_delay.max(first);
        let delay = doubled.min(longest);
        // At the bound it is spread to one side only: it stays a bound, and jobs that wait that long are still apart.
        let (least, most) = (delay.mul_f64(1.0 - SPREAD), delay.mul_f64(1.0 + SPREAD).min(longest));
        least + most.saturating_sub(least).mul_f64(luck)
    }
}

fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::Stopped => "was stopped",
        Outcome::Lost => "was lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restart(edit: impl FnOnce(&mut Restart)) -> Restart {
        let mut restart = Restart { policy: RestartPolicy::default(), fixed_delay: None };
        edit(&mut restart);
        restart
    }

    fn past(outcome: Outcome, lived: u64, in_a_row: u32) -> Past {
        Past { outcome, lived: Duration::from_secs(lived), in_a_row }
    }

    fn seconds(verdict: &Verdict) -> f64 {
        match verdict {
            Verdict::Again { delay, .. } => delay.as_secs_f64(),
            Verdict::Done { why } => panic!("no restart: {why}"),
        }
    }

    #[test]
    fn the_delay_doubles_up_to_its_bound_and_starts_anew_when_healthy() {
        let restart = restart(|_| {});
        let delays: Vec<f64> =
            (0..9).map(|n| seconds(&restart.after(past(Outcome::Failed, 1, n), 0.5)).round()).collect();
        assert_eq!(delays, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 57.0, 57.0, 57.0]);
        let healthy = restart.after(past(Outcome::Failed, 120, 8), 0.5);
        assert_eq!(healthy, Verdict::Again { delay: DELAY, in_a_row: 1 });
    }

    #[test]
    fn luck_spreads_the_delay_by_a_tenth_to_either_side() {
        let restart = restart(|r| r.policy.delay = Some(Duration::from_secs(10)));
        assert!((seconds(&restart.after(past(Outcome::Failed, 1, 0), 0.0)) - 9.0).abs() < 1e-9);
        assert!((seconds(&restart.after(past(Outcome::Failed, 1, 0), 1.0)) - 11.0).abs() < 1e-9);
    }

    #[test]
    fn no_luck_makes_a_delay_longer_than_its_bound() {
        let long = restart(|r| r.policy.delay = Some(Duration::from_secs(90)));
        for (restart, bound) in [(restart(|_| {}), 60.0), (long, 90.0)] {
            let at = |luck| seconds(&restart.after(past(Outcome::Failed, 1, 20), luck));
            assert!((at(0.0) - 0.9 * bound).abs() < 1e-6 && (at(1.0) - bound).abs() < 1e-6, "{bound}");
            assert!(at(0.3) < at(0.6) && at(0.999) <= bound, "{bound}");
        }
    }

    #[test]
    fn a_delay_of_zero_stays_zero() {
        let restart = restart(|r| r.policy.delay = Some(Duration::ZERO));
        assert_eq!(
            restart.after(past(Outcome::Failed, 0, 40), 0.9),
            Verdict::Again { delay: Duration::ZERO, in_a_row: 41 }
        );
    }

    #[test]
    fn the_hosts_restart_time_is_kudus_fixed_delay() {
        let restart = restart(|r| r.fixed_delay = Some(Duration::from_secs(60)));
        assert!((seconds(&restart.after(past(Outcome::Succeeded, 1, 7), 0.1)) - 60.0).abs() < 1e-9);
        assert!(seconds(&restart.after(past(Outcome::Failed, 121, 7), 0.1)) < 1e-9);
    }

    #[test]
    fn the_policy_decides_after_which_ends_it_comes_back() {
        let on_failure = restart(|r| r.policy.when = RestartWhen::OnFailure);
        assert!(matches!(on_failure.after(past(Outcome::Succeeded, 1, 0), 0.5), Verdict::Done { .. }));
        assert!(matches!(on_failure.after(past(Outcome::Failed, 1, 0), 0.5), Verdict::Again { .. }));
        let never = restart(|r| r.policy.when = RestartWhen::Never);
        assert!(matches!(never.after(past(Outcome::Failed, 1, 0), 0.5), Verdict::Done { .. }));
    }

    #[test]
    fn it_gives_up_after_the_bound_and_says_so() {
        let restart = restart(|r| r.policy.give_up_after = Some(3));
        assert!(matches!(restart.after(past(Outcome::Failed, 1, 2), 0.5), Verdict::Again { in_a_row: 3, .. }));
        assert_eq!(
            restart.after(past(Outcome::Failed, 1, 3), 0.5),
            Verdict::Done { why: "it was restarted 3 times in a row without becoming healthy".to_owned() }
        );
    }
}
