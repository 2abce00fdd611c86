//! Looks for a text or a pattern in what a job printed: `GET …/log/search`.
//!
//! ```text
//!  runs or the job's log ── targets ──> store::log::Search, a look at a time ──> lines of JSON ──> client
//! ```
//! A look is taken when the client has read what was found before, on a thread that may wait, a few of all searches at
//! once. A client that goes ends its search.

use std::{collections::VecDeque, io, path::PathBuf};

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::lines::shown;
use crate::{
    api::{
        blocking,
        v1::{Answer, Api, JobPath, MOMENT, Params, Problem, find, sse},
        wire::{
            FoundWire, SearchedWire,
            params::{JobParams, SearchParams},
        },
    },
    host::handle::RunFilter,
    model::{
        id::{JobId, JobKind, RunId},
        log::{Source, Stream},
        run::{LogSpan, RunRecord},
        time::Wall,
    },
    store::{
        layout::JOB_LOG,
        log::{Found, LogName, LogView, Order, Pattern, Search, Syntax},
    },
};

/// Longest text or pattern, in characters.
const QUERY_CHARS_MAX: usize = 1000;

/// Most findings, and how many when nothing is said.
const FOUND_MAX: usize = 100_000;
const FOUND: usize = 1000;

/// Most lines around a finding.
const CONTEXT_MAX: usize = 50;

/// Looks for a text or a pattern in a job's log
///
/// The answer is one JSON object a line: the lines found, as they are found, and at last `{"end":true,…}`. Current, rolled
/// and packed parts are searched; of a triggered job all runs that are kept.
#[utoipa::path(get, path = "/api/v1/jobs/{kind}/{name}/log/search", tag = "logs", params(JobParams, SearchParams),
    responses((status = 200, description = "What is found, one object a line", body = FoundWire,
        content_type = "application/x-ndjson")))]
