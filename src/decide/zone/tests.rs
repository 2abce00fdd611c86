//! Names of both kinds, in any case; unknown names and what they offer instead.

use super::*;

#[test]
fn iana_and_windows_names_mean_the_same_zone_in_any_case() {
    for (name, iana) in [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        (" Europe/Berlin ", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("w. europe standard time", "Europe/Berlin"),
        ("PACIFIC STANDARD TIME", "America/Los_Angeles"),
        ("Eastern Standard Time", "America/New_York"),
        ("AUS Eastern Standard Time", "Australia/Sydney"),
        ("Turks and Caicos Standard Time", "America/Grand_Turk"),
        ("Lord Howe Standard Time", "Australia/Lord_Howe"),
        ("UTC-11", "Etc/GMT+11"),
        ("UTC", "UTC"),
        ("utc", "UTC"),
    ] {
        assert_eq!(Zone::parse(name).map(|zone| zone.name().to_owned()), Ok(iana.to_owned()), "{name}");
    }
}

#[test]
fn every_windows_name_is_a_zone() {
    for zone in WindowsTimezone::iter() {
        assert!(Zone::parse(zone.name()).is_ok(), "{}", zone.name());
    }
}

#[test]
fn an_unknown_name_is_refused_and_similar_ones_are_offered() {
    for (name, message) in [
        ("Europe/Berln", "`Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?"),
        ("Berlin", "`Berlin` is not a time zone; did you mean `Europe/Berlin`?"),
        ("new york", "`new york` is not a time zone; did you mean `America/New_York`?"),
        (
            "W Europe Standard Time",
            "`W Europe Standard Time` is not a time zone; \
             did you mean `W. Europe Standard Time` or `E. Europe Standard Time`?",
        ),
        (
            "Mars/Phobos",
            "`Mars/Phobos` is not a time zone; \
             use an IANA name such as Europe/Berlin or a Windows name such as W. Europe Standard Time",
        ),
    ] {
        assert_eq!(Zone::parse(name).expect_err("refused").to_string(), message);
    }
    for name in ["", " ", "Etc/Unknown", "../etc/passwd", "+02:00", "Ä", &"x".repeat(10_000)] {
        assert!(Zone::parse(name).is_err(), "{name}");
    }
}

#[test]
fn a_zone_without_a_name_is_described() {
    assert_eq!(Zone::from_tz(TimeZone::fixed(jiff::tz::offset(2))).name(), "UTC+02");
    assert_eq!(Zone::utc().name(), "UTC");
}
