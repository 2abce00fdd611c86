//! Deliveries to hooks: what an answer means, when a failed one is tried again, which go next, how many may wait.
//!
//! ```text
//!  event ── admit ──> waiting ── next ──> on its way ── judge ──> delivered | gone | given up
//!                        ^                                   │
//!                        └───────────── again after ─────────┘
//! ```
//! A delivery is tried at least once and at most [`ATTEMPTS_MAX`] times; a receiver may get one twice, and tells so by
//! its number.

use std::{collections::BTreeMap, time::Duration};

use jiff::fmt::rfc2822;

use crate::model::{
    hook::{DeliveryId, HookId},
    time::{Mono, Wall},
};

/// Longest time that a receiver may take (spec/kudu-webjobs 8.9).
pub const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Attempts of one delivery.
pub const ATTEMPTS_MAX: u32 = 8;
/// A delivery that is older is not tried again.
pub const AGE_MAX: Duration = Duration::from_secs(6 * 3600);
/// Time before the first retry; each further one waits four times as long.
pub const DELAY_FIRST: Duration = Duration::from_secs(1);
/// Longest time before a retry, also where a receiver asks for more.
pub const DELAY_MAX: Duration = Duration::from_secs(3600);

/// Hooks of a root.
pub const HOOKS_MAX: usize = 100;
/// Deliveries of one hook that wait on one host.
pub const WAITING_MAX_EACH: usize = 1000;
/// Deliveries of all hooks that wait on one host.
pub const WAITING_MAX: usize = 5000;
/// Bytes of all bodies that wait on one host.
pub const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of one body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Deliveries to one hook at once, so that a slow receiver does not hold up the others.
pub const BUSY_MAX_EACH: usize = 4;
/// Deliveries at once.
pub const BUSY_MAX: usize = 64;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The receiver answered with a status, and perhaps asked for some time.
    Answer(u16, Option<Duration>),
    /// It did not answer.
    Nothing,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Delivered,
    /// The receiver wants no more of any.
    Gone,
    /// It is not tried again.
    GivenUp,
    /// It is tried again after this time.
    Again(Duration),
}

/// Judges an attempt, the `attempt`th of a delivery that is `age` old. `luck`, from 0 up to 1, spreads the retries of
/// many.
pub fn judge(heard: Heard, attempt: u32, age: Duration, luck: f64) -> Verdict {
    let asked = match heard {
        Heard::Answer(200..=299, _) => return Verdict::Delivered,
        Heard::Answer(410, _) => return Verdict::Gone,
        Heard::Answer(408 | 429 | 500..=599, asked) => asked,
        // A redirect is not followed, and whoever refuses what it got would refuse it again.
        Heard::Answer(_, _) => return Verdict::GivenUp,
        Heard::Nothing => None,
    };
    let delay = asked.map_or_else(|| backoff(attempt, luck), |asked| asked.clamp(DELAY_FIRST, DELAY_MAX));
    if attempt >= ATTEMPTS_MAX || age.saturating_add(delay) > AGE_MAX {
        Verdict::GivenUp
    } else {
        Verdict::Again(delay)
    }
}

/// Reads a `Retry-After`: seconds, or a date.
pub fn retry_after(text: &str, now: Wall) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Tells whether one more delivery to a hook may wait, where `each` of that hook, `all` and `bytes` wait already.
///
/// # Errors
/// When it may not: why, for people.
pub fn admit(each: usize, all: usize, bytes: usize) -> Result<(), &'static str> {
    if each >= WAITING_MAX_EACH {
        Err("too many deliveries to this hook wait already")
    } else if all >= WAITING_MAX || bytes >= WAITING_BYTES_MAX {
        Err("too many deliveries wait already")
    } else {
        Ok(())
    }
}

/// Returns the next delivery to try, and when: the one that is due first among those whose hook is free. `waiting` are
/// all that are not on their way.
pub fn next<'a>(
    waiting: impl Iterator<Item = (&'a DeliveryId, HookId, Mono)>,
    busy: &BTreeMap<HookId, usize>,
) -> Option<(Mono, &'a DeliveryId)> {
    if busy.values().sum::<usize>() >= BUSY_MAX {
        return None;
    }
    let free = waiting.filter(|(_, hook, _)| busy.get(hook).is_none_or(|count| *count < BUSY_MAX_EACH));
    free.map(|(id, _, due)| (due, id)).min()
}

/// Returns .NET's name of a status, as Kudu shows it: `OK`, `NotFound`, and the number where there is none.
pub fn status_name(status: u16, reason: Option<&str>) -> String {
    let name: String = reason.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
    if name.is_empty() { status.to_string() } else { name }
}

