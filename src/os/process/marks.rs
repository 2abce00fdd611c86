//! The marks by which a process is known to belong to a run, whatever became of its parents.
//!
//! The first are ordinary variables of its environment, given to the leader and inherited by all that it starts. The
//! kernel shows the environment a program was started with; what the program does to its own copy does not matter. But a
//! program may start another one with an empty environment.
//!
//! So there is a second one that nobody takes off: a number as the limit of file locks (`RLIMIT_LOCKS`). Linux has not
//! looked at that limit since 2.4.25, it passes through `fork`, `exec` and `setsid`, no program changes it, and only root
//! could raise it again. It needs no rights and costs one system call a run.

use std::{ffi::OsString, path::Path, sync::Arc};

use crate::model::id::{Instance, RunId};

/// Names the host that started a process: several may share a data folder.
pub const INSTANCE_VARIABLE: &str = "WEBJOBD_INSTANCE";

/// Names the run (Kudu's variable).
pub(super) const RUN_VARIABLE: &str = "WEBJOBS_RUN_ID";

/// Names the job, by its data folder (Kudu's variable).
pub(super) const DATA_VARIABLE: &str = "WEBJOBS_DATA_PATH";

/// What tells the processes of one run from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMark {
    /// Who started it.
    pub instance: Instance,
    /// Which run of the job it is.
    pub run: RunId,
    /// The data folder of the job.
    pub data_path: Arc<Path>,
}

impl RunMark {
    /// Returns the variables that a leader must be started with.
    pub fn variables(&self) -> [(OsString, OsString); 3] {
        [
            (INSTANCE_VARIABLE.into(), self.instance.as_str().into()),
            (RUN_VARIABLE.into(), self.run.to_string().into()),
            (DATA_VARIABLE.into(), self.data_path.as_os_str().into()),
        ]
    }

    /// Returns the number that marks the run's processes as a limit: the same for the same run in another life of the
    /// host, and below every limit that a system has by itself (none).
    pub(super) fn number(&self) -> u64 {
        let mut hash = blake3::Hasher::new();
        for (name, value) in self.variables() {
            hash.update(name.as_encoded_bytes()).update(b"=").update(value.as_encoded_bytes()).update(b"\0");
        }
        let mut bytes = [0; 8];
        hash.finalize_xof().fill(&mut bytes);
        // Half of the range, beginning far above any number that somebody would set by hand.
        u64::from_le_bytes(bytes) >> 2 | 1 << 62
    }

    /// Tells a number that marks a run from a limit that somebody has set.
    pub(super) fn is_number(number: &u64) -> bool {
        (1 << 62..1 << 63).contains(number)
    }

    /// Reads the marks that an environment bears.
    pub(super) fn read(environment: &Environment) -> Option<Self> {
        let instance = Instance::new(environment.get_text(INSTANCE_VARIABLE)?);
        let run = RunId::parse(environment.get_text(RUN_VARIABLE)?).ok()?;
        Some(Self { instance, run, data_path: environment.get_path(DATA_VARIABLE)?.into() })
    }

    /// Tells whether an environment bears all marks.
    pub(super) fn is_on(&self, environment: &Environment) -> bool {
        environment.get(RUN_VARIABLE) == Some(self.run.to_string().as_bytes())
            && environment.get(INSTANCE_VARIABLE) == Some(self.instance.as_str().as_bytes())
            && environment.get_path(DATA_VARIABLE) == Some(&*self.data_path)
    }
}

/// The environment of a process as the kernel shows it: `name=value`, each ended by a zero byte.
#[derive(Debug, Default)]
pub(super) struct Environment(pub Vec<u8>);

impl Environment {
    /// Returns a variable's value.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let mut entries = self.0.split(|byte| *byte == 0);
        entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    /// Returns a variable's value as text.
    pub(super) fn get_text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Returns a variable's value as a path.
    #[cfg(unix)]
    pub(super) fn get_path(&self, name: &str) -> Option<&Path> {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        self.get(name).map(|bytes| Path::new(OsStr::from_bytes(bytes)))
    }

    /// Returns a variable's value as a path.
    #[cfg(not(unix))]
    pub(super) fn get_path(&self, name: &str) -> Option<&Path> {
        self.get_text(name).map(Path::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_match_whole_values_only() {
        let run = RunId::parse("201605190150326541").expect("an id");
        let mark = RunMark { instance: Instance::new("one"), run, data_path: Path::new("/data/jobs/a").into() };
        let environment = |text: &str| Environment(text.replace(' ', "\0").into_bytes());
        let whole = "A=1 WEBJOBD_INSTANCE=one WEBJOBS_RUN_ID=201605190150326541 WEBJOBS_DATA_PATH=/data/jobs/a ";
        assert!(mark.is_on(&environment(whole)));
        assert!(!mark.is_on(&environment(&whole.replace("jobs/a", "jobs/ab"))));
        assert!(!mark.is_on(&environment(&whole.replace("6541", "6542"))));
        assert!(!mark.is_on(&environment(&whole.replace("=one", "=two"))));
        assert!(!mark.is_on(&environment(&whole.replace("WEBJOBS_RUN", "XWEBJOBS_RUN"))));
        assert!(!mark.is_on(&environment("")));
    }

    #[test]
    fn every_run_has_a_number_of_its_own() {
        let mark = |run, data: &str| RunMark {
            instance: Instance::new("one"),
            run: RunId::parse(run).expect("an id"),
            data_path: Path::new(data).into(),
        };
        let number = mark("201605190150326541", "/data/a").number();
        assert_eq!(number, mark("201605190150326541", "/data/a").number());
        assert_ne!(number, mark("201605190150326542", "/data/a").number());
        assert_ne!(number, mark("201605190150326541", "/data/b").number());
        assert!(RunMark::is_number(&number));
    }
}
