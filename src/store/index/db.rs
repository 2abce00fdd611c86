//! The file of the index: two trees over all runs, numbers for jobs, counts, and how far each host's feed was read.
//!
//! ```text
//!  run     (job, class, run)      one job's runs by status, newest last        class = kind and status in one number
//!  recent  (class, run, job)      all runs by kind and status, newest last     run   = the id's 18 digits
//! ```
//!
//! Whatever is asked for is a merge of at most twelve ranges of one of the trees, read from their ends: no answer scans or
//! sorts. Nothing stands here that a record does not tell, so the file may be thrown away at any time.

mod change;
mod page;
#[cfg(test)]
mod plan;

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

pub use self::{
    change::{Correction, Loader},
    page::{Entry, Page},
};
use crate::{
    model::{
        history::RunStatus,
        id::{Instance, JobId, JobKind, JobName, RunId},
        run::Outcome,
    },
    store::index::feed::Mark,
};

/// Tells SQLite's files of this kind from others.
const APPLICATION_ID: i64 = 0x7765_626a;

/// The version of what stands in the file. Another one is built anew.
const VERSION: i64 = 1;

/// How long somebody else's look at the file is waited for.
const BUSY_MAX: Duration = Duration::from_secs(2);

/// Statements that stay prepared: each of the twelve ranges has one of its own, in three forms.
const STATEMENTS_MAX: usize = 64;

const TABLES: &str = "
    CREATE TABLE job (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
    CREATE TABLE run (job INTEGER NOT NULL, class INTEGER NOT NULL, run INTEGER NOT NULL,
                      PRIMARY KEY (job, class, run)) WITHOUT ROWID;
    CREATE TABLE tally (job INTEGER NOT NULL, class INTEGER NOT NULL, runs INTEGER NOT NULL,
                        PRIMARY KEY (job, class)) WITHOUT ROWID;
    CREATE TABLE mark (instance TEXT PRIMARY KEY, file INTEGER NOT NULL, offset INTEGER NOT NULL) WITHOUT ROWID;";

/// Made when the table is full already: that is faster, and leaves no holes.
const RECENT: &str = "CREATE INDEX recent ON run (class, run, job);";

/// Why the file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// There is none.
    #[error("there is no index yet")]
    Missing,
    /// Another program, or another version of this one, wrote it.
    #[error("the index is of another version")]
    OtherVersion,
    /// It is damaged, or the disk does not take it.
    #[error("the index cannot be used")]
    Sql(#[from] rusqlite::Error),
    /// The disk does not take it.
    #[error("failed to put the index in place")]
    File(#[from] io::Error),
}

/// The file, open.
#[derive(Debug)]
pub struct Db {
    connection: Connection,
    jobs: Jobs,
    marks: BTreeMap<Instance, Mark>,
}

/// The jobs' numbers: thousands at most, so they are kept in memory.
#[derive(Debug, Default)]
struct Jobs {
    numbers: HashMap<JobId, i64>,
    names: HashMap<i64, JobId>,
    /// At least the newest run of a job that stands, by the job's number; of jobs for which it was asked for.
    newest: HashMap<i64, i64>,
}

impl Db {
    /// Opens the file for reading and writing.
    ///
    /// # Errors
    /// When there is none, or it is of no use.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        if !path.exists() {
            return Err(DbError::Missing);
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        set_up(&connection)?;
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if (number("application_id")?, number("user_version")?) != (APPLICATION_ID, VERSION) {
            return Err(DbError::OtherVersion);
        }
        // A write that changes nothing tells now, not in the middle of an answer, that nothing can be written.
        connection.pragma_update(None, "user_version", VERSION)?;
        let (jobs, marks) = (Jobs::read(&connection)?, marks(&connection)?);
        Ok(Self { connection, jobs, marks })
    }

    /// Returns how far the feed of a host was read.
    pub fn mark(&self, instance: &Instance) -> Option<Mark> {
        self.marks.get(instance).copied()
    }

    /// Returns the jobs that have a number.
    pub fn jobs(&self) -> Vec<JobId> {
        self.jobs.numbers.keys().cloned().collect()
    }

    /// Writes what waits beside the file into it, without holding up who reads or writes.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn checkpoint(&self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }
}

/// Removes the file and what lies beside it. It need not be there.
///
/// # Errors
/// When it stays.
pub fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Returns the path of what SQLite keeps beside a file.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_MAX)?;
    // A plan that depends on the values asked for is made anew for each; ours must not, see `plan`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What a loss of power takes with it is read from the feed again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // The index's thread does it, while nobody waits.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // In KiB.
    connection.pragma_update(None, "cache_size", -8192)
}

fn marks(connection: &Connection) -> rusqlite::Result<BTreeMap<Instance, Mark>> {
    let mut statement = connection.prepare("SELECT instance, file, offset FROM mark")?;
    let rows = statement.query_map([], |row| {
        let mark = Mark { file: unsigned(row.get(1)?), offset: unsigned(row.get(2)?) };
        Ok((Instance::new(&row.get::<_, String>(0)?), mark))
    })?;
    rows.collect()
}

impl Jobs {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut jobs = Self::default();
        let mut statement = connection.prepare("SELECT id, kind, name FROM job")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name = JobName::parse(&row.get::<_, String>(2)?).map_err(|_| rusqlite::Error::InvalidQuery)?;
            let kind = if row.get::<_, i64>(1)? == kind_number(JobKind::Triggered) {
                JobKind::Triggered
            } else {
                JobKind::Continuous
            };
            jobs.add(row.get(0)?, JobId { kind, name });
        }
        Ok(jobs)
    }

    fn add(&mut self, number: i64, job: JobId) {
        self.numbers.insert(job.clone(), number);
        self.names.insert(number, job);
    }

    fn number(&self, job: &JobId) -> Option<i64> {
        self.numbers.get(job).copied()
    }

    fn name(&self, number: i64) -> Option<&JobId> {
        self.names.get(&number)
    }

    fn remove(&mut self, job: &JobId) {
        if let Some(number) = self.numbers.remove(job) {
            self.names.remove(&number);
            self.newest.remove(&number);
        }
    }
}

/// Triggered runs that succeeded are most of all: SQLite keeps 0 in no byte at all.
const fn kind_number(kind: JobKind) -> i64 {
    match kind {
        JobKind::Triggered => 0,
        JobKind::Continuous => 1,
    }
}

const fn status_number(status: RunStatus) -> i64 {
    match status {
        RunStatus::Ended(Outcome::Succeeded) => 0,
        RunStatus::Ended(Outcome::Failed) => 1,
        RunStatus::Running => 2,
        RunStatus::Ended(Outcome::TimedOut) => 3,
        RunStatus::Ended(Outcome::Stopped) => 4,
        RunStatus::Ended(Outcome::Lost) => 5,
    }
}

/// The first class of a kind; the others follow it.
const fn first_class(kind: JobKind) -> i64 {
    kind_number(kind) * RunStatus::ALL.len() as i64
}

const fn class(kind: JobKind, status: RunStatus) -> i64 {
    first_class(kind) + status_number(status)
}

fn status_of(class: i64) -> Option<RunStatus> {
    let number = class % RunStatus::ALL.len() as i64;
    RunStatus::ALL.into_iter().find(|status| status_number(*status) == number)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Reads a run's number. One that no id has was written by a disk that fails.
fn run_of(number: i64) -> rusqlite::Result<RunId> {
    RunId::of_number(unsigned(number)).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, number))
}
