//! Takes a zip file apart into a folder, as one who trusts nothing in it.
//!
//! No entry may leave the folder, stand for two things, or be anything but a file, a folder or a link to something
//! inside. Sizes are counted while bytes are written, whatever the zip says of them; one that says too much is not begun
//! with. Links are made last, so that nothing
//! is ever written through one. The folder must be fresh and is left half filled when this fails: whoever called makes
//! use of it only after success, and removes it otherwise.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use zip::{ExtraField, ZipArchive, read::ZipFile, result::ZipError};

use crate::os::file::modes;

/// Bytes that any zip may grow to, however small it is.
const RATIO_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// Longest name of a file or folder, in bytes; disks take no longer one.
pub const NAME_BYTES_MAX: usize = 255;

/// Longest path of an entry in bytes, so that it can be opened wherever the folder lies.
const PATH_BYTES_MAX: usize = 2048;

/// Most parts of an entry's path.
const PARTS_MAX: usize = 128;

/// Characters of a name that an error shows.
const SHOWN_CHARS_MAX: usize = 100;

/// Longest target of a link in bytes.
const LINK_BYTES_MAX: u64 = 4096;

/// How much a zip may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZipBounds {
    /// Entries at most.
    pub entries_max: usize,
    /// Bytes at most of all files together, unpacked.
    pub bytes_max: u64,
    /// Bytes at most that come of one byte of the zip, on average; the first 16 MiB are free.
    pub ratio_max: u64,
}

impl Default for ZipBounds {
    fn default() -> Self {
        Self { entries_max: 100_000, bytes_max: 4 * 1024 * 1024 * 1024, ratio_max: 200 }
    }
}

/// Why a zip was not taken apart.
#[derive(Debug, thiserror::Error)]
pub enum UnzipError {
    /// It is no zip file, or a damaged one.
    #[error("this is not a zip file that can be read: {0}")]
    NotZip(ZipError),
    /// One of its entries cannot be taken.
    #[error("the zip file has an entry `{entry}` that {why}")]
    Entry {
        /// Its name in the zip.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two of its entries have the same name.
    #[error("the zip file has two entries of the same name")]
    Duplicates,
    /// It has too many entries.
    #[error("the zip file has {entries} entries; {entries_max} are allowed")]
    TooMany {
        /// How many it has.
        entries: usize,
        /// How many it may have.
        entries_max: usize,
    },
    /// Its files are too large.
    #[error("the files in the zip file are larger than {bytes_max} bytes together")]
    TooLarge {
        /// Bytes that this zip may hold.
        bytes_max: u64,
    },
    /// The zip could not be read from, or its files not written to, the disk.
    #[error("failed to write `{path}`")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl UnzipError {
    /// Tells whether the zip is to blame, not this machine.
    pub fn is_the_zips_fault(&self) -> bool {
        match self {
            // A disk may take shorter names only than most.
            Self::Disk { source, .. } => source.kind() == io::ErrorKind::InvalidFilename,
            Self::NotZip(_) | Self::Entry { .. } | Self::Duplicates | Self::TooMany { .. } | Self::TooLarge { .. } => {
                true
            }
        }
    }
}

/// Takes the zip `file` apart into the folder `into`, which is fresh and empty.
///
/// # Errors
/// When the zip is damaged, breaks a bound, holds what it must not, or the disk does not take it.
pub fn unzip(file: &Path, into: &Path, bounds: &ZipBounds) -> Result<(), UnzipError> {
    let disk = |source| UnzipError::Disk { path: file.to_owned(), source };
    let opened = File::open(file).map_err(disk)?;
    let bytes_packed = opened.metadata().map_err(disk)?.len();
    let mut archive = ZipArchive::new(BufReader::new(opened)).map_err(UnzipError::NotZip)?;
    if archive.len() > bounds.entries_max {
        return Err(UnzipError::TooMany { entries: archive.len(), entries_max: bounds.entries_max });
    }
    if archive.has_duplicate_names() {
        return Err(UnzipError::Duplicates);
    }
    let grown = bytes_packed.saturating_mul(bounds.ratio_max).max(RATIO_FREE_BYTES);
    let bytes_max = bounds.bytes_max.min(grown);
    // What it says of itself is not believed, but a zip that says it is too large is not begun with.
    if declared(&archive)? > bytes_max {
        return Err(UnzipError::TooLarge { bytes_max });
    }
    let mut unpacking = Unpacking { into, bytes_max, bytes: 0, taken: BTreeMap::new(), links: Vec::new() };
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(UnzipError::NotZip)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.encrypted() {
            return Err(bad(&name, "is encrypted; send the zip without a password"));
        }
        let entry = archive.by_index(index).map_err(|error| bad(&name, &format!("cannot be read: {error}")))?;
        unpacking.take(&name, entry)?;
    }
    unpacking.link()
}

