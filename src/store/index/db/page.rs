//! What the index answers: pages of history, the newest and the oldest runs of a job, counts.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Row, Rows, params};

use super::{Db, class, run_of, signed, status_of, unsigned};
use crate::model::{
    history::{Position, RunQuery, RunStatus},
    id::{JobId, JobKind, RunId},
};

pub(super) const OF_JOB: &str = "SELECT run, job, class FROM run
    WHERE job = ?1 AND class = ?2 AND run BETWEEN ?3 AND ?4 ORDER BY run DESC";
pub(super) const OF_ALL: &str = "SELECT run, job, class FROM run INDEXED BY recent
    WHERE class = ?2 AND run BETWEEN ?3 AND ?4 AND ?1 IS NULL ORDER BY run DESC";
pub(super) const OLDEST: &str = "SELECT run, job, class FROM run
    WHERE job = ?1 AND class = ?2 AND run <= ?3 ORDER BY run LIMIT ?4";
pub(super) const TALLY: &str = "SELECT class, runs FROM tally WHERE job = ?1";
pub(super) const ALL_OF_JOB: &str = "SELECT run, job, class FROM run WHERE job = ?1";

/// One run of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which run, and where it stands in history.
    pub position: Position,
    /// How it stands, as far as the index has heard.
    pub status: RunStatus,
}

/// A part of history, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The runs.
    pub entries: Vec<Entry>,
    /// Whether others come after them.
    pub has_more: bool,
}

/// A row as it stands in the file.
#[derive(Clone, Copy)]
struct Raw {
    run: i64,
    job: i64,
    class: i64,
}

impl Db {
    /// Returns at most `limit` runs that a question is about.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn page(&self, query: &RunQuery, limit: usize) -> rusqlite::Result<Page> {
        let number = match &query.job {
            None => None,
            Some(job) => match self.jobs.number(job) {
                Some(number) => Some(number),
                None => return Ok(Page::default()),
            },
        };
        let (oldest, newest) = query.range();
        let (oldest, newest) = (signed(oldest), signed(newest));
        let classes = classes(query);
        let text = if number.is_some() { OF_JOB } else { OF_ALL };
        let mut statements: Vec<CachedStatement<'_>> =
            classes.iter().map(|_| self.connection.prepare_cached(text)).collect::<rusqlite::Result<_>>()?;
        let mut ranges = Vec::new();
        for (statement, class) in statements.iter_mut().zip(&classes) {
            ranges.push(Range::begin(statement.query(params![number, class, oldest, newest])?)?);
        }
        self.merge(&mut ranges, query.after.as_ref(), limit)
    }

    /// Takes the newest rows of all ranges together. Those of one moment come in the order of their jobs.
    fn merge(&self, ranges: &mut [Range<'_>], after: Option<&Position>, limit: usize) -> rusqlite::Result<Page> {
        let mut entries = Vec::new();
        while entries.len() <= limit {
            let Some(newest) = ranges.iter().filter_map(|range| Some(range.head?.run)).max() else { break };
            let mut moment = Vec::new();
            for range in &mut *ranges {
                while let Some(raw) = range.head.filter(|raw| raw.run == newest) {
                    moment.extend(self.entry(raw)?);
                    range.advance()?;
                }
            }
            moment.sort_unstable_by(|one, other| one.position.cmp(&other.position));
            entries.extend(moment.into_iter().filter(|entry| after.is_none_or(|after| entry.position > *after)));
        }
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        Ok(Page { entries, has_more })
    }

    fn entry(&self, raw: Raw) -> rusqlite::Result<Option<Entry>> {
        // A job without a name has been cleared.
        let Some((job, status)) = self.jobs.name(raw.job).cloned().zip(status_of(raw.class)) else { return Ok(None) };
        Ok(Some(Entry { position: Position { run: run_of(raw.run)?, job }, status }))
    }

    /// Returns at most `limit` of a job's runs up to `last`, oldest first.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn oldest(&self, job: &JobId, last: RunId, limit: usize) -> rusqlite::Result<Vec<(RunId, RunStatus)>> {
        // Most runs that end leave nothing to prune.
        let Some(number) = self.jobs.number(job).filter(|_| limit > 0) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for status in RunStatus::ALL {
            let mut statement = self.connection.prepare_cached(OLDEST)?;
            let asked = params![number, class(job.kind, status), signed(last.number()), limit_of(limit)];
            let mut rows = statement.query(asked)?;
            while let Some(row) = rows.next()? {
                found.push((run_of(row.get(0)?)?, status));
            }
        }
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }

    /// Returns every run of a job, oldest first. It reads no job that came after this was opened.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn all_of(&self, job: &JobId) -> rusqlite::Result<Vec<(RunId, RunStatus)>> {
        let Some(number) = self.jobs.number(job) else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare_cached(ALL_OF_JOB)?;
        let mut rows = statement.query([number])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let raw = raw(row)?;
            let status = status_of(raw.class).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, raw.class))?;
            found.push((run_of(raw.run)?, status));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Returns how many runs a job has, by how they stand.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn counts(&self, job: &JobId) -> rusqlite::Result<BTreeMap<RunStatus, u64>> {
        let Some(number) = self.jobs.number(job) else { return Ok(BTreeMap::new()) };
        let mut statement = self.connection.prepare_cached(TALLY)?;
        let mut rows = statement.query([number])?;
        let mut counts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            if let Some(status) = status_of(row.get(0)?) {
                counts.insert(status, unsigned(row.get(1)?));
            }
        }
        counts.retain(|_, runs| *runs > 0);
        Ok(counts)
    }
}

/// One range of a tree, read from its end.
struct Range<'a> {
    rows: Rows<'a>,
    head: Option<Raw>,
}

impl<'a> Range<'a> {
    fn begin(rows: Rows<'a>) -> rusqlite::Result<Self> {
        let mut range = Self { rows, head: None };
        range.advance()?;
        Ok(range)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        self.head = self.rows.next()?.map(raw).transpose()?;
        Ok(())
    }
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw { run: row.get(0)?, job: row.get(1)?, class: row.get(2)? })
}

/// Returns the ranges that a question is about.
fn classes(query: &RunQuery) -> Vec<i64> {
    let wanted = |kind: &JobKind| {
        query.kind.is_none_or(|own| own == *kind) && query.job.as_ref().is_none_or(|job| job.kind == *kind)
    };
    let kinds = JobKind::ALL.into_iter().filter(wanted);
    let statuses = || RunStatus::ALL.into_iter().filter(|status| query.wants_status(*status));
    kinds.flat_map(|kind| statuses().map(move |status| class(kind, status))).collect()
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
