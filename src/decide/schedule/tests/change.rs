//! Nights, and one day, on which the clock changes.

use super::*;

/// Writes the occurrences after a moment, one a line: local time, offset, and its mark.
fn occurrences(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(expression, zone);
    let tz = schedule.zone().tz();
    let after = after.parse::<Wall>().expect("a moment with its offset");
    let line = |occurrence: Occurrence| {
        let local = occurrence.at.to_zoned(tz.clone()).strftime("%m-%d %H:%M %:z").to_string();
        match occurrence.mark {
            DstMark::Plain => local,
            DstMark::GapShifted { instead_of } => format!("{local} for {}", instead_of.strftime("%d %H:%M")),
            DstMark::FoldFirst => format!("{local} first"),
            DstMark::FoldSecond => format!("{local} second"),
        }
    };
    schedule.upcoming(after, count).into_iter().map(line).collect()
}

#[track_caller]
fn check(expression: &str, zone: &str, after: &str, wanted: &[&str]) {
    assert_eq!(occurrences(expression, zone, after, wanted.len()), wanted, "{expression} in {zone}");
}

#[test]
fn a_fixed_time_in_a_gap_occurs_once_at_its_end() {
    let berlin = ("Europe/Berlin", "2026-03-28T12:00+01:00");
    let check = |expression, wanted: &[&str]| check(expression, berlin.0, berlin.1, wanted);
    check("0 30 2 * * *", &["03-29 03:00 +02:00 for 29 02:30", "03-30 02:30 +02:00"]);
    check("0 0 2 * * *", &["03-29 03:00 +02:00 for 29 02:00", "03-30 02:00 +02:00"]);
    check("0 0 3 * * *", &["03-29 03:00 +02:00", "03-30 03:00 +02:00"]);
    check("0 */15 2 * * *", &["03-29 03:00 +02:00 for 29 02:00", "03-30 02:00 +02:00"]);
    check("0 0 2,3 * * *", &["03-29 03:00 +02:00 for 29 02:00", "03-30 02:00 +02:00"]);
    check(
        "0 */30 1-3 * * *",
        &["03-29 01:00 +01:00", "03-29 01:30 +01:00", "03-29 03:00 +02:00 for 29 02:00", "03-29 03:30 +02:00"],
    );
    check("0 59 1 * * *", &["03-29 01:59 +01:00", "03-30 01:59 +02:00"]);
}

#[test]
fn a_fixed_time_that_is_doubled_occurs_at_its_first_pass() {
    let berlin = ("Europe/Berlin", "2026-10-24T12:00+02:00");
    let check = |expression, wanted: &[&str]| check(expression, berlin.0, berlin.1, wanted);
    check("0 30 2 * * *", &["10-25 02:30 +02:00 first", "10-26 02:30 +01:00"]);
    check("0 0 2 * * *", &["10-25 02:00 +02:00 first", "10-26 02:00 +01:00"]);
    check("0 0 3 * * *", &["10-25 03:00 +01:00", "10-26 03:00 +01:00"]);
    check(
        "0 */30 1-3 * * *",
        &[
            "10-25 01:00 +02:00",
            "10-25 01:30 +02:00",
            "10-25 02:00 +02:00 first",
            "10-25 02:30 +02:00 first",
            "10-25 03:00 +01:00",
        ],
    );
}

#[test]
fn asked_within_the_second_pass_fixed_times_have_passed() {
    for after in ["2026-10-25T02:00+01:00", "2026-10-25T02:10+01:00", "2026-10-25T02:59:59.5+01:00"] {
        check("0 30 2 * * *", "Europe/Berlin", after, &["10-26 02:30 +01:00"]);
        check("* * 1-3 * * *", "Europe/Berlin", after, &["10-25 03:00 +01:00"]);
    }
    check("0 30 2 * * *", "Europe/Berlin", "2026-10-25T02:10+02:00", &["10-25 02:30 +02:00 first"]);
}

#[test]
fn an_interval_goes_on_in_real_time() {
    check(
        "0 */15 * * * *",
        "Europe/Berlin",
        "2026-03-29T01:30+01:00",
        &["03-29 01:45 +01:00", "03-29 03:00 +02:00", "03-29 03:15 +02:00"],
    );
    check(
        "0 */30 * * * *",
        "Europe/Berlin",
        "2026-10-25T01:30+02:00",
        &[
            "10-25 02:00 +02:00 first",
            "10-25 02:30 +02:00 first",
            "10-25 02:00 +01:00 second",
            "10-25 02:30 +01:00 second",
            "10-25 03:00 +01:00",
        ],
    );
    check("@hourly", "America/New_York", "2026-03-08T01:00-05:00", &["03-08 03:00 -04:00", "03-08 04:00 -04:00"]);
}

