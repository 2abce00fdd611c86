//! Which programs exist, remembered for one round of scans.
//!
//! Make a new [`Programs`] for each round: what is installed in between must be seen.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Looks up programs in a search path; from any thread.
#[derive(Debug)]
pub struct Programs {
    search: Option<OsString>,
    known: Mutex<BTreeMap<String, bool>>,
}

impl Programs {
    /// Looks up in the directories of `search`, which is a `PATH`.
    pub fn new(search: Option<&OsStr>) -> Self {
        Self { search: search.map(OsStr::to_owned), known: Mutex::default() }
    }

    /// Looks up in the `PATH` of this process.
    pub fn of_this_process() -> Self {
        Self::new(env::var_os("PATH").as_deref())
    }

    /// Returns whether a program can be executed: a name is looked up, a path is tried as it is.
    pub fn exists(&self, program: &str) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exists) = known.get(program) {
            return *exists;
        }
        let exists = self.look_up(program);
        known.insert(program.to_owned(), exists);
        exists
    }

    fn look_up(&self, program: &str) -> bool {
        if program.contains(['/', '\\']) {
            return is_program(Path::new(program));
        }
        let search = self.search.as_deref().unwrap_or_default();
        env::split_paths(search).any(|folder| is_program(&folder.join(program)))
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    ["", "exe", "cmd", "bat", "com"]
        .iter()
        .any(|ext| if ext.is_empty() { path.is_file() } else { path.with_extension(ext).is_file() })
}
