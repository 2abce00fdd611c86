//! What happens on the host, as it happens: `GET /api/v1/events`.
//!
//! The host keeps its latest events, numbered. A reader's place is a number, so that nothing waits for it; whoever comes
//! back too late for some is told so by an event `gap`, and reads the state again.

use std::{collections::BTreeSet, io};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time,
};

use super::{Answer, Api, JobPath, Params, Problem, job_id, show, sse};
use crate::{
    api::wire::{EventWire, params::EventsParams},
    model::{
        event::{Event, EventId, News},
        id::JobId,
    },
};

/// Events that are looked at, and sent, at once.
const BATCH: usize = 256;

/// What happens on the host
///
/// Server-sent events. `Last-Event-ID`, or `last_event_id`, goes on after the event with that id, without loss or doubles;
/// without it the stream begins now. An event `gap` tells that some are no longer there: read the state again.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventsParams),
    responses((status = 200, description = "Events, as they come; data of each", body = EventWire,
        content_type = "text/event-stream")))]
pub async fn events(State(api): State<Api>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let params = Params::parse(query.as_deref());
    let wanted = Wanted { job: job(&api, &params)?, kinds: kinds(&params)? };
    let after = match sse::last_id(&headers, &params) {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| Problem::invalid(format!("`{text}` is no id of an event")))?),
    };
    let place = sse::place(&api)?;
    let last = api.handle.view().events().follow();
    let at = after.unwrap_or_else(|| *last.borrow());
    let feed = Feed { api, wanted, at, last, has_begun: false, _place: place };
    Ok(sse::answer(stream::unfold(feed, |mut feed| async move {
        let piece = feed.next().await?;
        Some((Ok::<_, io::Error>(Bytes::from(piece)), feed))
    })))
}

fn job(api: &Api, params: &Params) -> Result<Option<JobId>, Problem> {
    let Some(text) = params.get("job").filter(|text| !text.is_empty()) else { return Ok(None) };
    let (kind, name) = text.split_once('/').unwrap_or(("", text));
    let path = JobPath { kind: kind.to_owned(), name: name.to_owned(), run: String::new() };
    // One that is not there may still come.
    let found = path.find(api).or_else(|| job_id(text));
    found.map(Some).ok_or_else(|| Problem::invalid(format!("`job={text}` is wrong: it must be `kind/name`")))
}

fn kinds(params: &Params) -> Result<BTreeSet<String>, Problem> {
    let words = params.get("kinds").unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let kinds: BTreeSet<String> = words.map(str::to_ascii_lowercase).collect();
    match kinds.iter().find(|kind| !News::WORDS.contains(&kind.as_str())) {
        None => Ok(kinds),
        Some(kind) => {
            let known = News::WORDS.join(", ");
            Err(Problem::invalid(format!("`kinds={kind}` is wrong: it must be one or several of {known}")))
        }
    }
}

/// Which events a reader wants.
struct Wanted {
    job: Option<JobId>,
    /// Any when empty.
    kinds: BTreeSet<String>,
}

impl Wanted {
    fn fits(&self, news: &News) -> bool {
        self.job.as_ref().is_none_or(|job| job == news.job())
            && (self.kinds.is_empty() || self.kinds.contains(news.word()))
    }
}

/// Events on their way to one reader.
struct Feed {
    api: Api,
    wanted: Wanted,
    /// The number up to which it knows all it wants to.
    at: EventId,
    last: watch::Receiver<EventId>,
    has_begun: bool,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    /// Returns what is sent next; `None` when the host stops.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        if !std::mem::replace(&mut self.has_begun, true) {
            piece = sse::hello(&self.at.to_string());
        }
        loop {
            let newest = *self.last.borrow_and_update();
            self.take(newest, &mut piece);
            if !piece.is_empty() {
                return Some(piece);
            }
            if self.at < newest {
                continue;
            }
            tokio::select! {
                biased;
                // All arms are cancel-safe: they take nothing but the news that there is something to look at.
                () = self.api.stopped() => return None,
                Ok(()) = self.last.changed() => {}
                () = time::sleep(sse::SILENCE_MAX) => return Some(sse::beat(&self.at.to_string())),
            }
        }
    }

    /// Takes the events that came since; `newest` was the last of all before.
    fn take(&mut self, newest: EventId, piece: &mut Vec<u8>) {
        let since = self.api.handle.view().events().since(self.at, BATCH);
        if since.is_gap {
            let before = since.events.first().map(|event| EventId(event.id.0.saturating_sub(1)));
            let to = before.unwrap_or(newest);
            let advice = "events were missed; read the state again: GET /api/v1/jobs and /api/v1/runs";
            sse::event(piece, &to.to_string(), "gap", &json!({ "after": self.at.0, "advice": advice }));
            self.at = to;
        }
        for event in since.events {
            self.at = event.id;
            if self.wanted.fits(&event.news) {
                sse::event(piece, &event.id.to_string(), event.news.word(), &shown(&event));
            }
        }
    }
}

fn shown(event: &Event) -> EventWire {
    let job = event.news.job().to_string();
    let event_word = event.news.word().to_owned();
    let mut wire = EventWire {
        id: event.id.0,
        event: event_word,
        at: event.at,
        job,
        status: None,
        problems: None,
        run: None,
        occurrence: None,
    };
    match &event.news {
        News::StateChanged { status, .. } => wire.status = Some(status.clone()),
        News::Removed { .. } => {}
        News::ProblemsChanged { problems, .. } => wire.problems = Some(problems.clone()),
        News::RunBegan(run) | News::RunStarted(run) | News::RunEnded(run) => wire.run = Some(show::run(run, event.at)),
        News::Occurred { occurrence, .. } => wire.occurrence = Some((**occurrence).clone()),
    }
    wire
}
