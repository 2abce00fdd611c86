//! Packs files into a zip that is sent while it is made: nothing of it is kept but the list of names at its end.
//!
//! Times and permissions are kept. Names are as they are given; nothing here looks at a folder.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use zip::{
    DateTime, ZipWriter,
    write::{FullFileOptions, StreamWriter},
};

use crate::model::time::Wall;

/// Entries of one zip at most: its list of names is kept in memory.
pub const ENTRIES_MAX: usize = 500_000;

/// Bytes from which on an entry needs the larger form of the format.
const LARGE_BYTES: u64 = u32::MAX as u64 - 1024;

/// A zip that is being made.
pub struct Zipping<W: Write> {
    writer: ZipWriter<StreamWriter<W>>,
    entries: usize,
}

/// What is kept of a file or folder besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it was changed.
    pub modified: Wall,
    /// Its permission bits.
    pub mode: u32,
}

impl<W: Write> Zipping<W> {
    /// Begins a zip that is written to `out`.
    pub fn new(out: W) -> Self {
        Self { writer: ZipWriter::new_stream(out), entries: 0 }
    }

    /// Adds a folder.
    ///
    /// # Errors
    /// When there are too many entries, or `out` takes no more.
    pub fn folder(&mut self, name: &str, kept: Kept) -> io::Result<()> {
        self.count()?;
        Ok(self.writer.add_directory(name, options(kept, 0)?)?)
    }

    /// Adds the first `size` bytes of a file.
    ///
    /// # Errors
    /// When there are too many entries, the file cannot be read, or `out` takes no more.
    pub fn file(&mut self, name: &str, kept: Kept, file: &File, size: u64) -> io::Result<()> {
        self.count()?;
        self.writer.start_file(name, options(kept, size)?)?;
        // A log grows while it is read: what came since belongs to the next zip.
        io::copy(&mut file.take(size), &mut self.writer)?;
        Ok(())
    }

    /// Adds a link.
    ///
    /// # Errors
    /// When there are too many entries, or `out` takes no more.
    pub fn link(&mut self, name: &str, kept: Kept, target: &str) -> io::Result<()> {
        self.count()?;
        Ok(self.writer.add_symlink(name, target, options(Kept { mode: 0o777, ..kept }, 0)?)?)
    }

    /// Writes the list of names and returns what was written to.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.writer.finish()?.into_inner())
    }

    fn count(&mut self) -> io::Result<()> {
        self.entries += 1;
        match self.entries > ENTRIES_MAX {
            true => Err(io::Error::other(format!("a zip holds {ENTRIES_MAX} files at most"))),
            false => Ok(()),
        }
    }
}

fn options(kept: Kept, size: u64) -> io::Result<FullFileOptions<'static, 'static>> {
    let options = FullFileOptions::default().unix_permissions(kept.mode & 0o777).large_file(size > LARGE_BYTES);
    let options = match date(kept.modified) {
        Some(date) => options.last_modified_time(date),
        None => options,
    };
    // The format's own time is of two seconds and no zone; this one is exact to the second, in UTC.
    let seconds = u32::try_from(kept.modified.as_second()).ok();
    Ok(options.with_extended_timestamp(seconds, None, None)?)
}

/// The format's own time; `None` for one that it cannot write.
fn date(moment: Wall) -> Option<DateTime> {
    let utc = jiff::tz::Offset::UTC.to_datetime(moment);
    let [month, day, hour, minute, second] =
        [utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second()].map(|part| u8::try_from(part).ok());
    DateTime::from_date_and_time(u16::try_from(utc.year()).ok()?, month?, day?, hour?, minute?, second?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::unzip::{ZipBounds, unzip};

    #[test]
    fn what_was_packed_comes_out_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("source"), "0123456789").expect("it is written");
        let modified: Wall = "2020-02-03T04:05:07Z".parse().expect("a time");
        let kept = |mode| Kept { modified, mode };
        let mut zip = Zipping::new(Vec::new());
        let source = File::open(at("source")).expect("it is there");
        zip.folder("lib", kept(0o755)).expect("it is added");
        zip.file("lib/run.sh", kept(0o755), &source, 4).expect("it is added");
        zip.file("größe €", kept(0o640), &File::open(at("source")).expect("it is there"), 10).expect("it is added");
        #[cfg(unix)]
        zip.link("link", kept(0o777), "lib/run.sh").expect("it is added");
        fs::write(at("a.zip"), zip.finish().expect("it is finished")).expect("it is written");
        fs::create_dir(at("out")).expect("a folder");
        unzip(&at("a.zip"), &at("out"), &ZipBounds::default()).expect("it is a zip");
        assert_eq!(fs::read(at("out/lib/run.sh")).expect("a file"), b"0123");
        assert_eq!(fs::read(at("out/größe €")).expect("a file"), b"0123456789");
        let metadata = fs::metadata(at("out/lib/run.sh")).expect("a file");
        assert_eq!(Wall::try_from(metadata.modified().expect("a time")).expect("a time"), modified);
        #[cfg(unix)]
        {
            assert_eq!(fs::read_link(at("out/link")).expect("a link").to_str(), Some("lib/run.sh"));
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o755);
        }
    }
}
