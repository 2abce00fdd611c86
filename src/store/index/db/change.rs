//! How the index changes: by what feeds tell, by corrections, and as a whole.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Transaction, params};

use super::{
    APPLICATION_ID, Db, DbError, Jobs, RECENT, TABLES, VERSION, class, first_class, kind_number, remove, signed,
    status_of,
};
use crate::{
    model::{
        history::RunStatus,
        id::{Instance, JobId, RunId},
        run::Outcome,
    },
    store::index::feed::{Change, Line, Mark},
};

pub(super) const FIND: &str =
    "SELECT class FROM run WHERE job = ?1 AND class IN (?2, ?2 + 1, ?2 + 2, ?2 + 3, ?2 + 4, ?2 + 5) AND run = ?3";
pub(super) const INSERT: &str = "INSERT OR IGNORE INTO run (job, class, run) VALUES (?1, ?2, ?3)";
pub(super) const DELETE: &str = "DELETE FROM run WHERE job = ?1 AND class = ?2 AND run = ?3";
pub(super) const CLEAR: &str = "DELETE FROM run WHERE job = ?1 AND class = ?2 AND run <= ?3";
pub(super) const NEWEST: &str = "SELECT run FROM run WHERE job = ?1 AND class = ?2 ORDER BY run DESC LIMIT 1";
const COUNT: &str = "INSERT INTO tally (job, class, runs) VALUES (?1, ?2, ?3)
    ON CONFLICT (job, class) DO UPDATE SET runs = runs + excluded.runs";
const MARK: &str = "INSERT INTO mark (instance, file, offset) VALUES (?1, ?2, ?3)
    ON CONFLICT (instance) DO UPDATE SET file = excluded.file, offset = excluded.offset";

impl Db {
    /// Takes in what the feed of a host tells, up to `mark`: all of it or nothing.
    ///
    /// # Errors
    /// When the file is damaged or the disk does not take it.
    pub fn take_in(&mut self, lines: &[Line], instance: &Instance, mark: Mark) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut changes = Changes::new(&transaction, &mut self.jobs);
        for line in last_words(lines) {
            changes.make(line)?;
        }
        changes.write_tallies()?;
        let (file, offset) = (signed(mark.file), signed(mark.offset));
        transaction.prepare_cached(MARK)?.execute(params![instance.as_str(), file, offset])?;
        transaction.commit()?;
        self.marks.insert(instance.clone(), mark);
        Ok(())
    }

    /// Takes in what a look at the records showed, where nothing was told of a run since it was looked at.
    ///
    /// # Errors
    /// When the file is damaged or the disk does not take it.
    pub fn correct(&mut self, corrections: &[Correction]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut changes = Changes::new(&transaction, &mut self.jobs);
        for Correction { line, known } in corrections {
            let class = match changes.jobs.number(&line.job) {
                Some(number) => changes.find(number, &line.job, line.run)?,
                None => None,
            };
            if class.and_then(status_of) == *known {
                changes.make(line)?;
            }
        }
        changes.write_tallies()?;
        transaction.commit()
    }
}

/// What a look at the records showed of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// What is so.
    pub line: Line,
    /// What the index said.
    pub known: Option<RunStatus>,
}

/// Leaves out what a later line makes vain: what was told of a run before its end or its going. Most runs are short: of these
/// the end alone is left.
fn last_words(lines: &[Line]) -> Vec<&Line> {
    let mut over = HashSet::new();
    let mut left: Vec<&Line> = Vec::with_capacity(lines.len());
    for line in lines.iter().rev() {
        let run = (&line.job, line.run);
        match line.change {
            Change::Is(_) if over.contains(&run) => continue,
            Change::Is(RunStatus::Running) => {}
            Change::Is(RunStatus::Ended(_)) | Change::Gone => drop(over.insert(run)),
            Change::Cleared => {}
        }
        left.push(line);
    }
    left.reverse();
    left
}

