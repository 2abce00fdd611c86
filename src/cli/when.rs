//! Moments and durations: as people write them on the command line, and as tables show them.

use std::time::Duration;

use jiff::{Span, Timestamp, Zoned, civil, tz::TimeZone};

use crate::{
    cli::look::{Look, Times},
    model::time::Wall,
};

/// Which way a distance such as `1h` is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Back from now.
    Past,
    /// On from now.
    Future,
}

/// Reads a moment: RFC 3339, a local date or date and time, `now`, `today`, `yesterday`, `tomorrow`, or a distance from
/// now such as `1h30m` or `2d`.
///
/// # Errors
/// When the text is none of these; the message is for the user.
pub fn moment(text: &str, now: Wall, zone: &TimeZone, direction: Direction) -> Result<Wall, String> {
    let text = text.trim();
    let here = now.to_zoned(zone.clone());
    let midnight = |day: Result<Zoned, jiff::Error>| day.and_then(|day| day.start_of_day()).ok();
    let named = match text {
        "now" => Some(here.clone()),
        "today" => midnight(Ok(here.clone())),
        "yesterday" => midnight(here.yesterday()),
        "tomorrow" => midnight(here.tomorrow()),
        _ => None,
    };
    if let Some(moment) = named {
        return Ok(moment.timestamp());
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let local = text.parse::<civil::DateTime>().ok().and_then(|local| local.to_zoned(zone.clone()).ok());
    if let Some(local) = local {
        return Ok(local.timestamp());
    }
    let far = text.parse::<Span>().ok().map(Span::abs).and_then(|span| match direction {
        Direction::Past => here.checked_sub(span).ok(),
        Direction::Future => here.checked_add(span).ok(),
    });
    far.map(|moment| moment.timestamp()).ok_or_else(|| {
        format!("`{text}` is not a time; write 1h30m, 2d, today, 2026-02-28, 2026-02-28T14:30 or 2026-02-28T14:30:00Z")
    })
}

/// Writes a moment as the look asks for.
pub fn show(moment: Wall, look: &Look) -> String {
    match look.times {
        Times::Exact => format!("{moment:.0}"),
        Times::Relative => relative(moment, look.now),
    }
}

/// Writes a moment as its distance from now: `3 m ago`, `in 12 s`.
pub fn relative(moment: Wall, now: Wall) -> String {
    let seconds = moment.as_second() - now.as_second();
    let size = seconds.unsigned_abs();
    let text = match size {
        0 => return "now".to_owned(),
        1..60 => format!("{size} s"),
        60..3_600 => format!("{} m", size / 60),
        3_600..172_800 => format!("{} h", size / 3_600),
        _ => format!("{} d", size / 86_400),
    };
    if seconds > 0 { format!("in {text}") } else { format!("{text} ago") }
}

/// Writes how long something took, with two units at most.
pub fn duration(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{}.{} s", s, duration.subsec_millis() / 100),
        60..3_600 => format!("{} m {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} m", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// Returns how long ago a moment is; zero when it lies ahead.
pub fn since(moment: Wall, now: Wall) -> Duration {
    Duration::try_from(now.duration_since(moment)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T18:00:00Z";

    fn at(text: &str) -> Wall {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let read = |text, direction| moment(text, at(NOW), &zone, direction).map(|moment| moment.to_string());
        for (text, moment) in [
            ("1h30m", "2026-11-22T16:30:00Z"),
            ("2d", "2026-11-20T18:00:00Z"),
            ("90s", "2026-11-22T17:58:30Z"),
            ("1w", "2026-11-15T18:00:00Z"),
            ("1 hour ago", "2026-11-22T17:00:00Z"),
            (" now ", "2026-11-22T18:00:00Z"),
            ("today", "2026-11-21T23:00:00Z"),
            ("yesterday", "2026-11-20T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
            ("2026-07-01 12:30", "2026-07-01T10:30:00Z"),
            ("2026-07-01T12:30:01", "2026-07-01T10:30:01Z"),
            ("2026-11-22T10:00:00-05:00", "2026-11-22T15:00:00Z"),
        ] {
            assert_eq!(read(text, Direction::Past).as_deref(), Ok(moment), "{text}");
        }
        assert_eq!(read("1h30m", Direction::Future).as_deref(), Ok("2026-11-22T19:30:00Z"));
        assert_eq!(read("tomorrow", Direction::Future).as_deref(), Ok("2026-11-22T23:00:00Z"));
        for bad in ["", "soon", "12", "2026-13-01", "1x"] {
            assert!(read(bad, Direction::Past).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_shown_by_its_distance() {
        for (moment, text) in [
            ("2026-11-22T18:00:00.9Z", "now"),
            ("2026-11-22T18:00:12Z", "in 12 s"),
            ("2026-11-22T17:56:30Z", "3 m ago"),
            ("2026-11-22T16:00:00Z", "2 h ago"),
            ("2026-11-24T17:59:59Z", "in 47 h"),
            ("2026-11-12T18:00:00Z", "10 d ago"),
        ] {
            assert_eq!(relative(at(moment), at(NOW)), text);
        }
    }

    #[test]
    fn a_duration_is_shown_in_two_units() {
        for (ms, text) in [
            (0, "0 ms"),
            (250, "250 ms"),
            (3_290, "3.2 s"),
            (65_000, "1 m 5 s"),
            (11_520_000, "3 h 12 m"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }
}
