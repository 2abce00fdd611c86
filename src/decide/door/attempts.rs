//! Failed logins: who has to wait before the next try, and for how long.
//!
//! Failures are counted for the client's address and for the name that was tried. The first few cost nothing: people
//! mistype. After them each one doubles the wait, up to a minute, so that guessing is hopeless and nobody is locked out for
//! good. A right login clears what was counted for its address and its name.
//!
//! The table is bounded; when it is full, what failed longest ago is forgotten.

use core::net::IpAddr;
use std::{collections::BTreeMap, time::Duration};

use crate::model::time::Mono;

/// Failures that cost no wait.
const FREE: u32 = 5;

/// The wait after the first failure that costs one.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Failures are forgotten when nothing has failed for so long.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// Addresses and names that are remembered.
const ENTRIES_MAX: usize = 10_000;

/// Longest part of a name that is kept, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Who tries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A client.
    Address(IpAddr),
    /// A user's name, whoever it says.
    Name(String),
}

impl Who {
    /// Makes one of a name, however long it is.
    pub fn named(name: &str) -> Self {
        Self::Name(name.chars().take(NAME_CHARS_MAX).collect())
    }
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Mono,
}

/// What has failed.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    failures: BTreeMap<Who, Failures>,
    /// The same by time, so that the oldest is found at once.
    order: BTreeMap<(Mono, Who), ()>,
}

impl Attempts {
    /// Returns how long whoever tries has to wait; `None` when not at all.
    pub fn wait<'w>(&self, who: impl IntoIterator<Item = &'w Who>, now: Mono) -> Option<Duration> {
        let left = who.into_iter().filter_map(|one| self.wait_of(one, now)).max();
        left.filter(|left| !left.is_zero())
    }

    fn wait_of(&self, who: &Who, now: Mono) -> Option<Duration> {
        let failures = self.failures.get(who).filter(|failures| failures.count > FREE)?;
        let doublings = (failures.count - FREE - 1).min(16);
        let wait = WAIT_MIN.saturating_mul(1 << doublings).min(WAIT_MAX);
        Some(wait.saturating_sub(now.since(failures.last)))
    }

    /// Counts a failure.
    pub fn failed(&mut self, who: impl IntoIterator<Item = Who>, now: Mono) {
        while let Some(((last, _), ())) = self.order.first_key_value()
            && now.since(*last) > FORGET_AFTER
        {
            self.forget_oldest();
        }
        for one in who {
            let before = self.failures.get(&one).copied();
            match before {
                Some(before) => drop(self.order.remove(&(before.last, one.clone()))),
                None if self.failures.len() >= ENTRIES_MAX => self.forget_oldest(),
                None => {}
            }
            let count = before.map_or(0, |before| before.count).saturating_add(1);
            self.failures.insert(one.clone(), Failures { count, last: now });
            self.order.insert((now, one), ());
        }
    }

    /// Forgets what was counted for these, who have proved themselves.
    pub fn succeeded<'w>(&mut self, who: impl IntoIterator<Item = &'w Who>) {
        for one in who {
            if let Some(failures) = self.failures.remove(one) {
                self.order.remove(&(failures.last, one.clone()));
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(((_, who), ())) = self.order.pop_first() {
            self.failures.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: f64) -> Mono {
        Mono::at(Duration::from_secs_f64(seconds))
    }

    fn address(last: u8) -> Who {
        Who::Address([192, 0, 2, last].into())
    }

    fn of(number: u32) -> Who {
        Who::Address(core::net::Ipv4Addr::from(number).into())
    }

    fn wait(attempts: &Attempts, who: &Who, now: Mono) -> f64 {
        attempts.wait([who], now).unwrap_or_default().as_secs_f64()
    }

    #[test]
    fn the_wait_grows_up_to_a_minute_and_runs_out() {
        let mut attempts = Attempts::default();
        let mut waits = Vec::new();
        for _ in 0..14 {
            attempts.failed([address(1)], at(0.0));
            waits.push(wait(&attempts, &address(1), at(0.0)));
        }
        assert_eq!(waits, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(wait(&attempts, &address(1), at(59.5)), 0.5);
        assert_eq!(attempts.wait([&address(1)], at(60.0)), None);
        assert_eq!(wait(&attempts, &address(2), at(0.0)), 0.0, "others wait for nobody");
        attempts.failed([address(1)], at(100.0));
        assert_eq!(wait(&attempts, &address(1), at(100.0)), 60.0, "it is not forgotten yet");
        attempts.failed([address(1)], at(2000.0));
        assert_eq!(wait(&attempts, &address(1), at(2000.0)), 0.0, "it is forgotten");
    }

    #[test]
    fn a_right_login_clears_its_address_and_its_name() {
        let mut attempts = Attempts::default();
        let (ada, bob) = (Who::named("ada"), Who::named("bob"));
        for _ in 0..8 {
            attempts.failed([address(1), ada.clone()], at(0.0));
            attempts.failed([address(2), bob.clone()], at(0.0));
        }
        assert!(attempts.wait([&address(3), &ada], at(0.0)).is_some(), "a name waits from everywhere");
        attempts.succeeded([&address(1), &ada]);
        assert!(attempts.wait([&address(1), &ada], at(0.0)).is_none());
        assert!(attempts.wait([&address(2)], at(0.0)).is_some() && attempts.wait([&bob], at(0.0)).is_some());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut attempts = Attempts::default();
        for n in 0..(ENTRIES_MAX as u32 + 1000) {
            attempts.failed([of(n), Who::named(&format!("{n}").repeat(50))], at(f64::from(n) / 1e3));
        }
        assert_eq!((attempts.failures.len(), attempts.order.len()), (ENTRIES_MAX, ENTRIES_MAX));
        attempts.failed([address(1)], at(1e6));
        assert_eq!((attempts.failures.len(), attempts.order.len()), (1, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nobody_waits_longer_than_a_minute_and_the_two_tables_agree(
            steps in prop::collection::vec((0_u32..5, prop::bool::weighted(0.8), 0.0_f64..200.0), 1..200)
        ) {
            let (mut attempts, mut now) = (Attempts::default(), 0.0);
            for (who, fails, pause) in steps {
                now += pause;
                let who = of(who);
                if fails {
                    attempts.failed([who.clone()], at(now));
                } else {
                    attempts.succeeded([&who]);
                    prop_assert_eq!(attempts.wait([&who], at(now)), None);
                }
                prop_assert!(attempts.wait([&who], at(now)).unwrap_or_default() <= WAIT_MAX);
                prop_assert_eq!(attempts.wait([&who], at(now) + WAIT_MAX), None, "nobody is locked out for good");
                prop_assert_eq!(attempts.failures.len(), attempts.order.len());
            }
        }

        #[test]
        fn guessing_without_a_pause_gets_few_tries(minutes in 1_u32..60) {
            let (mut attempts, mut now, mut tries) = (Attempts::default(), at(0.0), 0);
            let end = at(f64::from(minutes) * 60.0);
            while now < end {
                match attempts.wait([&address(1)], now) {
                    Some(wait) => now = now + wait,
                    None => {
                        attempts.failed([address(1)], now);
                        tries += 1;
                    }
                }
            }
            prop_assert!(tries <= FREE + 7 + minutes, "{} tries in {} minutes", tries, minutes);
        }
    }
}