/// Changes that belong together.
struct Changes<'a> {
    transaction: &'a Transaction<'a>,
    jobs: &'a mut Jobs,
    /// By how much the tallies of jobs and classes change: once for all runs.
    more: BTreeMap<(i64, i64), i64>,
}

impl<'a> Changes<'a> {
    fn new(transaction: &'a Transaction<'a>, jobs: &'a mut Jobs) -> Self {
        Self { transaction, jobs, more: BTreeMap::new() }
    }

    fn make(&mut self, line: &Line) -> rusqlite::Result<()> {
        let Line { job, run, change } = line;
        match change {
            Change::Is(status) => {
                let number = numbered(self.transaction, self.jobs, job)?;
                self.set(number, job, *run, *status)
            }
            Change::Gone => match self.jobs.number(job) {
                Some(number) => self.delete(number, job, *run),
                None => Ok(()),
            },
            Change::Cleared => match self.jobs.number(job) {
                Some(number) => self.clear(number, job, *run),
                None => Ok(()),
            },
        }
    }

    fn set(&mut self, number: i64, job: &JobId, run: RunId, status: RunStatus) -> rusqlite::Result<()> {
        let class = class(job.kind, status);
        if self.note_newest(number, job, run)? {
            return self.put_in(number, class, run);
        }
        let running = super::class(job.kind, RunStatus::Running);
        if status != RunStatus::Running && self.take_out(number, running, run)? {
            return self.put_in(number, class, run);
        }
        match self.find(number, job, run)? {
            Some(known) if known == class => Ok(()),
            // Feeds of several hosts may come in another order than things happened: a run that ended does not begin again.
            Some(known) if status == RunStatus::Running && status_of(known) != Some(RunStatus::Running) => Ok(()),
            Some(known) => {
                self.take_out(number, known, run)?;
                self.put_in(number, class, run)
            }
            None => self.put_in(number, class, run),
        }
    }

    fn delete(&mut self, number: i64, job: &JobId, run: RunId) -> rusqlite::Result<()> {
        // Most have succeeded.
        if self.take_out(number, class(job.kind, RunStatus::Ended(Outcome::Succeeded)), run)? {
            return Ok(());
        }
        if let Some(known) = self.find(number, job, run)? {
            self.take_out(number, known, run)?;
        }
        Ok(())
    }

    fn clear(&mut self, number: i64, job: &JobId, last: RunId) -> rusqlite::Result<()> {
        for status in RunStatus::ALL {
            let class = class(job.kind, status);
            let gone =
                self.transaction.prepare_cached(CLEAR)?.execute(params![number, class, signed(last.number())])?;
            self.add(number, class, -i64::try_from(gone).unwrap_or(i64::MAX));
        }
        self.write_tallies()?;
        let left = "SELECT COALESCE(SUM(runs), 0) FROM tally WHERE job = ?1";
        if self.transaction.query_row(left, [number], |row| row.get::<_, i64>(0))? == 0 {
            self.transaction.execute("DELETE FROM tally WHERE job = ?1", [number])?;
            self.transaction.execute("DELETE FROM job WHERE id = ?1", [number])?;
            self.jobs.remove(job);
        }
        Ok(())
    }

    /// Notes a run that is about to be put in, and tells whether it is newer than all that stand of its job: then it is not to be
    /// looked for. What is noted may be newer than what stands, and then it is looked for in vain.
    fn note_newest(&mut self, number: i64, job: &JobId, run: RunId) -> rusqlite::Result<bool> {
        let run = signed(run.number());
        let newest = match self.jobs.newest.get(&number) {
            Some(newest) => *newest,
            None => self.newest(number, job)?,
        };
        self.jobs.newest.insert(number, newest.max(run));
        Ok(run > newest)
    }

    fn newest(&self, number: i64, job: &JobId) -> rusqlite::Result<i64> {
        let mut newest = -1;
        for status in RunStatus::ALL {
            let mut statement = self.transaction.prepare_cached(NEWEST)?;
            let mut rows = statement.query(params![number, class(job.kind, status)])?;
            newest = newest.max(rows.next()?.map_or(Ok(-1), |row| row.get(0))?);
        }
        Ok(newest)
    }

