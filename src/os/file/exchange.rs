//! Two folders that change places.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

/// Puts `new` in the place of `old`, and `old` in that of `new`; where there is no `old`, `new` only moves. At once where
/// the system can do that. Else `old` steps `aside` first, and lies there when the machine stops in between.
///
/// # Errors
/// When it is not done; then everything is as it was, unless `old` could not come back either.
pub fn exchange(new: &Path, old: &Path, aside: &Path) -> io::Result<()> {
    match at_once(new, old) {
        Err(error) if error.kind() == ErrorKind::NotFound && !exists(old) => fs::rename(new, old),
        Err(error) if error.kind() == ErrorKind::Unsupported => by_turns(new, old, aside),
        done => done,
    }
}

#[cfg(target_os = "linux")]
fn at_once(new: &Path, old: &Path) -> io::Result<()> {
    use rustix::{
        fs::{CWD, RenameFlags, renameat_with},
        io::Errno,
    };
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        // An old kernel, or a file system or share that cannot.
        Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::PERM) => Err(ErrorKind::Unsupported.into()),
        done => Ok(done?),
    }
}

#[cfg(not(target_os = "linux"))]
fn at_once(_new: &Path, _old: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn by_turns(new: &Path, old: &Path, aside: &Path) -> io::Result<()> {
    match fs::rename(old, aside) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return fs::rename(new, old),
        Err(error) => return Err(error),
    }
    if let Err(error) = fs::rename(new, old) {
        // Back again; should that fail, it lies aside.
        let _ = fs::rename(aside, old);
        return Err(error);
    }
    fs::rename(aside, new)
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_change_places_and_one_alone_moves() {
        for way in [exchange, by_turns as fn(&Path, &Path, &Path) -> _] {
            let root = tempfile::tempdir().expect("a folder");
            let [new, old, aside] = ["new", "old", "aside"].map(|name| root.path().join(name));
            for folder in [&new, &old] {
                fs::create_dir(folder).expect("a folder");
                fs::write(folder.join(folder.file_name().expect("a name")), "").expect("a file");
            }
            way(&new, &old, &aside).expect("it is done");
            assert!(old.join("new").exists() && new.join("old").exists() && !exists(&aside));
            fs::remove_dir_all(&old).expect("it goes");
            way(&new, &old, &aside).expect("it is done");
            assert!(old.join("old").exists() && !exists(&new));
            assert!(way(&new, &old, &aside).is_err());
            assert!(old.join("old").exists() && !exists(&aside), "as it was");
        }
    }
}
