//! Follows all text files below a folder as they grow: new ones from their beginning, rolled ones to their end.
//!
//! A file is known by what it is, not by its name, so that one that is renamed is not read twice. Links are not followed.
//! It waits for nothing: who follows looks again when told to.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

use memchr::memrchr;

use crate::os::file::{
    self,
    folder::{Folder, Kind},
};

/// How the names of followed files end (spec/kudu-webjobs 8.13).
const ENDS: [&str; 3] = [".txt", ".log", ".htm"];

/// Files that are followed, and folders in folders; further ones are not.
const FILES_MAX: usize = 1000;
const DEPTH_MAX: usize = 8;

/// Bytes of one file, and of all together, that are read at once.
const FILE_BYTES: u64 = 64 * 1024;
const PIECE_BYTES: usize = 256 * 1024;

/// What a file is known by: itself, or its path where the system does not tell.
type Id = (Option<(u64, u64)>, String);

/// A reader's place in each of the files.
#[derive(Debug)]
pub struct Tails {
    root: PathBuf,
    below: Vec<String>,
    at: BTreeMap<Id, u64>,
}

impl Tails {
    /// Follows the files below `root` and the names `below` it, from their ends on.
    pub fn open(root: PathBuf, below: &[String]) -> Self {
        let mut tails = Self { root, below: below.to_vec(), at: BTreeMap::new() };
        let ends = tails.files().into_iter().filter_map(|(id, file)| Some((id, file.metadata().ok()?.len())));
        tails.at = ends.collect();
        tails
    }

    /// Returns whole lines that came since, empty when nothing is new.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn more(&mut self) -> io::Result<Vec<u8>> {
        let (mut lines, mut known) = (Vec::new(), BTreeMap::new());
        for (id, mut file) in self.files() {
            let at = self.at.get(&id).copied().unwrap_or(0);
            let len = file.metadata()?.len();
            // A file that is shorter than it was has begun anew.
            let at = if at > len { 0 } else { at };
            let n = if lines.len() < PIECE_BYTES { read(&mut file, at, &mut lines)? } else { 0 };
            known.insert(id, at + n);
        }
        // Of a file that is gone nothing is kept: the system may give what it was known by to another.
        self.at = known;
        Ok(lines)
    }

    fn files(&self) -> Vec<(Id, File)> {
        let mut found = Vec::new();
        let folder = Folder::open(&self.root).and_then(|folder| folder.down(self.below.iter().map(String::as_str)));
        // A folder that is not there yet has no files yet.
        if let Ok(folder) = folder {
            collect(&folder, "", DEPTH_MAX, &mut found);
        }
        found
    }
}

fn collect(folder: &Folder, above: &str, depth: usize, found: &mut Vec<(Id, File)>) {
    let mut names: Vec<String> =
        folder.names().into_iter().flatten().filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    for name in names {
        if found.len() >= FILES_MAX {
            return;
        }
        let kind = folder.facts(&name).ok().flatten().map(|facts| facts.kind);
        match kind {
            Some(Kind::Folder) if depth > 0 => {
                if let Ok(inner) = folder.child(OsStr::new(&name)) {
                    collect(&inner, &format!("{above}{name}/"), depth - 1, found);
                }
            }
            Some(Kind::File) if ENDS.iter().any(|end| name.to_ascii_lowercase().ends_with(end)) => {
                if let Ok(file) = folder.file(&name)
                    && let Ok(metadata) = file.metadata()
                {
                    let identity = file::identity(&metadata);
                    let path = if identity.is_some() { String::new() } else { format!("{above}{name}") };
                    found.push(((identity, path), file));
                }
            }
            Some(Kind::Folder | Kind::File | Kind::Link | Kind::Other) | None => {}
        }
    }
}

/// Reads whole lines from `at` on, and returns how many bytes they have. A line longer than the bound goes in pieces.
fn read(file: &mut File, at: u64, lines: &mut Vec<u8>) -> io::Result<u64> {
    file.seek(SeekFrom::Start(at))?;
    let begin = lines.len();
    file.take(FILE_BYTES).read_to_end(lines)?;
    let n_read = lines.len() - begin;
    let whole = match memrchr(b'\n', &lines[begin..]) {
        Some(end) => end + 1,
        None if n_read as u64 == FILE_BYTES => n_read,
        None => 0,
    };
    lines.truncate(begin + whole);
    Ok(whole as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn next(tails: &mut Tails) -> String {
        String::from_utf8(tails.more().expect("it is read")).expect("text")
    }

    fn append(path: &std::path::Path, text: &str) {
        use std::io::Write;
        let mut file = File::options().append(true).create(true).open(path).expect("a file");
        file.write_all(text.as_bytes()).expect("it is written");
    }

    #[test]
    fn new_lines_of_all_files_are_followed_over_rolls_and_new_files() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("Application")).expect("a folder");
        append(&at("Application/a.log"), "before\n");
        let mut tails = Tails::open(dir.path().to_owned(), &[]);
        assert_eq!(next(&mut tails), "");
        append(&at("Application/a.log"), "one\nhalf");
        append(&at("b.TXT"), "new\n");
        append(&at("c.bin"), "no\n");
        append(&at("c.log.gz"), "no\n");
        assert_eq!(next(&mut tails), "one\nnew\n");
        append(&at("Application/a.log"), " whole\nlast\n");
        fs::rename(at("Application/a.log"), at("Application/a.0-1.log")).expect("it is rolled");
        append(&at("Application/a.log"), "first\n");
        let lines = next(&mut tails);
        assert!(lines.contains("half whole\nlast\n") && lines.contains("first\n") && lines.len() == 22, "{lines}");
        assert_eq!(next(&mut tails), "");
        fs::write(at("b.TXT"), "x\n").expect("it begins anew");
        assert_eq!(next(&mut tails), "x\n");
    }

    #[test]
    fn a_folder_below_is_followed_alone_and_may_come_later() {
        let dir = tempfile::tempdir().expect("a folder");
        append(&dir.path().join("out.log"), "out\n");
        let mut tails = Tails::open(dir.path().to_owned(), &["later".to_owned()]);
        assert_eq!(next(&mut tails), "");
        fs::create_dir(dir.path().join("later")).expect("a folder");
        append(&dir.path().join("later/in.log"), "in\n");
        append(&dir.path().join("out.log"), "out\n");
        assert_eq!(next(&mut tails), "in\n");
        let long = "x".repeat(200_000);
        append(&dir.path().join("later/in.log"), &long);
        let pieces: String = (0..4).map(|_| next(&mut tails)).collect();
        assert!(pieces.len() <= long.len() && pieces.len() >= 3 * 65_536, "{}", pieces.len());
    }
}
