//! A run's record: the file `status` in its folder, as Kudu writes it (spec/kudu-webjobs 4.4) with what Kudu never kept.
//!
//! Kudu's members keep their names (`Trigger`, `Status`, `StartTime`, `EndTime`), so that its tools read ours and we read
//! theirs. A record is replaced as a whole; one that cannot be read hides no other.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        exit::Exit,
        id::{Instance, JobId, RunId},
        job::ContentHash,
        run::{LogSpan, Outcome, RunPhase, RunRecord, Trigger},
        time::Wall,
    },
    os::file::{self, Access, Durability, FileError},
    store::layout::{Layout, OUTPUT_LOG},
};

/// Largest record that is read, in bytes; the arguments of a run may be long.
const RECORD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The members of the file. Those without a value are left out.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<String>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<Wall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<Wall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<Instance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_start: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_end: Option<u64>,
    /// The trigger as data; `trigger` is its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Trigger>,
}

/// Writes a run's record, as a whole; makes its folder when `record` is the first of it.
///
/// # Errors
/// When the disk does not take it.
pub fn write(layout: &Layout, record: &RunRecord) -> Result<(), FileError> {
    let path = layout.status(&record.job, record.id);
    let text = serde_json::to_vec(&to_status(record)).expect("a record holds nothing that JSON cannot");
    match file::write_whole(&path, &text, Durability::Lazy, Access::Usual) {
        Err(FileError::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let folder = layout.run(&record.job, record.id);
            file::create_missing(&folder).map_err(|source| FileError::Write { path: folder, source })?;
            file::write_whole(&path, &text, Durability::Lazy, Access::Usual)
        }
        done => done,
    }
}

/// Reads a run's record; `None` when there is none, or none that makes sense.
pub fn read(layout: &Layout, job: &JobId, run: RunId) -> Option<RunRecord> {
    let text = file::read_bounded(&layout.status(job, run), RECORD_BYTES_MAX).ok()??;
    let status: Status = serde_json::from_slice(&text).ok()?;
    from_status(status, job, run, layout.instance())
}

/// Returns the ids of a job's runs that have a folder, newest first. Folders of any other name are none of ours.
///
/// # Errors
/// When the folder exists and cannot be read.
pub fn list(layout: &Layout, job: &JobId) -> io::Result<Vec<RunId>> {
    let entries = match fs::read_dir(layout.runs(job)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut runs: Vec<RunId> = names.filter_map(|name| RunId::parse(&name).ok()).collect();
    runs.sort_unstable_by(|a, b| b.cmp(a));
    Ok(runs)
}

/// Removes a run's folder with all that lies in it; one that is gone already is fine.
///
/// # Errors
/// When something of it stays.
pub fn remove(layout: &Layout, job: &JobId, run: RunId) -> io::Result<()> {
    let folder = layout.run(job, run);
    // What it has as a rule goes without a look at what else there may be. The record goes last.
    let _ = fs::remove_file(folder.join(OUTPUT_LOG));
    let _ = fs::remove_file(layout.status(job, run));
    match fs::remove_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => remove_folder(&folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Kudu's status word of a run (spec/kudu-webjobs 4.4).
pub fn status_word(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Initializing => "Initializing",
        RunPhase::Running => "Running",
        RunPhase::Ended(Outcome::Succeeded) => "Success",
        RunPhase::Ended(Outcome::Failed | Outcome::TimedOut) => "Failed",
        RunPhase::Ended(Outcome::Stopped) => "Stopped",
        RunPhase::Ended(Outcome::Lost) => "Aborted",
    }
}

fn phase(status: &str, outcome: Option<Outcome>) -> Option<RunPhase> {
    let ended = |outcome| Some(RunPhase::Ended(outcome));
    match (status, outcome) {
        ("Initializing", _) => Some(RunPhase::Initializing),
        ("Running", _) => Some(RunPhase::Running),
        (_, Some(outcome)) => ended(outcome),
        ("Success", None) => ended(Outcome::Succeeded),
        ("Failed", None) => ended(Outcome::Failed),
        ("Stopped", None) => ended(Outcome::Stopped),
        ("Aborted", None) => ended(Outcome::Lost),
        (_, None) => None,
    }
}

fn to_status(record: &RunRecord) -> Status {
    let (exit_code, signal) = match record.exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(number)) => (None, Some(number)),
        None => (None, None),
    };
    Status {
        trigger: Some(record.trigger.to_string()),
        status: status_word(record.phase).to_owned(),
        start_time: Some(record.started),
        end_time: record.ended,
        outcome: match record.phase {
            RunPhase::Ended(outcome) => Some(outcome),
            RunPhase::Initializing | RunPhase::Running => None,
        },
        reason: record.reason.clone(),
        exit_code,
        signal,
        duration_ms: record.duration_ms,
        arguments: record.arguments.clone(),
        attempt: (record.attempt > 1).then_some(record.attempt),
        copy: (record.copy > 0).then_some(record.copy),
        instance: Some(record.instance.clone()),
        pid: record.pid,
        content: record.content.map(|hash| hash.to_string()),
        log_name: record.log.as_ref().and_then(|log| log.name.clone()),
        log_start: record.log.as_ref().map(|log| log.start),
        log_end: record.log.as_ref().and_then(|log| log.end),
        cause: Some(record.trigger.clone()),
    }
}

