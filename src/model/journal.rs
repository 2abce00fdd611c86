//! The journal of a triggered job's due times as a whole: its lines with their corrections carried out.
//!
//! A due time whose run must wait for its turn is told as queued. What became of it is told by a later line, which names
//! the run whose line it corrects and takes its place:
//!
//! ```text
//!  10:00 queued, run 7                        10:00 caught up, run 9
//!  10:01 skipped                     ==>      10:01 skipped
//!  10:00 missed, run 7, corrects 7
//!  10:00 caught up, run 9, corrects 7
//! ```

use std::collections::HashMap;

use crate::model::run::{Line, Occurrence, OccurrenceOutcome};

/// Returns what became of due times, oldest line first, each correction in the place of what it corrects.
pub fn corrected(lines: impl IntoIterator<Item = Line>) -> Vec<Occurrence> {
    let mut told: Vec<Occurrence> = Vec::new();
    let mut places = HashMap::new();
    for line in lines {
        let Line::Occurrence(occurrence) = line else { continue };
        // What it corrects may have been cut away since.
        let place = occurrence.corrects.and_then(|run| places.get(&run).copied()).unwrap_or(told.len());
        places.extend(occurrence.run.into_iter().chain(occurrence.corrects).map(|run| (run, place)));
        if place == told.len() {
            told.push(occurrence);
        } else {
            told[place] = occurrence;
        }
    }
    told
}

/// Returns whether a due time has no run, though one was accepted for it: it waits, or its host ended while it waited.
pub fn is_open(told: &Occurrence) -> bool {
    match told.outcome {
        OccurrenceOutcome::Queued => true,
        OccurrenceOutcome::Missed => told.run.is_some(),
        OccurrenceOutcome::Ran
        | OccurrenceOutcome::Skipped
        | OccurrenceOutcome::CaughtUp
        | OccurrenceOutcome::Paused => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(texts: &[&str]) -> Vec<(String, OccurrenceOutcome)> {
        let lines = texts.iter().map(|text| serde_json::from_str(text).expect("a line"));
        corrected(lines).into_iter().map(|told| (told.due.to_string(), told.outcome)).collect()
    }

    const QUEUED: &str =
        r#"{"due":"2026-03-01T10:00:00Z","at":"2026-03-01T10:00:00Z","outcome":"queued","run":"202603011000000001"}"#;
    const SKIPPED: &str = r#"{"due":"2026-03-01T10:01:00Z","at":"2026-03-01T10:01:00Z","outcome":"skipped"}"#;

    #[test]
    fn a_later_line_takes_the_place_of_what_it_corrects() {
        let missed = r#"{"due":"2026-03-01T10:00:00Z","at":"2026-03-01T10:01:30Z","outcome":"missed",
            "run":"202603011000000001","corrects":"202603011000000001"}"#;
        let caught_up = r#"{"due":"2026-03-01T10:00:00Z","at":"2026-03-01T10:02:00Z","outcome":"caught_up",
            "run":"202603011002000001","corrects":"202603011000000001"}"#;
        let (first, second) = ("2026-03-01T10:00:00Z".to_owned(), "2026-03-01T10:01:00Z".to_owned());
        for (more, outcome) in [
            (vec![], OccurrenceOutcome::Queued),
            (vec![missed], OccurrenceOutcome::Missed),
            (vec![missed, caught_up], OccurrenceOutcome::CaughtUp),
        ] {
            let lines = [vec![QUEUED, SKIPPED], more].concat();
            assert_eq!(told(&lines), [(first.clone(), outcome), (second.clone(), OccurrenceOutcome::Skipped)]);
        }
        assert_eq!(told(&[SKIPPED, missed]).len(), 2, "what it corrects was cut away");
    }

    #[test]
    fn a_line_from_before_there_were_corrections_still_reads() {
        let old = r#"{"due":"2026-03-01T10:01:00Z","at":"2026-03-01T10:01:00Z","outcome":"missed","count":3}"#;
        assert_eq!(told(&[old]), [("2026-03-01T10:01:00Z".to_owned(), OccurrenceOutcome::Missed)]);
    }
}
