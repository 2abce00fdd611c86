//! Next times: a table checked by hand, nights on which the clock changes, and a slow oracle.

mod change;
mod oracle;
mod table;

use super::*;

/// Reads a schedule.
fn schedule(expression: &str, zone: &str) -> Schedule {
    let expression = Expression::parse(expression).unwrap_or_else(|error| panic!("`{expression}`: {error}"));
    Schedule::new(expression, Zone::parse(zone).expect("a zone"))
}

/// Reads a moment in UTC: `2026-03-10`, or `2026-03-10T10:20:30`.
fn utc(text: &str) -> Wall {
    let civil: civil::DateTime = text.parse().unwrap_or_else(|error| panic!("`{text}`: {error}"));
    Offset::UTC.to_timestamp(civil).expect("in range")
}
