//! Whether schedules rest because people paused them, and until when.
//!
//! ```text
//!  own pause   ------[=========)------------     a job rests while either lasts;
//!  all paused  -----------[==========)------     the end of a pause is no longer part of it
//! ```

use crate::model::{
    time::Wall,
    wish::{Pause, Wishes},
};

/// A pause as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// The pause that is told of: the job's own before that of all.
    pub pause: Pause,
    /// Whether it is one of all jobs.
    pub all: bool,
    /// When the job rests no more; later than the pause's own end where another outlasts it.
    pub until: Option<Wall>,
}

/// Returns how a job is paused at `now`.
pub fn paused(wishes: &Wishes, now: Wall) -> Option<Paused> {
    let lasts = |pause: &&Pause| pause.until.is_none_or(|until| until > now);
    let (own, all) = (wishes.paused.as_ref().filter(lasts), wishes.all_paused.as_ref().filter(lasts));
    let pause = own.or(all)?;
    let ends = || own.into_iter().chain(all).map(|pause| pause.until);
    let until = if ends().any(|until| until.is_none()) { None } else { ends().flatten().max() };
    Some(Paused { pause: pause.clone(), all: own.is_none(), until })
}

/// Returns the pause that ended last before `now` by itself, and its last moment.
pub fn ended(wishes: &Wishes, now: Wall) -> Option<(String, Wall)> {
    let pauses = wishes.paused.iter().map(|pause| (pause, false));
    let pauses = pauses.chain(wishes.all_paused.iter().map(|pause| (pause, true)));
    let over = pauses.filter_map(|(pause, all)| Some((pause.until.filter(|until| *until <= now)?, pause, all)));
    let (until, pause, all) = over.max_by_key(|(until, ..)| *until)?;
    Some((why(pause, all), last_moment(until)))
}

/// Returns the last moment before an end.
pub fn last_moment(until: Wall) -> Wall {
    until.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(until)
}

/// Tells of a pause.
pub fn why(pause: &Pause, all: bool) -> String {
    let whose = if all { "all jobs are paused" } else { "paused" };
    let until = pause.until.map(|until| format!(" until {until}")).unwrap_or_default();
    let reason = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let by = if pause.by.is_empty() { "somebody" } else { &pause.by };
    format!("{whose} by {by}{until}{reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(second: i64) -> Wall {
        Wall::from_second(second).expect("a time")
    }

    fn pause(until: Option<i64>) -> Option<Pause> {
        Some(Pause { by: "ann".to_owned(), at: wall(0), until: until.map(wall), reason: None })
    }

    #[test]
    fn a_job_rests_while_any_pause_lasts() {
        for (own, all, now, expected) in [
            (None, None, 5, None),
            (pause(Some(10)), None, 9, Some((false, Some(10)))),
            (pause(Some(10)), None, 10, None),
            (pause(None), None, 1_000, Some((false, None))),
            (None, pause(Some(20)), 5, Some((true, Some(20)))),
            (pause(Some(10)), pause(Some(20)), 5, Some((false, Some(20)))),
            (pause(Some(10)), pause(Some(20)), 15, Some((true, Some(20)))),
            (pause(Some(10)), pause(None), 5, Some((false, None))),
            (pause(Some(10)), pause(Some(7)), 30, None),
        ] {
            let wishes = Wishes { paused: own, all_paused: all, ..Wishes::default() };
            let told = paused(&wishes, wall(now)).map(|paused| (paused.all, paused.until));
            assert_eq!(
                told,
                expected.map(|(all, until): (bool, Option<i64>)| (all, until.map(wall))),
                "{wishes:?} {now}"
            );
        }
    }

    #[test]
    fn the_pause_that_ended_last_is_told_with_its_last_moment() {
        let wishes = Wishes { paused: pause(Some(10)), all_paused: pause(Some(20)), ..Wishes::default() };
        assert_eq!(ended(&wishes, wall(9)), None);
        let end = |text: &str, until: i64| Some((text.to_owned(), last_moment(wall(until))));
        assert_eq!(ended(&wishes, wall(10)), end("paused by ann until 1970-01-01T00:00:10Z", 10));
        assert_eq!(ended(&wishes, wall(99)), end("all jobs are paused by ann until 1970-01-01T00:00:20Z", 20));
        assert!(last_moment(wall(10)) < wall(10));
    }

    #[test]
    fn a_pause_says_who_until_when_and_why() {
        let told = Pause { reason: Some("moving house".to_owned()), ..pause(None).expect("a pause") };
        assert_eq!(why(&told, false), "paused by ann: moving house");
    }
}
