//! The names of a log's files, and what lies on disk of it.
//!
//! A part's name is its byte range, so that a listing is the whole index. A crash can leave a part twice (packed and not
//! yet removed) or half packed (`.tmp`); a listing shows each range once and never a half.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use crate::{
    model::{log::LogPolicy, time::Wall},
    os::file::TEMP_SUFFIX,
    store::layout::{JOB_LOG, OUTPUT_LOG},
};

/// The name of a log: what its current file is called, as `job_log.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogName(Arc<Name>);

#[derive(Debug, PartialEq, Eq)]
struct Name {
    file: Box<str>,
    /// Where its last dot is, or its end.
    dot: usize,
}

impl LogName {
    /// Takes a file name apart. The names that nearly all logs have are held once for all of them.
    pub fn new(file_name: &str) -> Self {
        static USUAL: LazyLock<[LogName; 2]> = LazyLock::new(|| [JOB_LOG, OUTPUT_LOG].map(LogName::made));
        let usual = USUAL.iter().find(|usual| *usual.0.file == *file_name);
        usual.cloned().unwrap_or_else(|| Self::made(file_name))
    }

    fn made(file_name: &str) -> Self {
        let dot = file_name.rfind('.').unwrap_or(file_name.len());
        Self(Arc::new(Name { file: file_name.into(), dot }))
    }

    fn stem(&self) -> &str {
        &self.0.file[..self.0.dot]
    }

    /// Returns what follows the stem: with its dot, or empty.
    fn extension(&self) -> &str {
        &self.0.file[self.0.dot..]
    }

    /// Returns the name of the log that an instance writes while another host has this one: `job_log_host01.txt`.
    #[must_use]
    pub fn of_instance(&self, instance: &str) -> Self {
        // A dot would end the name before its extension.
        let instance = instance.replace('.', "-");
        Self::made(&format!("{}_{instance}{}", self.stem(), self.extension()))
    }

    /// Lists this log and those that instances write beside it, as far as they exist in the folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn with_siblings(&self, dir: &Path) -> io::Result<Vec<Self>> {
        let mut names = Vec::new();
        for entry in entries(dir)? {
            let file_name = entry?.file_name();
            let own =
                file_name.to_str().and_then(|text| text.strip_prefix(self.stem())?.strip_suffix(self.extension()));
            match own.map(|own| own.strip_prefix('_').unwrap_or(own)) {
                Some("") => names.push(self.clone()),
                Some(instance) if !instance.contains('.') => names.push(self.of_instance(instance)),
                Some(_) | None => {}
            }
        }
        names.sort_unstable_by_key(Self::current);
        Ok(names)
    }

    /// Returns the name of the current file.
    pub fn current(&self) -> String {
        self.0.file.to_string()
    }

    /// Returns the name of the file whose lock says whose log it is.
    pub fn lock(&self) -> String {
        format!("{}.lock", self.stem())
    }

    /// Returns the name of a part before it is packed.
    pub fn part(&self, start: u64, end: u64) -> String {
        format!("{}.{start:020}-{end:020}{}", self.stem(), self.extension())
    }

    /// Returns the name of a packed part.
    pub fn packed(&self, start: u64, end: u64) -> String {
        format!("{}.gz", self.part(start, end))
    }

    fn parse_part(&self, file_name: &str) -> Option<Part> {
        let rest = file_name.strip_prefix(self.stem())?.strip_prefix('.')?;
        let (range, rest) = rest.split_at_checked(41)?;
        let (start, end) = range.split_once('-')?;
        let digits = |text: &str| text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(start) || !digits(end) {
            return None;
        }
        let (is_plain, is_packed) = match rest.strip_prefix(self.extension())? {
            "" => (true, false),
            ".gz" => (false, true),
            _ => return None,
        };
        let (start, end) = (start.parse().ok()?, end.parse().ok()?);
        (start <= end).then_some(Part { start, end, is_plain, is_packed })
    }
}

/// A rolled part: bytes `start..end` of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Offset of its first byte.
    pub start: u64,
    /// Offset after its last byte.
    pub end: u64,
    /// There is a file as it was written.
    pub is_plain: bool,
    /// There is a compressed file.
    pub is_packed: bool,
}

impl Part {
    /// Says whether it holds nothing but its offset.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns the names of the files it has.
    pub fn files(&self, name: &LogName) -> Vec<String> {
        let plain = self.is_plain.then(|| name.part(self.start, self.end));
        let packed = self.is_packed.then(|| name.packed(self.start, self.end));
        plain.into_iter().chain(packed).collect()
    }
}

/// Lists the parts of a log, the oldest first; none when there is no folder.
pub fn list(dir: &Path, name: &LogName) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in entries(dir)? {
        if let Some(part) = entry?.file_name().to_str().and_then(|file_name| name.parse_part(file_name)) {
            parts.push(part);
        }
    }
    parts.sort_unstable();
    parts.dedup_by(|later, kept| {
        let is_same = (later.start, later.end) == (kept.start, kept.end);
        if is_same {
            kept.is_plain |= later.is_plain;
            kept.is_packed |= later.is_packed;
        }
        is_same
    });
    Ok(parts)
}