fn from_status(status: Status, job: &JobId, run: RunId, reader: &Instance) -> Option<RunRecord> {
    // A name that leads elsewhere is none that was written here.
    let log_name = status.log_name.filter(|name| !name.contains(['/', '\\']));
    let exit = status.exit_code.map(Exit::Code).or(status.signal.map(Exit::Signal));
    // A record of Kudu's own has the text alone.
    let text = status.trigger.unwrap_or_default();
    let user_agent = || text.strip_prefix("External - ").unwrap_or(&text).to_owned();
    Some(RunRecord {
        id: run,
        job: job.clone(),
        copy: status.copy.unwrap_or(0),
        instance: status.instance.unwrap_or_else(|| reader.clone()),
        trigger: status.cause.unwrap_or_else(|| Trigger::Api { user_agent: user_agent() }),
        attempt: status.attempt.unwrap_or(1),
        arguments: status.arguments,
        phase: phase(&status.status, status.outcome)?,
        started: status.start_time?,
        ended: status.end_time,
        duration_ms: status.duration_ms,
        exit,
        reason: status.reason,
        content: status.content.and_then(|text| ContentHash::parse(&text)),
        pid: status.pid,
        log: status.log_start.map(|start| LogSpan { name: log_name, start, end: status.log_end }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobKind, JobName};

    fn job() -> JobId {
        JobId { kind: JobKind::Triggered, name: JobName::parse("report").expect("a name") }
    }

    fn layout(folder: &tempfile::TempDir) -> Layout {
        Layout::new(folder.path().to_owned(), Instance::new("host-a"))
    }

    fn record() -> RunRecord {
        let started: Wall = "2015-10-20T03:36:42.5903978Z".parse().expect("a time");
        RunRecord {
            id: RunId::at(started, None),
            job: job(),
            copy: 0,
            instance: Instance::new("host-a"),
            trigger: Trigger::Schedule { due: started, expression: "0 * * * * *".to_owned(), caught_up: false },
            attempt: 2,
            arguments: Some("a \"b c\"".to_owned()),
            phase: RunPhase::Ended(Outcome::TimedOut),
            started,
            ended: Some("2015-10-20T03:37:02.8328967Z".parse().expect("a time")),
            duration_ms: Some(20_242),
            exit: Some(Exit::Signal(15)),
            reason: Some("because".to_owned()),
            content: Some(ContentHash([7; 16])),
            pid: Some(42),
            log: Some(LogSpan { name: Some("job_log_host-a.txt".to_owned()), start: 10, end: Some(20) }),
        }
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = layout(&folder);
        write(&layout, &record()).expect("the record is written");
        assert_eq!(read(&layout, &job(), record().id), Some(record()));
        assert_eq!(list(&layout, &job()).expect("the runs are listed"), [record().id]);
        let text = fs::read_to_string(layout.status(&job(), record().id)).expect("the file is there");
        assert!(text.starts_with(
            r#"{"Trigger":"Schedule - 0 * * * * *","Status":"Failed","StartTime":"2015-10-20T03:36:42.5903978Z""#
        ));
    }

    #[test]
    fn a_record_of_kudus_own_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = layout(&folder);
        let run = record().id;
        fs::create_dir_all(layout.run(&job(), run)).expect("the folder is made");
        let text = r#"{"Trigger":"External - curl/8","Status":"Running","StartTime":"2015-10-20T03:36:42.5903978Z"}"#;
        fs::write(layout.status(&job(), run), text).expect("the file is written");
        let read = read(&layout, &job(), run).expect("it makes sense");
        assert_eq!(read.trigger, Trigger::Api { user_agent: "curl/8".to_owned() });
        assert_eq!(read.phase, RunPhase::Running);
    }

    #[test]
    fn a_broken_record_or_a_foreign_folder_hides_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = layout(&folder);
        write(&layout, &record()).expect("the record is written");
        let broken = RunId::parse("201601010000000000").expect("18 digits");
        fs::create_dir_all(layout.run(&job(), broken)).expect("the folder is made");
        fs::write(layout.status(&job(), broken), "").expect("the file is written");
        fs::create_dir_all(layout.job(&job()).join("checkpoints")).expect("the folder is made");
        assert_eq!(list(&layout, &job()).expect("the runs are listed"), [broken, record().id]);
        assert_eq!(read(&layout, &job(), broken), None);
        remove(&layout, &job(), broken).expect("it goes");
        remove(&layout, &job(), broken).expect("it is gone already");
    }
}
