//! Folders as zips, out and in (spec/kudu-webjobs 8.12): out while it is read, in only when all of it can go in.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Deed, FileError, Files, Stands, There, changes, files};
use crate::{
    os::file::{self, modes},
    store::{
        beneath::{Entry, Node},
        unzip::{self, UnzipError, ZipBounds},
        zipping::{Kept, Zipping},
    },
};

/// Folders in folders that are packed; deeper ones are refused.
const DEPTH_MAX: usize = 128;

/// Why a zip was not laid out.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// It is no zip, or holds what it must not.
    #[error(transparent)]
    Zip(#[from] UnzipError),
    /// One of its entries cannot go where it belongs.
    #[error("the zip file has an entry `{entry}` that cannot be written: {error}")]
    Entry {
        /// Its path in the zip.
        entry: String,
        /// Why.
        error: FileError,
    },
}

impl Files {
    /// Tells whether a path stands for a folder.
    pub fn is_folder(&self, parts: &[String]) -> bool {
        matches!(self.open(parts), Some(Node::Folder(_)))
    }

    /// Packs a folder into a zip that is written to `out`; links are kept where they lead to something in it.
    ///
    /// # Errors
    /// When something cannot be read, or `out` takes no more.
    pub fn pack(&self, parts: &[String], out: impl io::Write) -> io::Result<()> {
        let mut zip = Zipping::new(out);
        let top = match files::resolve(parts) {
            Stands::In(..) => self.place(parts).canonicalize().ok(),
            Stands::Above(_) | Stands::Nothing => None,
        };
        self.pack_folder(&mut zip, parts, "", top.as_deref())?;
        zip.finish().map(|_| ())
    }

    fn pack_folder<W: io::Write>(
        &self,
        zip: &mut Zipping<W>,
        parts: &[String],
        path: &str,
        top: Option<&Path>,
    ) -> io::Result<()> {
        if path.split('/').count() > DEPTH_MAX {
            return Err(io::Error::other(format!("more than {DEPTH_MAX} folders lie in each other")));
        }
        // What went meanwhile is not there.
        let Some(Node::Folder(entries)) = self.open(parts) else { return Ok(()) };
        // Below HOME, `site` holds nothing that `jobs` does not.
        let is_double = |entry: &Entry| parts.is_empty() && entry.name == "site";
        for entry in entries.into_iter().filter(|entry| !is_double(entry)) {
            let below: Vec<String> = parts.iter().cloned().chain([entry.name.clone()]).collect();
            let name = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
            if entry.is_link {
                if let Some(target) = top.and_then(|top| inner_link(&entry.place, top)) {
                    zip.link(&name, Kept { modified: entry.modified, mode: 0o777 }, &target)?;
                }
            } else if entry.is_folder {
                zip.folder(&name, Kept { modified: entry.modified, mode: modes::FOLDER })?;
                self.pack_folder(zip, &below, &name, top)?;
            } else if let Some(Node::File(opened)) = self.open(&below) {
                let mode = opened.file.metadata().map(|metadata| modes::of(&metadata))?;
                zip.file(&name, Kept { modified: opened.modified, mode }, &opened.file, opened.size)?;
            }
        }
        Ok(())
    }

    /// Lays the zip at `zip` out over a folder: what it holds is written, the rest stays. It is taken apart beside itself
    /// first, and nothing is written before every entry is known to have a place.
    ///
    /// # Errors
    /// When it is no zip that can be taken, an entry has no place, or the disk does not take it.
    pub fn merge(&self, parts: &[String], zip: &Path) -> Result<(), MergeError> {
        let stage = file::temp_beside(&zip.with_extension("out"));
        let disk = |source| UnzipError::Disk { path: stage.clone(), source };
        fs::create_dir(&stage).map_err(disk)?;
        let done = unzip::unzip(zip, &stage, &ZipBounds::default())
            .map_err(MergeError::Zip)
            .and_then(|()| self.merge_from(parts, &stage));
        fs::remove_dir_all(&stage).map_err(disk)?;
        done
    }

    fn merge_from(&self, parts: &[String], stage: &Path) -> Result<(), MergeError> {
        let mut entries = Vec::new();
        let failed = |source| UnzipError::Disk { path: stage.to_owned(), source };
        list(stage, &mut Vec::new(), &mut entries).map_err(failed)?;
        let _one = changes();
        for (below, is_folder) in &entries {
            let path: Vec<String> = parts.iter().chain(below).cloned().collect();
            self.fits(&path, *is_folder).map_err(|error| MergeError::Entry { entry: below.join("/"), error })?;
        }
        for (below, is_folder) in &entries {
            let path: Vec<String> = parts.iter().chain(below).cloned().collect();
            let source = stage.join(below.iter().collect::<PathBuf>());
            let done = if *is_folder { self.merge_folder(&path) } else { self.merge_file(&path, &source) };
            done.map_err(|error| MergeError::Entry { entry: below.join("/"), error })?;
        }
        Ok(())
    }

    /// Tells whether an entry may go to its place as things are.
    fn fits(&self, path: &[String], is_folder: bool) -> Result<(), FileError> {
        if is_folder && self.is_folder(path) {
            return Ok(());
        }
        let (spot, there) = self.spot(path, if is_folder { Deed::Make } else { Deed::Write })?;
        let is_taken = || spot.facts().is_ok_and(|facts| facts.is_some());
        match there {
            There::Nothing if is_folder && is_taken() => {
                let error = io::Error::other("a link that leads nowhere is in its place");
                Err(FileError::Failed { path: self.place(path), error })
            }
            There::Nothing => Ok(()),
            There::File { .. } if is_folder => {
                let error = io::Error::other("a file is in its place");
                Err(FileError::Failed { path: self.place(path), error })
            }
            There::File { .. } => Ok(()),
            There::Folder if is_folder => Ok(()),
            There::Folder => Err(FileError::IsFolder),
        }
    }

    fn merge_folder(&self, path: &[String]) -> Result<(), FileError> {
        if self.is_folder(path) {
            return Ok(());
        }
        let (spot, _) = self.spot(path, Deed::Make)?;
        spot.make_folder().map_err(|error| FileError::Failed { path: self.place(path), error })
    }

    fn merge_file(&self, path: &[String], source: &Path) -> Result<(), FileError> {
        let (spot, _) = self.spot(path, Deed::Write)?;
        spot.take(source).map_err(|error| FileError::Failed { path: self.place(path), error })
    }
}

/// Where a link leads, as it says itself, when that is in the folder that is packed.
fn inner_link(place: &Path, top: &Path) -> Option<String> {
    let target = fs::read_link(place).ok()?;
    let is_inner = target.is_relative() && place.canonicalize().ok()?.starts_with(top);
    is_inner.then(|| target.to_str().map(str::to_owned)).flatten()
}

/// Lists what lies below a folder that is ours alone: folders before what is in them.
fn list(folder: &Path, above: &mut Vec<String>, entries: &mut Vec<(Vec<String>, bool)>) -> io::Result<()> {
    let mut names = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let name = entry.file_name().into_string().map_err(|_| io::Error::other("a name is not UTF-8"))?;
        let is_folder = entry.file_type()?.is_dir();
        above.push(name);
        entries.push((above.clone(), is_folder));
        if is_folder {
            list(&entry.path(), above, entries)?;
        }
        above.pop();
    }
    Ok(())
}