#[test]
fn new_york_changes_at_two() {
    let (spring, autumn) = ("2026-03-07T12:00-05:00", "2026-10-31T12:00-04:00");
    check("0 15 2 * * *", "America/New_York", spring, &["03-08 03:00 -04:00 for 08 02:15", "03-09 02:15 -04:00"]);
    check("0 30 1 * * *", "America/New_York", autumn, &["11-01 01:30 -04:00 first", "11-02 01:30 -05:00"]);
    check("0 0 2 * * *", "Eastern Standard Time", autumn, &["11-01 02:00 -05:00", "11-02 02:00 -05:00"]);
}

#[test]
fn lord_howe_changes_by_half_an_hour() {
    let zone = "Australia/Lord_Howe";
    let (spring, autumn) = ("2026-10-04T01:30+10:30", "2026-04-05T01:15+11:00");
    check("0 15 2 * * *", zone, spring, &["10-04 02:30 +11:00 for 04 02:15", "10-05 02:15 +11:00"]);
    check("0 45 2 * * *", zone, spring, &["10-04 02:45 +11:00", "10-05 02:45 +11:00"]);
    check("0 */15 * * * *", zone, spring, &["10-04 01:45 +10:30", "10-04 02:30 +11:00", "10-04 02:45 +11:00"]);
    check("0 45 1 * * *", zone, autumn, &["04-05 01:45 +11:00 first", "04-06 01:45 +10:30"]);
    check(
        "0 */15 * * * *",
        zone,
        autumn,
        &[
            "04-05 01:30 +11:00 first",
            "04-05 01:45 +11:00 first",
            "04-05 01:30 +10:30 second",
            "04-05 01:45 +10:30 second",
            "04-05 02:00 +10:30",
        ],
    );
}

#[test]
fn sao_paulo_changed_at_midnight() {
    let zone = "America/Sao_Paulo";
    let (spring, autumn) = ("2018-11-03T12:00-03:00", "2018-02-17T12:00-02:00");
    check("@daily", zone, spring, &["11-04 01:00 -02:00 for 04 00:00", "11-05 00:00 -02:00"]);
    check("0 0 0 * * Sun", zone, spring, &["11-04 01:00 -02:00 for 04 00:00", "11-11 00:00 -02:00"]);
    check("0 30 23 * * *", zone, autumn, &["02-17 23:30 -02:00 first", "02-18 23:30 -03:00"]);
    check("@daily", zone, autumn, &["02-18 00:00 -03:00", "02-19 00:00 -03:00"]);
    check("@daily", zone, "2026-11-03T12:00-03:00", &["11-04 00:00 -03:00", "11-05 00:00 -03:00"]);
}

#[test]
fn apia_had_no_30_december_2011() {
    let (zone, eve) = ("Pacific/Apia", "2011-12-29T12:30-10:00");
    check("0 0 12 * * *", zone, eve, &["12-31 00:00 +14:00 for 30 12:00", "12-31 12:00 +14:00", "01-01 12:00 +14:00"]);
    check("@daily", zone, eve, &["12-31 00:00 +14:00 for 30 00:00", "01-01 00:00 +14:00"]);
    check("0 0 12 30 12 *", zone, eve, &["12-31 00:00 +14:00 for 30 12:00", "12-30 12:00 +14:00"]);
    check("0 0 */6 * * *", zone, eve, &["12-29 18:00 -10:00", "12-31 00:00 +14:00 for 30 00:00", "12-31 06:00 +14:00"]);
    check(
        "@hourly",
        zone,
        "2011-12-29T22:30-10:00",
        &["12-29 23:00 -10:00", "12-31 00:00 +14:00", "12-31 01:00 +14:00"],
    );
}

#[test]
fn a_zone_without_changes_has_no_marks() {
    for zone in ["UTC", "Asia/Tokyo", "Etc/GMT+11"] {
        let upcoming = schedule("0 */15 * * * *", zone).upcoming(utc("2026-03-28"), 400);
        assert!(upcoming.iter().all(|occurrence| occurrence.mark == DstMark::Plain), "{zone}");
    }
}

#[test]
fn the_answer_is_quick_and_final_for_dates_that_never_come() {
    for zone in ["UTC", "Europe/Berlin", "Pacific/Apia", "Africa/Casablanca"] {
        for hour in ["*", "2"] {
            assert_eq!(schedule(&format!("0 0 {hour} 31 2 *"), zone).next_after(utc("2026-01-01")), None);
        }
    }
    assert_eq!(schedule("* * * * * *", "Europe/Berlin").next_after(Wall::MAX), None);
    assert_eq!(schedule("0 0 2 * * *", "Europe/Berlin").next_after(Wall::MAX), None);
    assert!(schedule("* * * * * *", "Europe/Berlin").next_after(Wall::MIN).is_some());
    assert!(schedule("0 0 2 * * *", "Europe/Berlin").next_after(Wall::MIN).is_some());
}
