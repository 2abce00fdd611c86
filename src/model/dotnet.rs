//! How Kudu writes moments and spans of time (spec/kudu-webjobs 8.1): .NET's forms, seven digits after the point; and
//! its count of ticks, by which Kudu numbers hooks.

use std::time::Duration;

use jiff::tz::Offset;

use crate::model::time::Wall;

/// A moment that is not known: .NET's first.
pub const NO_DATE: &str = "0001-01-01T00:00:00";

/// Ticks, of 100 ns each, in a second.
const TICKS: u32 = 10_000_000;

/// Ticks from .NET's first moment to 1970.
const TICKS_TO_1970: i128 = 621_355_968_000_000_000;

/// Returns the ticks of a moment since .NET's first.
pub fn ticks(moment: Wall) -> u64 {
    u64::try_from(moment.as_nanosecond() / 100 + TICKS_TO_1970).unwrap_or(0)
}

/// Writes a moment in UTC, without zeroes at the end of its fraction.
pub fn date(moment: Option<Wall>) -> String {
    let Some(moment) = moment else { return NO_DATE.to_owned() };
    let utc = Offset::UTC.to_datetime(moment);
    let ticks = format!(".{:07}", utc.subsec_nanosecond() / 100);
    let (year, month, day) = (utc.year(), utc.month(), utc.day());
    let (hour, minute, second) = (utc.hour(), utc.minute(), utc.second());
    let fraction = ticks.trim_end_matches('0').trim_end_matches('.');
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Writes a span in .NET's form "c": `[d.]hh:mm:ss[.fffffff]`.
pub fn duration(span: Duration) -> String {
    let (seconds, ticks) = (span.as_secs(), span.subsec_nanos() / (1_000_000_000 / TICKS));
    let days = match seconds / 86_400 {
        0 => String::new(),
        days => format!("{days}."),
    };
    let fraction = if ticks == 0 { String::new() } else { format!(".{ticks:07}") };
    format!("{days}{:02}:{:02}:{:02}{fraction}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_up_to_seven_digits() {
        for (moment, text) in [
            ("2015-10-20T03:36:42.5903978Z", "2015-10-20T03:36:42.5903978Z"),
            ("2015-10-20T03:36:42.590397899Z", "2015-10-20T03:36:42.5903978Z"),
            ("2015-10-20T03:36:42.59Z", "2015-10-20T03:36:42.59Z"),
            ("2015-10-20T03:36:42Z", "2015-10-20T03:36:42Z"),
            ("2015-10-20T03:36:42.00000001Z", "2015-10-20T03:36:42Z"),
            ("2015-10-20T05:36:40.1+02:00", "2015-10-20T03:36:40.1Z"),
        ] {
            assert_eq!(date(moment.parse().ok()), text);
        }
        assert_eq!(date(None), "0001-01-01T00:00:00");
    }

    #[test]
    fn ticks_count_from_the_year_1() {
        for (moment, count) in [
            ("0001-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00Z", 621_355_968_000_000_000),
            ("2015-10-20T03:36:42.5903978Z", 635_809_090_025_903_978),
        ] {
            assert_eq!(ticks(moment.parse().expect(moment)), count);
        }
    }

    #[test]
    fn durations_have_seven_digits_or_none() {
        for (span, text) in [
            (Duration::ZERO, "00:00:00"),
            (Duration::new(20, 242_498_900), "00:00:20.2424989"),
            (Duration::new(20, 242_498_999), "00:00:20.2424989"),
            (Duration::from_millis(1_500), "00:00:01.5000000"),
            (Duration::from_secs(93_600), "1.02:00:00"),
            (Duration::new(10 * 86_400 + 59, 1_000), "10.00:00:59.0000010"),
        ] {
            assert_eq!(duration(span), text);
        }
    }
}