/// Adds up the sizes that the zip's directory tells.
fn declared<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<u64, UnzipError> {
    let mut bytes = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(UnzipError::NotZip)?;
        bytes = bytes.saturating_add(entry.size());
    }
    Ok(bytes)
}

/// What a path in the folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Folder,
    File,
}

struct Unpacking<'a> {
    into: &'a Path,
    bytes_max: u64,
    bytes: u64,
    taken: BTreeMap<PathBuf, Taken>,
    /// Links to make: the entry's name, where, to what.
    links: Vec<(String, PathBuf, String)>,
}

impl Unpacking<'_> {
    fn take<R: Read>(&mut self, name: &str, mut entry: ZipFile<'_, R>) -> Result<(), UnzipError> {
        let decoded = entry.name().map_err(|_| bad(name, "has a name that is not text"))?.into_owned();
        let is_folder = entry.is_dir() || decoded.ends_with('\\');
        let path = relative(&decoded).map_err(|why| bad(name, why))?;
        let mode = entry.unix_mode().filter(|_| entry.system() == zip::System::Unix);
        let kind = if is_folder { Taken::Folder } else { Taken::File };
        if path.as_os_str().is_empty() {
            return if is_folder { Ok(()) } else { Err(bad(name, "has no name")) };
        }
        self.claim(name, &path, kind)?;
        let place = self.into.join(&path);
        match mode.unwrap_or(0) & 0o170_000 {
            _ if is_folder => make_folders(self.into, &path),
            0o120_000 => {
                let mut target = String::new();
                let read = entry.by_ref().take(LINK_BYTES_MAX).read_to_string(&mut target);
                read.map_err(|error| bad(name, &format!("is a link that cannot be read: {error}")))?;
                self.links.push((name.to_owned(), path, target));
                Ok(())
            }
            0 | 0o100_000 => {
                make_folders(self.into, path.parent().unwrap_or(Path::new("")))?;
                self.write(name, &place, &mut entry)?;
                finish(&place, mode, modified(&entry)).map_err(|source| UnzipError::Disk { path: place, source })
            }
            _ => Err(bad(name, "is neither a file nor a folder")),
        }
    }

    /// Notes that a path is taken, and its parents with it.
    fn claim(&mut self, name: &str, path: &Path, kind: Taken) -> Result<(), UnzipError> {
        for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            if *self.taken.entry(parent.to_owned()).or_insert(Taken::Folder) == Taken::File {
                return Err(bad(name, "lies below another entry that is not a folder"));
            }
        }
        match self.taken.insert(path.to_owned(), kind) {
            None => Ok(()),
            Some(Taken::Folder) if kind == Taken::Folder => Ok(()),
            Some(Taken::Folder | Taken::File) => Err(bad(name, "stands for two things at one place")),
        }
    }

    fn write(&mut self, name: &str, place: &Path, entry: &mut impl Read) -> Result<(), UnzipError> {
        let disk = |source| UnzipError::Disk { path: place.to_owned(), source };
        let mut file = File::create_new(place).map_err(disk)?;
        let mut block = vec![0; 64 * 1024];
        loop {
            let n = entry.read(&mut block).map_err(|error| bad(name, &format!("is damaged: {error}")))?;
            if n == 0 {
                return Ok(());
            }
            self.bytes += n as u64;
            if self.bytes > self.bytes_max {
                return Err(UnzipError::TooLarge { bytes_max: self.bytes_max });
            }
            file.write_all(&block[..n]).map_err(disk)?;
        }
    }

    /// Makes the links and looks where each of them really leads, through others too.
    fn link(self) -> Result<(), UnzipError> {
        let disk = |source| UnzipError::Disk { path: self.into.to_owned(), source };
        for (name, path, target) in &self.links {
            make_folders(self.into, path.parent().unwrap_or(Path::new("")))?;
            modes::link(target, &self.into.join(path))
                .map_err(|error| bad(name, &format!("is a link that cannot be made: {error}")))?;
        }
        let inside = self.into.canonicalize().map_err(disk)?;
        for (name, path, target) in &self.links {
            let leads_to = self.into.join(path).canonicalize();
            if Path::new(target).is_absolute() || !leads_to.is_ok_and(|place| place.starts_with(&inside)) {
                let target = shortened(target);
                return Err(bad(name, &format!("is a link to `{target}`, which is not in the zip file")));
            }
        }
        Ok(())
    }
}

