//! Due times: those to come, and what became of those that have passed.

use axum::{
    extract::{Path, RawQuery, State},
    http::StatusCode,
};

use super::{Answer, Api, JobPath, MOMENT, Params, Problem, answer, find, limit, show};
use crate::{
    api::{
        blocking,
        wire::{
            ComingWire, OccurrencesWire,
            params::{JobParams, NextParams, OccurrencesParams},
        },
    },
    model::{
        run::{Occurrence, OccurrenceOutcome},
        time::Wall,
    },
};

/// Coming due times of a job
#[utoipa::path(get, path = "/api/v1/jobs/{kind}/{name}/next", tag = "schedules", params(JobParams, NextParams),
    responses((status = 200, description = "The due times, the nearest first", body = Vec<ComingWire>)))]
pub async fn next(State(api): State<Api>, Path(path): Path<JobPath>, RawQuery(query): RawQuery) -> Answer {
    let job = find(&api, &path)?;
    let params = Params::parse(query.as_deref());
    let from: Option<Wall> = params.value("from", MOMENT)?;
    let coming = api.handle.next(&job, from, limit(&params, "count")?)?;
    let shown: Vec<_> = coming.into_iter().map(|one| show::coming(&job, one)).collect();
    Ok(answer::json(StatusCode::OK, &shown))
}

/// Coming due times of all jobs
#[utoipa::path(get, path = "/api/v1/next", tag = "schedules", params(NextParams),
    responses((status = 200, description = "The due times, the nearest first", body = Vec<ComingWire>)))]
pub async fn next_of_all(State(api): State<Api>, RawQuery(query): RawQuery) -> Answer {
    let params = Params::parse(query.as_deref());
    let from: Option<Wall> = params.value("from", MOMENT)?;
    let count = limit(&params, "count")?;
    let shown = blocking(move || {
        let mut all = Vec::new();
        for view in api.handle.view().jobs() {
            let job = &view.found.id;
            // One that is gone by now is due no more.
            let coming = api.handle.next(job, from, count).unwrap_or_default();
            all.extend(coming.into_iter().map(|one| show::coming(job, one)));
            all.sort_by(|a: &ComingWire, b| (a.due, &a.job).cmp(&(b.due, &b.job)));
            all.truncate(count);
        }
        all
    });
    Ok(answer::json(StatusCode::OK, &shown.await))
}

/// What became of a job's due times
#[utoipa::path(get, path = "/api/v1/jobs/{kind}/{name}/occurrences", tag = "schedules",
    params(JobParams, OccurrencesParams),
    responses((status = 200, description = "The due times, the newest first", body = OccurrencesWire)))]
pub async fn occurrences(State(api): State<Api>, Path(path): Path<JobPath>, RawQuery(query): RawQuery) -> Answer {
    let job = find(&api, &path)?;
    let params = Params::parse(query.as_deref());
    let wanted = Wanted {
        since: params.value("since", MOMENT)?,
        outcome: params.get("outcome").filter(|text| !text.is_empty()).map(outcome).transpose()?,
        after: params.get("cursor").filter(|text| !text.is_empty()).map(Place::parse).transpose()?,
        limit: limit(&params, "limit")?,
    };
    let all = api.handle.occurrences(&job, usize::MAX).await?;
    Ok(answer::json(StatusCode::OK, &page(all, &wanted)))
}

/// Which due times are wanted.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    since: Option<Wall>,
    outcome: Option<OccurrenceOutcome>,
    after: Option<Place>,
    limit: usize,
}

/// The place of a due time in the journal: when it was due, when that was concluded, and which it is of those that are
/// alike. It stays when the journal grows, and when its beginning is cut away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    due: i128,
    at: i128,
    nth: usize,
}