    fn find(&self, number: i64, job: &JobId, run: RunId) -> rusqlite::Result<Option<i64>> {
        let mut statement = self.transaction.prepare_cached(FIND)?;
        let mut rows = statement.query(params![number, first_class(job.kind), signed(run.number())])?;
        rows.next()?.map(|row| row.get(0)).transpose()
    }

    fn put_in(&mut self, number: i64, class: i64, run: RunId) -> rusqlite::Result<()> {
        let new = self.transaction.prepare_cached(INSERT)?.execute(params![number, class, signed(run.number())])?;
        self.add(number, class, i64::from(new > 0));
        Ok(())
    }

    /// Takes a run out, and tells whether it was there.
    fn take_out(&mut self, number: i64, class: i64, run: RunId) -> rusqlite::Result<bool> {
        let gone = self.transaction.prepare_cached(DELETE)?.execute(params![number, class, signed(run.number())])?;
        self.add(number, class, -i64::from(gone > 0));
        Ok(gone > 0)
    }

    fn add(&mut self, number: i64, class: i64, more: i64) {
        *self.more.entry((number, class)).or_default() += more;
    }

    fn write_tallies(&mut self) -> rusqlite::Result<()> {
        for ((number, class), more) in std::mem::take(&mut self.more) {
            count(self.transaction, number, class, more)?;
        }
        Ok(())
    }
}

fn count(transaction: &Transaction<'_>, number: i64, class: i64, more: i64) -> rusqlite::Result<()> {
    if more != 0 {
        transaction.prepare_cached(COUNT)?.execute(params![number, class, more])?;
    }
    Ok(())
}

/// Returns the number of a job; a new one gets one.
fn numbered(connection: &Connection, jobs: &mut Jobs, job: &JobId) -> rusqlite::Result<i64> {
    if let Some(number) = jobs.number(job) {
        return Ok(number);
    }
    let mut statement = connection.prepare_cached("INSERT INTO job (kind, name) VALUES (?1, ?2)")?;
    let number = statement.insert(params![kind_number(job.kind), job.name.as_str()])?;
    jobs.add(number, job.clone());
    Ok(number)
}

/// A new index that is filled beside its place.
#[derive(Debug)]
pub struct Loader {
    connection: Connection,
    jobs: Jobs,
    path: PathBuf,
}