fn backoff(attempt: u32, luck: f64) -> Duration {
    let grown = DELAY_FIRST.saturating_mul(4_u32.saturating_pow(attempt.saturating_sub(1)));
    // Up to a quarter later than the others.
    grown.min(DELAY_MAX).mul_f64(1.0 + luck.clamp(0.0, 1.0) / 4.0).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YOUNG: Duration = Duration::from_secs(1);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_says_what_follows() {
        let again = |n| Verdict::Again(seconds(n));
        for (heard, verdict) in [
            (Heard::Answer(200, None), Verdict::Delivered),
            (Heard::Answer(204, Some(seconds(5))), Verdict::Delivered),
            (Heard::Answer(410, None), Verdict::Gone),
            (Heard::Answer(301, None), Verdict::GivenUp),
            (Heard::Answer(400, None), Verdict::GivenUp),
            (Heard::Answer(401, Some(seconds(5))), Verdict::GivenUp),
            (Heard::Answer(404, None), Verdict::GivenUp),
            (Heard::Answer(408, None), again(1)),
            (Heard::Answer(429, Some(seconds(7))), again(7)),
            (Heard::Answer(429, Some(seconds(0))), again(1)),
            (Heard::Answer(503, Some(seconds(100_000))), again(3600)),
            (Heard::Answer(500, None), again(1)),
            (Heard::Answer(599, None), again(1)),
            (Heard::Nothing, again(1)),
        ] {
            assert_eq!(judge(heard, 1, YOUNG, 0.0), verdict, "{heard:?}");
        }
    }

    #[test]
    fn retries_wait_longer_each_time_and_end() {
        let delays = (1..).map_while(|attempt| match judge(Heard::Nothing, attempt, YOUNG, 0.0) {
            Verdict::Again(delay) => Some(delay.as_secs()),
            Verdict::Delivered | Verdict::Gone | Verdict::GivenUp => None,
        });
        assert_eq!(delays.collect::<Vec<_>>(), [1, 4, 16, 64, 256, 1024, 3600]);
        assert_eq!(judge(Heard::Nothing, 2, YOUNG, 1.0), Verdict::Again(seconds(5)));
        assert_eq!(judge(Heard::Nothing, 7, YOUNG, 1.0), Verdict::Again(DELAY_MAX));
        assert_eq!(judge(Heard::Nothing, 2, AGE_MAX, 0.0), Verdict::GivenUp);
        assert_eq!(judge(Heard::Nothing, u32::MAX, YOUNG, 0.5), Verdict::GivenUp);
    }

    #[test]
    fn a_receiver_may_ask_for_time_in_both_forms() {
        let now: Wall = "2015-10-21T07:28:00Z".parse().expect("a time");
        for (text, expected) in [
            ("120", Some(seconds(120))),
            (" 0 ", Some(seconds(0))),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(seconds(30))),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(seconds(0))),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), expected, "{text}");
        }
    }

    #[test]
    fn the_first_that_is_due_goes_unless_its_hook_is_busy() {
        let now: Wall = "2015-10-21T07:28:00Z".parse().expect("a time");
        let slow = HookId::at(now, None);
        let fast = HookId::at(now, Some(slow));
        let ids = ["a", "b", "c"].map(|id| DeliveryId(id.to_owned()));
        let due = |n| Mono::at(seconds(n));
        let waiting = [(&ids[0], slow, due(1)), (&ids[1], fast, due(3)), (&ids[2], fast, due(2))];
        let pick = |busy: &[(HookId, usize)]| next(waiting.into_iter(), &busy.iter().copied().collect());
        assert_eq!(pick(&[]), Some((due(1), &ids[0])));
        assert_eq!(pick(&[(slow, BUSY_MAX_EACH)]), Some((due(2), &ids[2])));
        assert_eq!(pick(&[(slow, BUSY_MAX_EACH), (fast, BUSY_MAX_EACH)]), None);
        assert_eq!(pick(&[(slow, BUSY_MAX)]), None);
    }

    #[test]
    fn what_waits_is_bounded() {
        assert_eq!(admit(WAITING_MAX_EACH - 1, WAITING_MAX - 1, WAITING_BYTES_MAX - 1), Ok(()));
        assert!(admit(WAITING_MAX_EACH, 0, 0).is_err());
        assert!(admit(0, WAITING_MAX, 0).is_err());
        assert!(admit(0, 0, WAITING_BYTES_MAX).is_err());
    }

    #[test]
    fn a_status_has_dotnets_name() {
        for (status, reason, name) in [
            (200, Some("OK"), "OK"),
            (404, Some("Not Found"), "NotFound"),
            (500, Some("Internal Server Error"), "InternalServerError"),
            (299, None, "299"),
        ] {
            assert_eq!(status_name(status, reason), name);
        }
    }
}
