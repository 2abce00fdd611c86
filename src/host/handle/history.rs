//! History over all jobs, page by page: which runs there are tells the index, and the rest their records.

use std::{collections::BTreeMap, sync::Arc};

use super::{CommandError, HostHandle, elsewhere::Elsewhere, read::blocking};
use crate::{
    model::{
        history::{Position, RunQuery, RunStatus},
        run::{Outcome, RunRecord},
    },
    store::{
        index::{Index, db::Entry, records},
        layout::Layout,
    },
};

/// A part of history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunPage {
    /// The runs, newest first.
    pub runs: Vec<RunRecord>,
    /// Where the next page begins: after this position; `None` when there is no more.
    pub next: Option<Position>,
}

/// Runs on their way here, which need not have a record yet.
type Active = BTreeMap<Position, Arc<RunRecord>>;

impl HostHandle {
    /// Returns at most `limit` of the runs that a question is about, newest first.
    ///
    /// # Errors
    /// When the work was not done.
    pub async fn page(&self, query: RunQuery, limit: usize) -> Result<RunPage, CommandError> {
        let views = match &query.job {
            Some(job) => self.view().job(job).into_iter().collect(),
            None => self.view().jobs(),
        };
        let runs = views.iter().flat_map(|view| &view.active);
        let active: Active =
            runs.map(|run| (Position { run: run.id, job: run.job.clone() }, Arc::clone(run))).collect();
        let (layout, index) = (self.layout().clone(), Arc::clone(self.index()));
        blocking(move || {
            indexed(&layout, &index, &active, query.clone(), limit)
                .unwrap_or_else(|| listed(&layout, &active, &query, limit))
        })
        .await
    }
}

/// Asks the index; `None` while there is none.
fn indexed(layout: &Layout, index: &Index, active: &Active, mut query: RunQuery, limit: usize) -> Option<RunPage> {
    let (mut runs, elsewhere) = (Vec::new(), Elsewhere::of(layout));
    loop {
        let page = index.page(&query, limit - runs.len())?;
        let last = page.entries.last().map(|entry| entry.position.clone());
        for entry in page.entries {
            let found = look(&elsewhere, active, &entry.position);
            repair(layout, index, &entry, found.as_ref());
            runs.extend(found.filter(|record| query.wants_status(record.phase.into())));
        }
        if last.is_some() {
            query.after.clone_from(&last);
        }
        // What the index did not know better is made up for by the runs after it.
        if !page.has_more || runs.len() >= limit {
            return Some(RunPage { runs, next: last.filter(|_| page.has_more) });
        }
    }
}

/// Lists what is there and reads until the page is full.
fn listed(layout: &Layout, active: &Active, query: &RunQuery, limit: usize) -> RunPage {
    let (mut page, elsewhere) = (RunPage::default(), Elsewhere::of(layout));
    let mut last = None;
    for position in records::positions(layout, query, active.keys().cloned()) {
        let Some(record) = look(&elsewhere, active, &position).filter(|record| query.wants_status(record.phase.into()))
        else {
            continue;
        };
        if page.runs.len() == limit {
            page.next = last;
            break;
        }
        page.runs.push(record);
        last = Some(position);
    }
    page
}

/// A run of a host that is gone is shown as lost.
fn look(elsewhere: &Elsewhere<'_>, active: &Active, position: &Position) -> Option<RunRecord> {
    let read = || elsewhere.record(&position.job, position.run);
    active.get(position).map(|record| (**record).clone()).or_else(read)
}

/// Tells the index what it should know by now: that somebody removed a run behind its back, or that one has ended.
fn repair(layout: &Layout, index: &Index, entry: &Entry, found: Option<&RunRecord>) {
    let Position { run, job } = &entry.position;
    match found {
        // One that is shown as lost is told by whoever closes its record.
        Some(record) if entry.status == RunStatus::Running && record.outcome() != Some(Outcome::Lost) => {
            index.ended(record);
        }
        Some(_) => {}
        // A run that has just begun has no record yet.
        None if entry.status != RunStatus::Running && records::is_gone(layout, job, *run) => index.gone(job, *run),
        None => {}
    }
}