impl Loader {
    /// Makes an empty file at `path`; one that a crash left there goes.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn create(path: PathBuf) -> Result<Self, DbError> {
        remove(&path)?;
        let connection = Connection::open(&path)?;
        // Until it is complete nobody would miss it.
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch(TABLES)?;
        Ok(Self { connection, jobs: Jobs::default(), path })
    }

    /// Adds all runs of a job that has none yet.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn add(&mut self, job: &JobId, runs: &[(RunId, RunStatus)]) -> rusqlite::Result<()> {
        let mut sorted: Vec<(i64, RunId)> = runs.iter().map(|(run, status)| (class(job.kind, *status), *run)).collect();
        // In the order of the tree, which is then filled from its begin to its end.
        sorted.sort_unstable();
        let transaction = self.connection.transaction()?;
        let number = numbered(&transaction, &mut self.jobs, job)?;
        for (class, run) in &sorted {
            transaction.prepare_cached(INSERT)?.execute(params![number, class, signed(run.number())])?;
        }
        for some in sorted.chunk_by(|one, other| one.0 == other.0) {
            count(&transaction, number, some[0].0, i64::try_from(some.len()).unwrap_or(i64::MAX))?;
        }
        transaction.commit()
    }

    /// Completes the file, puts it in place at `path` and opens it there.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(self, path: &Path) -> Result<Db, DbError> {
        self.connection.execute_batch(RECENT)?;
        self.connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        self.connection.pragma_update(None, "user_version", VERSION)?;
        self.connection.close().map_err(|(_, error)| error)?;
        // A name for what is not on disk yet would make a damaged index of a loss of power.
        fs::File::open(&self.path)?.sync_all()?;
        remove(path)?;
        fs::rename(&self.path, path)?;
        Db::open(path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::{JobKind, JobName};

    const DONE: Change = Change::Is(RunStatus::Ended(Outcome::Succeeded));
    const LOST: Change = Change::Is(RunStatus::Ended(Outcome::Lost));
    const BEGAN: Change = Change::Is(RunStatus::Running);

    fn line(run: u64, change: Change) -> Line {
        let job = JobId { kind: JobKind::Triggered, name: JobName::parse("a").expect("a name") };
        Line { job, run: RunId::of_number(run).expect("an id"), change }
    }

    #[test]
    fn what_an_end_or_a_going_makes_vain_is_left_out() {
        let (gone, cleared) = (Change::Gone, Change::Cleared);
        for (told, left) in [
            (vec![BEGAN, DONE], vec![DONE]),
            (vec![DONE, BEGAN], vec![DONE, BEGAN]),
            (vec![LOST, DONE], vec![DONE]),
            (vec![BEGAN, DONE, gone], vec![gone]),
            (vec![DONE, gone, BEGAN], vec![gone, BEGAN]),
            (vec![gone, DONE], vec![gone, DONE]),
            (vec![BEGAN, cleared, DONE], vec![cleared, DONE]),
            (vec![BEGAN, cleared], vec![BEGAN, cleared]),
        ] {
            let told: Vec<Line> = told.into_iter().map(|change| line(1, change)).collect();
            let left: Vec<Line> = left.into_iter().map(|change| line(1, change)).collect();
            assert_eq!(last_words(&told), left.iter().collect::<Vec<_>>());
            // Another run's words stand.
            let other = line(2, BEGAN);
            let mut both = vec![other.clone()];
            both.extend(told);
            assert_eq!(last_words(&both)[0], &other);
        }
    }

    #[test]
    fn a_job_that_is_cleared_goes_unless_a_newer_run_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let new = Loader::create(folder.path().join("new")).expect("a new index");
        let mut db = new.finish(&folder.path().join("index.db")).expect("it is in place");
        let mut take_in = |lines: &[Line]| {
            db.take_in(lines, &Instance::new("a"), Mark { file: 0, offset: 0 }).expect("it is taken in");
            (db.jobs().len(), db.counts(&line(1, DONE).job).expect("counts"))
        };
        assert_eq!(take_in(&[line(1, DONE)]).0, 1);
        assert_eq!(take_in(&[line(1, Change::Cleared)]), (0, BTreeMap::new()));
        let (jobs, counts) = take_in(&[line(7, BEGAN), line(3, Change::Cleared)]);
        assert_eq!((jobs, counts), (1, BTreeMap::from([(RunStatus::Running, 1)])));
    }

    /// How runs stand after some lines.
    fn after<'a>(
        mut runs: BTreeMap<RunId, RunStatus>,
        lines: impl IntoIterator<Item = &'a Line>,
    ) -> BTreeMap<RunId, RunStatus> {
        for Line { run, change, .. } in lines {
            match change {
                Change::Is(RunStatus::Running) => drop(runs.entry(*run).or_insert(RunStatus::Running)),
                Change::Is(status) => drop(runs.insert(*run, *status)),
                Change::Gone => drop(runs.remove(run)),
                Change::Cleared => runs.retain(|other, _| other > run),
            }
        }
        runs
    }

    fn lines() -> impl Strategy<Value = Vec<Line>> {
        let change = prop::sample::select(vec![BEGAN, DONE, LOST, Change::Gone, Change::Cleared]);
        prop::collection::vec((1..4_u64, change).prop_map(|(run, change)| line(run, change)), 0..8)
    }

    proptest! {
        #[test]
        fn nothing_stands_otherwise_for_what_is_left_out(before in lines(), told in lines()) {
            let before = after(BTreeMap::new(), &before);
            prop_assert_eq!(after(before.clone(), last_words(&told)), after(before, &told));
        }
    }
}
