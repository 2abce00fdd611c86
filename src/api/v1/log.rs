//! Lines of a log, as they lie on disk, and as they come: `GET …/log`.
//!
//! With `run` the lines of that run. Else a continuous job's whole log, or the log of a triggered job's newest run; who
//! follows goes on to the next run when it begins. A stream ends with its run, with the host, or when its reader goes.

pub mod lines;
pub mod search;
mod tail;
mod wait;

use std::{io, path::PathBuf, pin::Pin};

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use tokio::{
    sync::watch,
    time::{self, Sleep},
};

use self::{
    tail::{Tail, Wanted},
    wait::Woke,
};
use super::{Answer, Api, JobPath, MOMENT, Params, Problem, find, sse};
use crate::{
    api::{
        blocking,
        wire::params::{FollowParams, JobParams, LogParams},
    },
    host::{handle::RunFilter, view::LiveLog},
    model::{
        id::{JobId, JobKind, RunId},
        run::{LogSpan, RunPhase, RunRecord},
        time::Wall,
    },
    store::{
        layout::JOB_LOG,
        log::{LogName, LogView},
    },
};

/// Offset in the log of the first line of an answer.
const OFFSET: HeaderName = HeaderName::from_static("x-log-offset");

/// Bytes of a log written here that are read on the spot: they lie in memory still.
const AT_ONCE_BYTES_MAX: u64 = 64 * 1024;

/// Lines of a job's log
///
/// With `run` those of that run; else a continuous job's whole log, or the log of a triggered job's newest run. The header
/// `X-Log-Offset` tells the offset of the first line.
#[utoipa::path(get, path = "/api/v1/jobs/{kind}/{name}/log", tag = "logs", params(JobParams, LogParams, FollowParams),
    responses((status = 200, description = "The lines as they lie on disk", body = String, content_type = "text/plain")))]