/// Turns an entry's name into a path below the folder. Zips made on Windows may have `\` between folders.
fn relative(name: &str) -> Result<PathBuf, &'static str> {
    if name.chars().any(char::is_control) {
        return Err("has control characters in its name");
    }
    if name.starts_with(['/', '\\']) {
        return Err("has an absolute path");
    }
    let mut path = PathBuf::new();
    for (at, part) in name.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").enumerate() {
        if part == ".." {
            return Err("leads out of the folder");
        }
        if at == 0 && matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
            return Err("names a drive");
        }
        if part.len() > NAME_BYTES_MAX {
            return Err("has a name that is too long: 255 bytes are allowed");
        }
        if at == PARTS_MAX {
            return Err("lies too deep: 128 folders and names are allowed");
        }
        path.push(part);
    }
    if path.as_os_str().len() > PATH_BYTES_MAX {
        return Err("has a path that is too long: 2048 bytes are allowed");
    }
    Ok(path)
}

/// When the file was changed: in UTC where the zip says so, else its local time is taken for UTC.
fn modified<R: Read>(entry: &ZipFile<'_, R>) -> Option<SystemTime> {
    let mut stamps = entry.extra_data_fields().filter_map(|field| match field {
        ExtraField::ExtendedTimestamp(stamp) => stamp.mod_time(),
        _ => None,
    });
    if let Some(seconds) = stamps.next() {
        return Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into()));
    }
    let local = entry.last_modified()?;
    let [month, day, hour, minute, second] =
        [local.month(), local.day(), local.hour(), local.minute(), local.second()].map(|part| i8::try_from(part).ok());
    let year = i16::try_from(local.year()).ok()?;
    let date = jiff::civil::DateTime::new(year, month?, day?, hour?, minute?, second?, 0).ok()?;
    jiff::tz::Offset::UTC.to_timestamp(date).ok().map(SystemTime::from)
}

/// Keeps the time, and the permissions so that the file can be read and replaced; never set-user-id and the like.
fn finish(place: &Path, mode: Option<u32>, modified: Option<SystemTime>) -> io::Result<()> {
    let file = File::options().write(true).open(place)?;
    if let Some(modified) = modified {
        file.set_modified(modified)?;
    }
    modes::set(&file, mode.unwrap_or(0) & 0o777 | 0o644)
}

fn make_folders(into: &Path, path: &Path) -> Result<(), UnzipError> {
    let mut place = into.to_owned();
    for part in path {
        place.push(part);
        match make_folder(&place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(UnzipError::Disk { path: place, source: error });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn make_folder(place: &Path) -> io::Result<()> {
    fs::create_dir(place)?;
    modes::set_folder(place, modes::FOLDER)
}

fn bad(entry: &str, why: &str) -> UnzipError {
    UnzipError::Entry { entry: shortened(entry), why: why.to_owned() }
}

/// Returns the beginning of a text that others wrote, as an error shows it.
fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
