//! Two folders that take each other's place: whoever looks sees one of them there, whole.
//!
//! Where the system cannot do it in one step there is a moment without either; what a crash leaves of that is put right by
//! [`mend`].

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Ends the name of a folder that waits for the other to take its place.
const SUFFIX: &str = ".swap";

/// Lets what is at `source` and `target`, in folders of one disk, take each other's place.
///
/// # Errors
/// When one of them is missing, or the system refuses; both are then where they were.
pub fn swap(source: &Path, target: &Path) -> io::Result<()> {
    match at_once(source, target) {
        Err(error) if is_unknown(&error) => in_steps(source, target),
        done => done,
    }
}

/// Puts back what a crash in the middle of a swap left beside its place in `folder`.
pub fn mend(folder: &Path) {
    let names =
        fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    for name in names {
        if let Some(own) = name.strip_prefix('.').and_then(|name| name.strip_suffix(SUFFIX))
            && !folder.join(own).exists()
        {
            // What cannot be put back stays where it is, for a person to see.
            let _ = fs::rename(folder.join(&name), folder.join(own));
        }
    }
}

#[cfg(target_os = "linux")]
fn at_once(source: &Path, target: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, source, CWD, target, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn at_once(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// File systems that cannot swap say that the request makes no sense.
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
}

fn in_steps(source: &Path, target: &Path) -> io::Result<()> {
    let aside = aside(target);
    fs::rename(target, &aside)?;
    if let Err(error) = fs::rename(source, target) {
        fs::rename(&aside, target)?;
        return Err(error);
    }
    fs::rename(&aside, source)
}

fn aside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}{SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_take_each_others_place_at_once_and_in_steps() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        for name in ["a", "b"] {
            fs::create_dir(at(name)).expect("a folder");
            fs::write(at(name).join("file"), name).expect("it is written");
        }
        swap(&at("a"), &at("b")).expect("they are swapped");
        assert_eq!(fs::read(at("b/file")).expect("a file"), b"a");
        in_steps(&at("a"), &at("b")).expect("they are swapped");
        assert_eq!(fs::read(at("b/file")).expect("a file"), b"b");
        assert!(swap(&at("a"), &at("c")).is_err() && in_steps(&at("c"), &at("b")).is_err());
        assert_eq!(fs::read(at("b/file")).expect("a file"), b"b");
        // A crash after the first step.
        fs::rename(at("b"), aside(&at("b"))).expect("it is moved");
        mend(dir.path());
        assert_eq!(fs::read(at("b/file")).expect("a file"), b"b");
    }
}
