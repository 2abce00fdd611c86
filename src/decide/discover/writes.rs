//! Files that a job which runs in its own folder rewrites itself: they must not restart it for ever.
//!
//! Nobody can tell who wrote a file. But what the job writes follows its starts: the file changes, the job is restarted
//! for it, and soon after the start the file changes again. So of such a job
//! * the script itself, and files of code (`is_code`), always count: they are a person's, or what a person deployed;
//! * of any other file, [`EARLY_MAX`] restarts are made for changes within [`EARLY`] of the start of a life. From then on it
//!   is the job's own, and changes of it do not count;
//! * a change later in a life does count, and begins the counting anew: a person's edit of a job that has long run;
//! * whatever else restarts the job (its script, its settings) forgets all of this, and so does a new host.
//!
//! What is told of is told once a file. Memory is bounded: of more than `PATHS_MAX` files, the others are the job's own
//! at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::content::{self, Change};
use crate::model::job::{Job, Problem};

/// A change this soon after the start of a life may be the job's own doing.
pub const EARLY: Duration = Duration::from_secs(600);
/// How many such changes of one file restart the job.
pub const EARLY_MAX: u32 = 2;
/// How many files are counted.
const PATHS_MAX: usize = 1000;
/// Names that one problem lists.
const LISTED_MAX: usize = 5;

/// What a job that runs in its own folder was seen to rewrite.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    /// How many changes in a row came early, by path.
    early: BTreeMap<String, u32>,
    own: BTreeSet<String>,
}

/// What another content means for the lives of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why what runs is out of date, when it is.
    pub change: Option<Change>,
    /// Files that do not count from now on.
    pub new_own: Vec<String>,
}

impl Writes {
    /// Judges what differs between what runs and what the folder holds now; `age` is the time since the start of the
    /// newest life, when there was one.
    pub fn judge(&mut self, old: &Job, new: &Job, age: Option<Duration>) -> Verdict {
        let mut verdict = Verdict::default();
        while let Some(change) = content::what_changed_but(old, new, &self.own) {
            match self.suspect(&change, new) {
                Some(path) if self.is_own(&path, age) => {
                    self.own.insert(path.clone());
                    verdict.new_own.push(path);
                }
                Some(_) => return Verdict { change: Some(change), ..verdict },
                None => {
                    *self = Self::default();
                    return Verdict { change: Some(change), ..verdict };
                }
            }
        }
        verdict
    }

    /// Returns what there is to tell people of.
    pub fn problem(&self) -> Option<Problem> {
        let mut listed: Vec<String> = self.own.iter().take(LISTED_MAX).map(|path| format!("`{path}`")).collect();
        if self.own.len() > LISTED_MAX {
            listed.push(format!("{} more", self.own.len() - LISTED_MAX));
        }
        let (be, do_not) = if self.own.len() == 1 { ("is", "does not") } else { ("are", "do not") };
        let message = format!(
            "{} {be} rewritten while the job runs in its own folder, and {do_not} restart it any more; let it write below \
             WEBJOBS_DATA_PATH, or set `is_in_place` to false",
            listed.join(", ")
        );
        let problem =
            Problem { code: "own_writes".to_owned(), message, file: None, line: None, column: None, fatal: false };
        (!self.own.is_empty()).then_some(problem)
    }

    /// Returns the path that the job itself may have written.
    fn suspect(&self, change: &Change, new: &Job) -> Option<String> {
        match change {
            Change::Changed(path) | Change::Mode(path) => {
                let counts = path == &new.script.run_command || is_code(path);
                (new.in_place() && !counts).then(|| path.clone())
            }
            Change::Added(_) | Change::Removed(_) | Change::Script(_) | Change::Setting(_) | Change::Folder => None,
        }
    }

    fn is_own(&mut self, path: &str, age: Option<Duration>) -> bool {
        if age.is_none_or(|age| age >= EARLY) {
            self.early.remove(path);
            return false;
        }
        if self.early.len() >= PATHS_MAX && !self.early.contains_key(path) {
            return true;
        }
        let count = self.early.entry(path.to_owned()).or_default();
        *count += 1;
        *count > EARLY_MAX
    }
}

/// Returns whether a file holds code, by its name.
fn is_code(path: &str) -> bool {
    const EXTENSIONS: &[&str] = &[
        "js", "mjs", "cjs", "ts", "jsx", "tsx", "node", "wasm", "py", "rb", "pl", "pm", "php", "lua", "sh", "bash",
        "ps1", "cmd", "bat", "fsx", "cs", "jar", "class", "dll", "exe", "so",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').is_some_and(|(_, ext)| EXTENSIONS.contains(&ext.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{PLAIN, folder, job_of, put};
    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_secs(2));
    const LATE: Option<Duration> = Some(Duration::from_secs(3600));

    /// Lets files change one after another, each with a text that differs; tells what each change led to.
    fn told(steps: &[(&str, Option<Duration>)]) -> Vec<String> {
        let mut listing = folder(&["run.js", "lib.js", "state.json", "other.xml"]);
        let mut job = job_of(&listing);
        let mut writes = Writes::default();
        let mut lines = Vec::new();
        for (step, (path, age)) in steps.iter().enumerate() {
            put(&mut listing, path, PLAIN, &format!("text {step}"));
            let new = job_of(&listing);
            let verdict = writes.judge(&job, &new, *age);
            job = new;
            lines.push(match (verdict.change, verdict.new_own.is_empty()) {
                (Some(change), _) => change.to_string(),
                (None, false) => format!("{:?} is its own", verdict.new_own),
                (None, true) => "nothing".to_owned(),
            });
        }
        lines
    }

    #[test]
    fn a_file_that_changes_after_every_start_is_the_jobs_own() {
        let json = ("state.json", SOON);
        let wanted =
            ["`state.json` changed", "`state.json` changed", r#"["state.json"] is its own"#, "nothing", "nothing"];
        assert_eq!(told(&[json; 5]), wanted);
        // Each of several comes to its end.
        let both = [json, ("other.xml", SOON), json, ("other.xml", SOON), json, ("other.xml", SOON), json];
        assert_eq!(told(&both)[4..], [r#"["state.json"] is its own"#, r#"["other.xml"] is its own"#, "nothing"]);
    }

    #[test]
    fn a_persons_edits_restart_it() {
        let edits = [("state.json", LATE), ("state.json", SOON), ("state.json", SOON), ("state.json", LATE)];
        assert!(told(&edits).iter().all(|told| told == "`state.json` changed"));
        for path in ["run.js", "lib.js"] {
            assert!(told(&[(path, SOON); 9]).iter().all(|told| *told == format!("`{path}` changed")), "{path}");
        }
    }

    #[test]
    fn another_script_forgets_what_was_its_own() {
        let json = ("state.json", SOON);
        let lines = told(&[json, json, json, ("run.js", SOON), json]);
        assert_eq!(lines[2..], [r#"["state.json"] is its own"#, "`run.js` changed", "`state.json` changed"]);
    }

    #[test]
    fn people_are_told_what_to_do() {
        let mut writes = Writes::default();
        assert_eq!(writes.problem(), None);
        writes.own.extend(["a.json", "b.json"].map(str::to_owned));
        let problem = writes.problem().expect("a problem");
        assert!(!problem.fatal && problem.message.starts_with("`a.json`, `b.json` are rewritten"), "{problem}");
    }
}