impl Place {
    fn parse(text: &str) -> Result<Self, Problem> {
        let mut parts = text.split('_');
        let mut next = || parts.next().and_then(|part| part.parse::<i128>().ok());
        let place = (next(), next(), next());
        match (place, parts.next()) {
            ((Some(due), Some(at), Some(nth)), None) if usize::try_from(nth).is_ok() => {
                Ok(Self { due, at, nth: usize::try_from(nth).unwrap_or_default() })
            }
            _ => Err(Problem::invalid(format!("`cursor={text}` is wrong: it must be the `cursor` of an answer"))),
        }
    }

    fn text(self) -> String {
        format!("{}_{}_{}", self.due, self.at, self.nth)
    }
}

fn outcome(text: &str) -> Result<OccurrenceOutcome, Problem> {
    let known = serde_json::from_value(serde_json::Value::from(text));
    known.map_err(|error| Problem::invalid(format!("`outcome={text}` is wrong: {error}")))
}

/// Takes a page out of all due times, the newest first.
fn page(all: Vec<Occurrence>, wanted: &Wanted) -> OccurrencesWire {
    let mut places: Vec<Place> = Vec::with_capacity(all.len());
    for one in &all {
        let (due, at) = (one.due.as_nanosecond(), one.at.as_nanosecond());
        // Those that are alike were concluded at once, so that they stand together.
        let nth = places.last().filter(|last| (last.due, last.at) == (due, at)).map_or(0, |last| last.nth + 1);
        places.push(Place { due, at, nth });
    }
    let begin = match wanted.after {
        None => 0,
        // What came after a place that was cut away is gone too.
        Some(after) => places.iter().position(|place| *place == after).map_or(all.len(), |at| at + 1),
    };
    let fits = |one: &Occurrence| {
        wanted.since.is_none_or(|since| one.due >= since) && wanted.outcome.is_none_or(|outcome| one.outcome == outcome)
    };
    let mut left = all.into_iter().zip(places).skip(begin).filter(|(one, _)| fits(one)).peekable();
    let (mut occurrences, mut last) = (Vec::new(), wanted.after);
    while let Some((one, place)) = left.next_if(|_| occurrences.len() < wanted.limit) {
        occurrences.push(one);
        last = Some(place);
    }
    let cursor = left.peek().and(last).map(Place::text);
    OccurrencesWire { occurrences, cursor }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Vec<Occurrence> {
        let wall = |second| Wall::from_second(second).expect("a time");
        let outcomes = [OccurrenceOutcome::Ran, OccurrenceOutcome::Paused];
        let one = |second: i64, outcome| Occurrence {
            due: wall(second),
            at: wall(second),
            outcome,
            reason: None,
            run: None,
            count: None,
            first: None,
            corrects: None,
        };
        (0..5).rev().flat_map(|second| outcomes.map(|outcome| one(second, outcome))).collect()
    }

    #[test]
    fn pages_hold_each_due_time_once_also_when_new_ones_come() {
        let mut all = journal();
        let mut wanted = Wanted { since: None, outcome: None, after: None, limit: 3 };
        let mut seen = Vec::new();
        loop {
            let page = page(all.clone(), &wanted);
            seen.extend(page.occurrences);
            let Some(cursor) = page.cursor else { break };
            wanted.after = Some(Place::parse(&cursor).expect("a cursor"));
            all.insert(0, Occurrence { due: Wall::MAX, ..all[0].clone() });
        }
        assert_eq!(seen, journal());
    }

    #[test]
    fn only_the_wanted_ones_are_shown_and_a_place_that_is_gone_ends_it() {
        let wanted = Wanted {
            since: Wall::from_second(3).ok(),
            outcome: Some(OccurrenceOutcome::Paused),
            after: None,
            limit: 9,
        };
        let shown = page(journal(), &wanted);
        let dues: Vec<i64> = shown.occurrences.iter().map(|one| one.due.as_second()).collect();
        assert_eq!((dues, shown.cursor), (vec![4, 3], None));
        let gone = Wanted { after: Some(Place { due: 7, at: 7, nth: 0 }), outcome: None, since: None, ..wanted };
        assert_eq!(page(journal(), &gone).occurrences, []);
        for wrong in ["", "1_2", "1_2_x", "1_2_-3", "1_2_3_4"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }
}
