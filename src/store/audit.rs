//! The audit log, `data/webjobd/audit.jsonl`: who did what through the API, one JSON line each, for its owner alone.
//!
//! Each line is appended by a single write to the file as it is at that moment, so that several hosts on one root may
//! share it. It stays open between two lines; that it is still the file of that name is looked at before each. When it is full it becomes `audit.1.jsonl`, that one `audit.2.jsonl` and so on; the oldest goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    model::{id::Instance, time::Wall},
    os::file,
};

/// Size at which a new file is begun, and how many full ones stay.
const BYTES_MAX: u64 = 8 * 1024 * 1024;
const PARTS_MAX: u32 = 9;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When it was done.
    pub at: Wall,
    /// On which host.
    pub instance: Instance,
    /// Who did it: a user or token; absent when nobody has proved to be anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Their role, or `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The client's address.
    pub from: String,
    /// The proxy that says so, when it is not the client's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// The method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, without what looks like a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The program, by its own account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// The status of the answer; absent when the client did not wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many lines about strangers were left out before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// It was not: the request was wrong, or something stood against it.
    Refused,
    /// It was tried, and failed.
    Failed,
    /// The caller may not.
    Denied,
    /// Nobody has proved to be anybody.
    LoginFailed,
    /// The client went before the answer; it may have been done.
    Abandoned,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The log.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    bytes_max: u64,
    /// The file as it was at the last line.
    open: Option<File>,
}

impl Audit {
    /// Describes the log that lies at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, bytes_max: BYTES_MAX, open: None }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn append(&mut self, line: &AuditLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut size = self.open.as_ref().and_then(|log| file::size_at(log, &self.path));
        let log = match &mut self.open {
            Some(log) if size.is_some() => log,
            // Another host has rolled it, or somebody moved it away.
            Some(_) | None => {
                let log = open(&self.path)?;
                size = Some(log.metadata()?.len());
                self.open.insert(log)
            }
        };
        log.write_all(&text)?;
        // What others have added meanwhile counts with the next line.
        if size.unwrap_or_default() + text.len() as u64 >= self.bytes_max { self.roll() } else { Ok(()) }
    }

    /// Begins a new file, unless another host does.
    fn roll(&self) -> io::Result<()> {
        let Some(_lock) = file::try_lock(&self.path.with_extension("lock"))? else { return Ok(()) };
        // Another host may have done it just now.
        if fs::metadata(&self.path)?.len() < self.bytes_max {
            return Ok(());
        }
        for number in (1..PARTS_MAX).rev() {
            moved(&self.part(number), &self.part(number + 1))?;
        }
        moved(&self.path, &self.part(1))
    }

    fn part(&self, number: u32) -> PathBuf {
        self.path.with_extension(format!("{number}.jsonl"))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Moves a file over another; one that is not there moves nowhere.
fn moved(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::file::modes;

    fn line(status: u16) -> AuditLine {
        AuditLine {
            at: Wall::UNIX_EPOCH,
            instance: Instance::new("box"),
            who: Some("ada".to_owned()),
            role: Some("admin".to_owned()),
            from: "127.0.0.1".to_owned(),
            via: None,
            method: "POST".to_owned(),
            path: "/api/triggeredwebjobs/report/run".to_owned(),
            query: None,
            agent: None,
            outcome: AuditOutcome::Done,
            status: Some(status),
            reason: None,
            left_out: 0,
        }
    }

    #[test]
    fn lines_are_whole_and_their_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        Audit::new(path.clone()).append(&line(202)).expect("it is written");
        assert!(!modes::is_open_to_others(&path));
        assert_eq!(
            fs::read_to_string(&path).expect("it is there"),
            "{\"at\":\"1970-01-01T00:00:00Z\",\"instance\":\"box\",\"who\":\"ada\",\"role\":\"admin\",\
             \"from\":\"127.0.0.1\",\"method\":\"POST\",\"path\":\"/api/triggeredwebjobs/report/run\",\
             \"outcome\":\"done\",\"status\":202}\n"
        );
    }

    #[test]
    fn hosts_that_share_it_lose_no_line_when_one_of_them_rolls_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let of_a_host = || Audit { path: folder.path().join("audit.jsonl"), bytes_max: 500, open: None };
        let (mut one, mut other) = (of_a_host(), of_a_host());
        for status in 0..12 {
            one.append(&line(status)).expect("it is written");
            other.append(&line(status)).expect("it is written");
        }
        let parts = (1..=PARTS_MAX).filter_map(|number| fs::read_to_string(one.part(number)).ok());
        let lines: usize = parts.chain(fs::read_to_string(&one.path).ok()).map(|part| part.lines().count()).sum();
        assert_eq!(lines, 24);
    }

    #[test]
    fn a_full_log_is_rolled_and_the_oldest_part_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut audit = Audit { path: folder.path().join("audit.jsonl"), bytes_max: 500, open: None };
        for status in 0..100 {
            audit.append(&line(status)).expect("it is written");
        }
        let parts: Vec<String> = (1..=PARTS_MAX)
            .rev()
            .map(|number| fs::read_to_string(audit.part(number)).expect("a part"))
            .chain(fs::read_to_string(&audit.path).ok())
            .collect();
        let lines = parts.iter().flat_map(|part| part.lines());
        let kept: Vec<u16> = lines
            .map(|line| serde_json::from_str::<AuditLine>(line).expect("a line").status.expect("a status"))
            .collect();
        let first = kept[0];
        assert_eq!(kept, (first..100).collect::<Vec<_>>(), "the newest lines, without a gap");
        assert!(!audit.part(PARTS_MAX + 1).exists());
        assert!(parts.iter().all(|part| part.len() < 800 && !part.is_empty()));
    }
}
