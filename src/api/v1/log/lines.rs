//! Lines of a log as server-sent events: `GET …/log/stream`.
//!
//! The id of a line is the offset after it, with its run where it has one (`run:offset`), so that a reader goes on exactly
//! behind the line it saw last, over rolls and over new connections. `run:end` stands for a run that is read to its end.

use std::io;

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    LogStream, Step, Subject, subject,
    tail::{Tail, Wanted},
    wanted,
};
use crate::{
    api::{
        answer,
        v1::{Answer, Api, JobPath, Params, Problem, find, show, sse},
        wire::{
            EndedWire, LineWire, SourceWire,
            params::{JobParams, LogParams, ResumeParams},
        },
    },
    model::{
        id::RunId,
        log::{Source, Stream},
    },
    store::log::Line,
};

/// Follows a job's log
///
/// Server-sent events: `line` for each line, `end` when a run's log is over. With `run` the stream ends there; else it goes
/// on with a triggered job's next run, or a continuous job's next life. `Last-Event-ID`, or `last_event_id`, goes on
/// exactly after that line.
#[utoipa::path(get, path = "/api/v1/jobs/{kind}/{name}/log/stream", tag = "logs",
    params(JobParams, LogParams, ResumeParams),
    responses((status = 200, description = "Lines, as they come; data of `line`", body = LineWire,
        content_type = "text/event-stream"),
        (status = 204, description = "The run was read to its end already: nothing more will come")))]
pub async fn stream(
    State(api): State<Api>,
    Path(path): Path<JobPath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let job = find(&api, &path)?;
    let params = Params::parse(query.as_deref());
    let mut wanted = wanted(&params)?;
    let mut subject = subject(&api, &job, &params).await?;
    let resumed = sse::last_id(&headers, &params).map(|text| Place::parse(&text)).transpose()?;
    let mut is_read = false;
    if let Some(place) = resumed {
        is_read = place.offset == u64::MAX;
        wanted = Wanted { lines: None, since: None, offset: Some(place.offset), stderr: wanted.stderr };
        match (subject, place.run) {
            (Subject::Run(run), Some(read)) if is_read && run == read => {
                return Ok(answer::empty(StatusCode::NO_CONTENT));
            }
            (Subject::Newest(_), Some(read)) => subject = Subject::Newest(Some(read)),
            (Subject::Newest(_) | Subject::Run(_) | Subject::Job, _) => {}
        }
    }
    let place = sse::place(&api)?;
    let mut stream = LogStream::new(api, job, subject, true);
    stream.beats();
    stream.open(&wanted).await.map_err(|error| stream.failed(&error))?;
    stream.note_read(is_read);
    let at = stream.reading.as_ref().map_or(0, |reading| reading.tail.first());
    let at = if is_read { "end".to_owned() } else { at.to_string() };
    let id = id(stream.run(), &at);
    let feed = Feed { stream, id, has_begun: false, _place: place };
    Ok(sse::answer(stream::try_unfold(feed, |mut feed| async move {
        Ok::<_, io::Error>(feed.next().await?.map(|piece| (Bytes::from(piece), feed)))
    })))
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    run: Option<RunId>,
    /// The largest number when it has read all.
    offset: u64,
}

impl Place {
    fn parse(text: &str) -> Result<Self, Problem> {
        let (run, offset) = match text.split_once(':') {
            Some((run, offset)) => (Some(RunId::parse(run)), offset),
            None => (None, text),
        };
        let offset = if offset == "end" { Ok(u64::MAX) } else { offset.parse() };
        match (run.transpose(), offset) {
            (Ok(run), Ok(offset)) => Ok(Self { run, offset }),
            (Err(_), _) | (_, Err(_)) => Err(Problem::invalid(format!("`{text}` is no id of a line"))),
        }
    }
}

fn id(run: Option<RunId>, at: &str) -> String {
    run.map_or_else(|| at.to_owned(), |run| format!("{run}:{at}"))
}

/// Lines on their way to one reader.
struct Feed {
    stream: LogStream,
    /// The id of what was sent last.
    id: String,
    has_begun: bool,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    /// Returns what is sent next; `None` when there will be no more.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Ok(Some(sse::hello(&self.id)));
        }
        loop {
            let mut piece = Vec::new();
            match self.stream.step(Tail::next_lines).await? {
                Step::Piece(lines) => {
                    let run = self.stream.run();
                    for line in lines {
                        self.id = id(run, &line.end.to_string());
                        sse::event(&mut piece, &self.id, "line", &shown(&line, run));
                    }
                    if piece.is_empty() {
                        continue;
                    }
                }
                Step::Ended(run) => {
                    self.id = id(Some(run), "end");
                    let record = self.stream.record(run).await;
                    let shown = record.map(|record| show::run(&record, self.stream.now()));
                    sse::event(&mut piece, &self.id, "end", &EndedWire { run: run.to_string(), record: shown });
                }
                Step::Quiet => piece = sse::beat(&self.id),
                Step::Over => return Ok(None),
            }
            return Ok(Some(piece));
        }
    }
}

/// Shows a line.
pub fn shown(line: &Line, run: Option<RunId>) -> LineWire {
    let whole = String::from_utf8_lossy(&line.text).into_owned();
    let mut wire = LineWire {
        offset: line.start,
        run: run.map(|run| run.to_string()),
        time: None,
        source: None,
        level: None,
        stamp: None,
        text: String::new(),
    };
    match line.parse() {
        Some(own) => {
            wire.time = Some(own.time);
            wire.level = Some(own.level);
            wire.source = Some(match own.source {
                Source::Job(Stream::Stdout) => SourceWire::Stdout,
                Source::Job(Stream::Stderr) => SourceWire::Stderr,
                Source::Sys => SourceWire::Sys,
            });
            wire.stamp = whole.strip_suffix(own.text).map(str::to_owned);
            wire.text = own.text.to_owned();
        }
        None => wire.text = whole,
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_as_it_was_sent() {
        let run = RunId::parse("201510200336425903").expect("18 digits");
        for (text, place) in [
            ("12", Some(Place { run: None, offset: 12 })),
            ("201510200336425903:12", Some(Place { run: Some(run), offset: 12 })),
            ("201510200336425903:end", Some(Place { run: Some(run), offset: u64::MAX })),
            ("", None),
            ("x:12", None),
            ("201510200336425903:", None),
            ("-1", None),
        ] {
            assert_eq!(Place::parse(text).ok(), place, "{text}");
        }
    }

    #[test]
    fn a_line_is_shown_in_its_parts_which_make_it_whole_again() {
        let text = b"[08/31/2016 20:41:20 > 0991c1: ERR ] it broke".to_vec();
        let line = Line { start: 7, end: 7 + text.len() as u64 + 1, text };
        let shown = shown(&line, None);
        assert_eq!((shown.offset, shown.source, shown.text.as_str()), (7, Some(SourceWire::Stderr), "it broke"));
        assert_eq!(format!("{}{}", shown.stamp.expect("a stamp"), shown.text).as_bytes(), line.text);
    }
}