/// Bytes of a part that are given back to the disk later: for many it takes milliseconds, and a pump would wait for it.
const LARGE_BYTES: u64 = 1024 * 1024;

/// Parts that have no name any more, and give their bytes back when they are dropped.
#[derive(Debug, Default)]
pub struct Gone(Vec<File>);

impl Gone {
    /// Gives the bytes back on a thread of its own, which ends with that.
    pub fn drop_aside(self) {
        if !self.0.is_empty() {
            // Where no thread can be had, they are given back here.
            let _ = thread::Builder::new().name("log pruner".to_owned()).spawn(move || drop(self));
        }
    }
}

/// Removes parts that the policy no longer keeps. The count of bytes stays, if need be in a part of no length.
pub fn prune(dir: &Path, name: &LogName, policy: &LogPolicy, now: Wall) -> io::Result<Gone> {
    let parts = list(dir, name)?;
    let end = current_start(&parts);
    let full: Vec<&Part> = parts.iter().filter(|part| !part.is_empty()).collect();
    let n_beyond = full.len().saturating_sub(policy.keep as usize);
    let is_old = |part: &Part| age(dir, name, part, now).is_some_and(|age| age > policy.max_age);
    // The oldest go first, whatever the clock said when later ones were written.
    let n_gone = full.iter().rposition(|part| is_old(part)).map_or(n_beyond, |at| n_beyond.max(at + 1));
    let counts_by_part = full[n_gone..].iter().any(|part| part.end == end);
    if !counts_by_part && end > 0 {
        mark(dir, name, end)?;
    }
    let marks = parts.iter().filter(|part| part.is_empty() && (counts_by_part || part.end < end));
    let mut gone = Gone::default();
    for part in full[..n_gone].iter().copied().chain(marks) {
        for file in part.files(name) {
            let path = dir.join(file);
            if part.is_plain && part.end - part.start >= LARGE_BYTES {
                // Its name goes now, its bytes with the last who has it open.
                gone.0.extend(File::open(&path));
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(gone)
}

/// Writes down that the log goes on at `offset`, whatever became of the bytes before.
pub fn mark(dir: &Path, name: &LogName, offset: u64) -> io::Result<()> {
    fs::write(dir.join(name.part(offset, offset)), b"")
}

/// Removes what a crash left of parts that were being packed; the parts themselves are still there.
pub fn remove_halves(dir: &Path, name: &LogName) -> io::Result<()> {
    let begin = format!(".{}.", name.stem());
    for entry in entries(dir)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let text = file_name.to_string_lossy();
        if text.starts_with(&begin) && text.ends_with(TEMP_SUFFIX) {
            // Whoever is still writing it finds it gone, and leaves the part as it is.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Lists a folder; one that does not exist is empty.
fn entries(dir: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match fs::read_dir(dir) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

fn age(dir: &Path, name: &LogName, part: &Part, now: Wall) -> Option<Duration> {
    let file = part.files(name).into_iter().next()?;
    let written = Wall::try_from(fs::metadata(dir.join(file)).ok()?.modified().ok()?).ok()?;
    Duration::try_from(now.duration_since(written)).ok()
}

/// Returns where the current file begins: after the newest part.
pub fn current_start(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.end).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_names(name: &str) -> Vec<String> {
        let name = LogName::new(name);
        vec![name.current(), name.lock(), name.part(0, 7), name.packed(7, u64::MAX)]
    }

    #[test]
    fn names_of_parts_sort_as_their_bytes_do() {
        assert_eq!(
            file_names("job_log.txt"),
            [
                "job_log.txt",
                "job_log.lock",
                "job_log.00000000000000000000-00000000000000000007.txt",
                "job_log.00000000000000000007-18446744073709551615.txt.gz",
            ]
        );
        assert_eq!(LogName::new("job_log.txt").of_instance("host01").current(), "job_log_host01.txt");
        assert_eq!(LogName::new("job_log.txt").of_instance("host01.lan").current(), "job_log_host01-lan.txt");
    }

    #[test]
    fn a_listing_shows_each_range_once_and_no_strangers() {
        let dir = tempfile::tempdir().unwrap();
        let name = LogName::new("job_log.txt");
        let other = name.of_instance("host01");
        let strangers = ["job_log.txt", "job_log.lock", "job_log.1-2.txt", "job_log.zip", "status"].map(String::from);
        let half = format!("{}.tmp", name.packed(5, 9));
        let files = [name.part(5, 9), name.packed(5, 9), name.packed(0, 5), name.part(9, 9), other.part(1, 2), half];
        for file in files.iter().chain(&strangers) {
            fs::write(dir.path().join(file), b"").unwrap();
        }
        let parts = list(dir.path(), &name).unwrap();
        let shown: Vec<_> = parts.iter().map(|p| (p.start, p.end, p.is_plain, p.is_packed)).collect();
        assert_eq!(shown, [(0, 5, false, true), (5, 9, true, true), (9, 9, true, false)]);
        assert_eq!(current_start(&parts), 9);
        assert_eq!(list(&dir.path().join("missing"), &name).unwrap(), []);
    }
}