pub async fn log(State(api): State<Api>, Path(path): Path<JobPath>, RawQuery(query): RawQuery) -> Answer {
    let job = find(&api, &path)?;
    let params = Params::parse(query.as_deref());
    let wanted = wanted(&params)?;
    let follows = params.flag("follow")?;
    let subject = subject(&api, &job, &params).await?;
    let mut stream = LogStream::new(api, job, subject, follows);
    stream.open(&wanted).await.map_err(|error| stream.failed(&error))?;
    let first = stream.reading.as_ref().map_or(0, |reading| reading.tail.first());
    let lines = stream::try_unfold(stream, |mut stream| async move {
        let piece = stream.next().await?;
        Ok::<_, io::Error>(piece.map(|piece| (piece, stream)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(OFFSET, HeaderValue::from(first));
    Ok(response)
}

/// Lines of context before those that come.
const CONTEXT_LINES: usize = 10;

/// Follows the log of a job, and of its next runs: the last few lines, then what comes.
///
/// # Errors
/// When the log cannot be read.
pub async fn follow(api: &Api, job: JobId) -> io::Result<LogStream> {
    let subject = match job.kind {
        JobKind::Continuous => Subject::Job,
        JobKind::Triggered => Subject::Newest(None),
    };
    let mut stream = LogStream::new(api.clone(), job, subject, true);
    stream.open(&Wanted { lines: Some(CONTEXT_LINES), ..Wanted::default() }).await?;
    Ok(stream)
}

fn wanted(params: &Params) -> Result<Wanted, Problem> {
    Ok(Wanted {
        lines: params.value("lines", "a number of lines")?,
        since: params.value("since", MOMENT)?,
        offset: params.value("offset", "a number of bytes")?,
        stderr: params.flag("stderr")?,
    })
}

async fn subject(api: &Api, job: &JobId, params: &Params) -> Result<Subject, Problem> {
    match params.get("run").filter(|text| !text.is_empty()) {
        Some(text) => {
            let missing = || Problem::no_run(&job.to_string(), text);
            let run = RunId::parse(text).map_err(|_| missing())?;
            Ok(Subject::Run(api.handle.record(job, run).await.ok_or_else(missing)?.id))
        }
        None if job.kind == JobKind::Continuous => Ok(Subject::Job),
        None => Ok(Subject::Newest(None)),
    }
}

/// Whose lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// A continuous job's.
    Job,
    /// One run's.
    Run(RunId),
    /// A triggered job's newest run's, or first those of an earlier one, and so on.
    Newest(Option<RunId>),
}

/// What comes next of a log.
enum Step<T> {
    /// Lines.
    Piece(T),
    /// A run was read to its end.
    Ended(RunId),
    /// Nothing for long.
    Quiet,
    /// Nothing any more.
    Over,
}

/// Lines on their way to one reader.
pub struct LogStream {
    api: Api,
    job: JobId,
    subject: Subject,
    follows: bool,
    changes: watch::Receiver<u64>,
    /// What is read now; nothing while a triggered job has no run yet.
    reading: Option<Reading>,
    /// Runs out when nothing came for long; without it nobody cares.
    silence: Option<Pin<Box<Sleep>>>,
}

struct Reading {
    run: Option<RunId>,
    /// What is read.
    name: LogName,
    tail: Tail,
    /// Its end was told.
    is_told: bool,
    /// Nothing more comes.
    is_over: bool,
    /// Where its writer in this process is; nothing when another host writes it.
    grown: Option<watch::Receiver<u64>>,
}

impl Reading {
    /// Returns how many bytes are to be read of a log that is written here; `None` of another one.
    fn unread(&self) -> Option<u64> {
        let end = self.grown.as_ref().filter(|_| !self.is_over).map(|grown| *grown.borrow());
        end.filter(|end| *end > 0).map(|end| self.tail.unread(end))
    }
}

impl LogStream {
    fn new(api: Api, job: JobId, subject: Subject, follows: bool) -> Self {
        let changes = api.handle.view().changes();
        Self { api, job, subject, follows, changes, reading: None, silence: None }
    }

    /// Tells of silence from now on.
    fn beats(&mut self) {
        self.silence = Some(Box::pin(time::sleep(sse::SILENCE_MAX)));
    }

    /// Notes that whoever reads knows of the end of what is read now.
    fn note_read(&mut self, is_read: bool) {
        self.reading.iter_mut().for_each(|reading| reading.is_told = is_read);
    }

    fn run(&self) -> Option<RunId> {
        self.reading.as_ref()?.run
    }

    fn now(&self) -> Wall {
        self.api.handle.now()
    }

    async fn record(&self, run: RunId) -> Option<RunRecord> {
        self.api.handle.record(&self.job, run).await
    }

    fn failed(&self, error: &io::Error) -> Problem {
        Problem::failed(format!("the log of job `{}` cannot be read: {error}", self.job))
    }

    /// Opens what is to be read first, or next.
    async fn open(&mut self, wanted: &Wanted) -> io::Result<()> {
        let run = match self.subject {
            Subject::Job => None,
            Subject::Run(run) => Some(run),
            Subject::Newest(first) => match first {
                Some(run) => Some(run),
                None => match self.newest().await {
                    Some(run) => Some(run),
                    None => return Ok(()),
                },
            },
        };
        let record = match run {
            Some(run) => self.api.handle.record(&self.job, run).await,
            None => None,
        };
        let live = self.api.handle.live_log(&self.job, run);
        let span = record.as_ref().and_then(|record| record.log.clone());
        let (folder, name) = self.place(run, span.as_ref(), live.as_ref());
        // A life of a continuous job that has printed nothing yet: its lines will come after all others.
        let before = if run.is_some() && self.job.kind == JobKind::Continuous { u64::MAX } else { 0 };
        let (start, end) = span.map_or((before, None), |span| (span.start, span.end));
        let is_over = !self.follows || record.as_ref().is_some_and(has_ended);
        let (wanted, read) = (wanted.clone(), name.clone());
        // Before it is read: what comes later is told.
        let grown = live.filter(|live| live.name == read).and_then(|live| live.grown());
        let tail = blocking(move || {
            let view = LogView::open(&folder, &name)?;
            let end = if is_over { Some(end.unwrap_or(view.end())) } else { None };
            Tail::open(view, start, end, &wanted)
        });
        self.reading = Some(Reading { run, name: read, tail: tail.await?, is_told: false, is_over, grown });
        Ok(())
    }

    async fn newest(&self) -> Option<RunId> {
        let (handle, job) = (self.api.handle.clone(), self.api.handle.view().job(&self.job)?);
        // Who follows is told of this host's runs alone.
        let job = if self.follows { job } else { blocking(move || handle.shown_one(job)).await };
        job.latest.as_ref().map(|run| run.id)
    }

    fn place(&self, run: Option<RunId>, span: Option<&LogSpan>, live: Option<&LiveLog>) -> (PathBuf, LogName) {
        let layout = self.api.handle.layout();
        let (folder, name) = match run {
            Some(run) => layout.run_log(&self.job, run),
            None => (layout.job(&self.job), JOB_LOG),
        };
        let name = match (span, live) {
            (Some(span), _) => LogName::new(span.name.as_deref().unwrap_or(name)),
            (None, Some(live)) => live.name.clone(),
            (None, None) => LogName::new(name),
        };
        (folder, name)
    }

    /// Returns the run that comes after the one that is read.
    async fn following(&self) -> Option<RunId> {
        let newest = self.newest().await?;
        let Some(read) = self.run() else { return Some(newest) };
        if newest <= read {
            return None;
        }
        let filter = RunFilter { since: Some(read.began()), ..RunFilter::default() };
        let later = self.api.handle.history(&self.job, filter).await.unwrap_or_default();
        later.iter().map(|record| record.id).filter(|run| *run > read).min().or(Some(newest))
    }

    /// Returns the next lines; `None` when there will be no more.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.step(Tail::next).await? {
                Step::Piece(lines) if lines.is_empty() => {}
                Step::Piece(lines) => return Ok(Some(lines.into())),
                Step::Ended(_) | Step::Quiet => {}
                Step::Over => return Ok(None),
            }
        }
    }

    /// Returns what comes next, as `take` reads it.
    async fn step<T: Send + 'static>(&mut self, take: fn(&mut Tail) -> io::Result<Option<T>>) -> io::Result<Step<T>> {
        loop {
            if let Some(lines) = self.read(take).await? {
                if self.silence.is_some() {
                    self.beats();
                }
                return Ok(Step::Piece(lines));
            }
            let is_over = self.reading.as_ref().is_none_or(|reading| reading.is_over);
            if is_over
                && self.follows
                && let Some(reading) = self.reading.as_mut()
                && let Some(run) = reading.run.filter(|_| !reading.is_told)
            {
                reading.is_told = true;
                return Ok(Step::Ended(run));
            }
            match (is_over, self.subject) {
                (true, Subject::Newest(_)) if self.follows => {
                    if let Some(run) = self.following().await {
                        self.subject = Subject::Newest(Some(run));
                        self.open(&Wanted { stderr: self.is_of_errors(), ..Wanted::default() }).await?;
                        self.subject = Subject::Newest(None);
                        continue;
                    }
                }
                (true, Subject::Newest(_) | Subject::Job | Subject::Run(_)) => return Ok(Step::Over),
                (false, _) if self.note_end().await? => continue,
                (false, _) => {}
            }
            match self.wait().await {
                Woke::Look => {}
                Woke::Quiet => return Ok(Step::Quiet),
                Woke::Stop => return Ok(Step::Over),
            }
        }
    }

    fn is_of_errors(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.tail.is_of_errors())
    }

    async fn read<T: Send + 'static>(&mut self, take: fn(&mut Tail) -> io::Result<Option<T>>) -> io::Result<Option<T>> {
        // What was written just now lies in memory: to read it takes less than to have it read.
        match self.reading.as_mut().map(|reading| (reading.unread(), reading)) {
            Some((Some(0), _)) => return Ok(None),
            Some((Some(1..=AT_ONCE_BYTES_MAX), reading)) => return take(&mut reading.tail),
            Some((Some(_) | None, _)) | None => {}
        }
        let Some(mut reading) = self.reading.take() else { return Ok(None) };
        let (reading, lines) = blocking(move || {
            let lines = take(&mut reading.tail);
            (reading, lines)
        })
        .await;
        self.reading = Some(reading);
        lines
    }

    /// Looks whether the run that is read has ended meanwhile, and where its lines end then.
    async fn note_end(&mut self) -> io::Result<bool> {
        let Some(run) = self.reading.as_ref().and_then(|reading| reading.run) else { return Ok(false) };
        let record = self.api.handle.record(&self.job, run).await;
        // A record that is gone was pruned: the run ended long ago.
        if record.as_ref().is_some_and(|record| !has_ended(record)) {
            return Ok(false);
        }
        let Some(mut reading) = self.reading.take() else { return Ok(false) };
        let (mut reading, finished) = blocking(move || {
            let finished = reading.tail.finish(record.and_then(|record| record.log?.end));
            (reading, finished)
        })
        .await;
        reading.is_over = true;
        self.reading = Some(reading);
        finished.map(|()| true)
    }
}

fn has_ended(record: &RunRecord) -> bool {
    matches!(record.phase, RunPhase::Ended(_))
}