pub async fn search(State(api): State<Api>, Path(path): Path<JobPath>, RawQuery(query): RawQuery) -> Answer {
    let job = find(&api, &path)?;
    let wanted = Wanted::of(&Params::parse(query.as_deref()))?;
    let place = sse::place(&api)?;
    let targets = targets(&api, &job, &wanted).await?;
    let left = wanted.limit;
    let hunt =
        Hunt { api, wanted, targets, current: None, left, n_found: 0, n_bytes: 0, is_over: false, _place: place };
    let findings = stream::try_unfold(hunt, |mut hunt| async move {
        Ok::<_, io::Error>(hunt.next().await?.map(|piece| (Bytes::from(piece), hunt)))
    });
    let mut response = Response::new(Body::from_stream(findings));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What is looked for.
#[derive(Clone, Debug)]
struct Wanted {
    pattern: Pattern,
    run: Option<String>,
    since: Option<Wall>,
    until: Option<Wall>,
    stderr: bool,
    context: usize,
    limit: usize,
    order: Order,
}

impl Wanted {
    fn of(params: &Params) -> Result<Self, Problem> {
        let text = params.get("q").unwrap_or_default();
        if text.is_empty() || text.chars().count() > QUERY_CHARS_MAX {
            return Err(Problem::invalid(format!("`q` must be a text of 1 to {QUERY_CHARS_MAX} characters")));
        }
        let syntax = Syntax { regex: params.flag("regex")?, ignore_case: params.flag("ignore_case")? };
        let bad =
            |why| Problem::new(StatusCode::BAD_REQUEST, "bad_pattern", format!("`q` cannot be looked for: {why}"));
        let order = match params.get("order").unwrap_or_default() {
            "" | "newest" => Order::Newest,
            "oldest" => Order::Oldest,
            text => return Err(Problem::invalid(format!("`order={text}` is wrong: it must be newest or oldest"))),
        };
        let number = |name| params.value::<usize>(name, "a number");
        Ok(Self {
            pattern: Pattern::parse(text, syntax).map_err(bad)?,
            run: params.get("run").filter(|text| !text.is_empty()).map(str::to_owned),
            since: params.value("since", MOMENT)?,
            until: params.value("until", MOMENT)?,
            stderr: params.flag("stderr")?,
            context: number("context")?.unwrap_or(0).min(CONTEXT_MAX),
            limit: number("limit")?.unwrap_or(FOUND).min(FOUND_MAX),
            order,
        })
    }

    /// Begins the search in one log.
    fn begin(&self, target: &Target) -> io::Result<Search> {
        let mut view = LogView::open(&target.folder, &target.name)?;
        let start = self.since.map(|moment| view.since(moment)).transpose()?.unwrap_or(0);
        let end = self.until.map(|moment| view.since(moment)).transpose()?.unwrap_or(u64::MAX);
        let span = target.span.as_ref().map_or(0..u64::MAX, |span| span.start..span.end.unwrap_or(u64::MAX));
        let within = span.start.max(start)..span.end.min(end);
        Ok(Search::new(view, self.pattern.clone(), within, self.order, self.context))
    }

    fn fits(&self, found: &Found) -> bool {
        // A line without a beginning of its own has no source.
        !self.stderr || found.line.parse().is_some_and(|own| own.source == Source::Job(Stream::Stderr))
    }
}

/// A log to search, or a part of one.
#[derive(Clone, Debug)]
struct Target {
    run: Option<RunId>,
    folder: PathBuf,
    name: LogName,
    span: Option<LogSpan>,
}

/// Lists the logs to search, in the order of the search.
async fn targets(api: &Api, job: &JobId, wanted: &Wanted) -> Result<VecDeque<Target>, Problem> {
    if let Some(text) = &wanted.run {
        let missing = || Problem::no_run(&job.to_string(), text);
        let run = RunId::parse(text).map_err(|_| missing())?;
        let record = api.handle.record(job, run).await.ok_or_else(missing)?;
        return Ok([of_run(api, job, &record)].into());
    }
    if job.kind == JobKind::Continuous {
        let folder = api.handle.layout().job(job);
        let names = LogName::new(JOB_LOG).with_siblings(&folder);
        let names =
            names.map_err(|error| Problem::failed(format!("the log of job `{job}` cannot be read: {error}")))?;
        return Ok(names
            .into_iter()
            .map(|name| Target { run: None, folder: folder.clone(), name, span: None })
            .collect());
    }
    let runs = api.handle.history(job, RunFilter::default()).await?;
    let may_have = |run: &&RunRecord| {
        let ended_before = wanted.since.is_some_and(|since| run.ended.is_some_and(|ended| ended < since));
        !ended_before && wanted.until.is_none_or(|until| run.started < until)
    };
    let mut targets: VecDeque<Target> = runs.iter().filter(may_have).map(|run| of_run(api, job, run)).collect();
    if wanted.order == Order::Oldest {
        targets.make_contiguous().reverse();
    }
    Ok(targets)
}

fn of_run(api: &Api, job: &JobId, record: &RunRecord) -> Target {
    let (folder, name) = api.handle.layout().run_log(job, record.id);
    let name = record.log.as_ref().and_then(|span| span.name.as_deref()).unwrap_or(name);
    Target { run: Some(record.id), folder, name: LogName::new(name), span: record.log.clone() }
}

/// A search on its way to one client.
struct Hunt {
    api: Api,
    wanted: Wanted,
    targets: VecDeque<Target>,
    current: Option<(Option<RunId>, Search)>,
    /// Findings that may still be sent.
    left: usize,
    n_found: u64,
    n_bytes: u64,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Hunt {
    /// Returns what is sent next; `None` after the end was told.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.is_over {
            return Ok(None);
        }
        let mut piece = Vec::new();
        while piece.is_empty() && self.left > 0 && !*self.api.stopping.borrow() {
            if !self.look(&mut piece).await? {
                self.end(&mut piece, false);
                return Ok(Some(piece));
            }
        }
        if self.left == 0 || piece.is_empty() {
            self.end(&mut piece, true);
        }
        Ok(Some(piece))
    }

    /// Takes one look; false when there is nothing left to search.
    async fn look(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        let current = match self.current.take() {
            Some(current) => Ok(current),
            None => match self.targets.pop_front() {
                Some(target) => Err(target),
                None => return Ok(false),
            },
        };
        let permit = std::sync::Arc::clone(&self.api.searches).acquire_owned().await;
        let wanted = self.wanted.clone();
        let looked = blocking(move || {
            // Given back as soon as the look is over, whoever waits for what it found.
            let _permit = permit;
            let (run, mut search) = match current {
                Ok(current) => current,
                Err(target) => (target.run, wanted.begin(&target)?),
            };
            let findings = search.look()?;
            Ok::<_, io::Error>((findings, (run, search)))
        });
        let (findings, current) = looked.await?;
        let Some(findings) = findings else { return Ok(true) };
        self.n_bytes += findings.bytes;
        for found in findings.found.iter().filter(|found| self.wanted.fits(found)).take(self.left) {
            write(piece, &found_wire(found, current.0));
            self.n_found += 1;
        }
        self.left = self.wanted.limit.saturating_sub(usize::try_from(self.n_found).unwrap_or(usize::MAX));
        self.current = Some(current);
        Ok(true)
    }

    fn end(&mut self, piece: &mut Vec<u8>, is_cut: bool) {
        self.is_over = true;
        write(piece, &SearchedWire { end: true, found: self.n_found, bytes: self.n_bytes, is_cut });
    }
}

fn found_wire(found: &Found, run: Option<RunId>) -> FoundWire {
    let lines = |lines: &[crate::store::log::Line]| lines.iter().map(|line| shown(line, None)).collect();
    FoundWire { line: shown(&found.line, run), before: lines(&found.before), after: lines(&found.after) }
}

fn write(piece: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *piece, value).expect("memory takes what JSON can say");
    piece.push(b'\n');
}
