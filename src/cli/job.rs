//! Which job, and which run: as people name them, and as the host knows them.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    api::wire::{JobWire, RunWire},
    cli::{
        client::{Client, RunQuery},
        error::{CliError, Exit},
    },
    decide::near,
    model::id::{JobKind, JobName, NameError, RunId},
};

/// Most names that are proposed in place of one that is not there.
const SIMILAR_MAX: usize = 3;
/// A shorter part of a name says nothing.
const PART_BYTES_MIN: usize = 3;

/// A job as a person names it: `name`, or `kind/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRef {
    /// The kind, when it was said.
    pub kind: Option<JobKind>,
    /// The name.
    pub name: JobName,
}

impl FromStr for JobRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            Some((kind, name)) => Ok(Self { kind: Some(kind.parse()?), name: name.parse()? }),
            None => Ok(Self { kind: None, name: text.parse()? }),
        }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = self.kind {
            write!(f, "{kind}/")?;
        }
        fmt::Display::fmt(&self.name, f)
    }
}

/// A run as a person names it: its id, or `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunRef {
    /// The newest of its job.
    Last,
    /// This one.
    Id(RunId),
}

impl FromStr for RunRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "last" => Ok(Self::Last),
            id => RunId::parse(id).map(Self::Id).map_err(|error| format!("{error}; or write `last`")),
        }
    }
}

impl RunRef {
    /// Returns the run's id; asks the host for it when it is the last one's.
    ///
    /// # Errors
    /// When the job never ran, or the host does not answer.
    pub async fn id(self, client: &Client, job: &JobWire) -> Result<String, CliError> {
        match self {
            Self::Id(id) => Ok(id.to_string()),
            Self::Last => Ok(last_run(client, job).await?.id),
        }
    }

    /// Returns the run.
    ///
    /// # Errors
    /// When there is no such run, or the host does not answer.
    pub async fn run(self, client: &Client, job: &JobWire) -> Result<RunWire, CliError> {
        match self {
            Self::Id(id) => client.one_run(job, &id.to_string()).await,
            Self::Last => last_run(client, job).await,
        }
    }
}

async fn last_run(client: &Client, job: &JobWire) -> Result<RunWire, CliError> {
    let query = RunQuery { job: Some(full_name(job)), limit: Some(1), ..RunQuery::default() };
    let last = client.runs(&query).await?.into_iter().next();
    last.ok_or_else(|| CliError::new(Exit::NotFound, format!("job \"{}\" has not run yet", job.name)))
}

/// Finds the job that a person names.
///
/// # Errors
/// When there is none, when there is one of each kind, or when the host does not answer.
pub async fn find(client: &Client, wanted: &JobRef) -> Result<JobWire, CliError> {
    let mut found = look(client, wanted).await?;
    // A folder that was just made may not have been read yet. A host that cannot do it now has nothing new to show.
    if found.is_empty() {
        for kind in kinds(wanted) {
            drop(client.refresh(kind, wanted.name.as_str()).await);
        }
        found = look(client, wanted).await?;
    }
    match (found.pop(), found.pop()) {
        (Some(job), None) => Ok(job),
        (Some(second), Some(first)) => {
            let (first, second) = (full_name(&first), full_name(&second));
            let text = format!("there are two jobs \"{}\"; say which: {first} or {second}", wanted.name);
            Err(CliError::new(Exit::Usage, text))
        }
        (None, _) => Err(CliError::new(Exit::NotFound, not_there(wanted, &client.jobs().await?))),
    }
}

/// Looks for a job under each kind that it may have.
async fn look(client: &Client, wanted: &JobRef) -> Result<Vec<JobWire>, CliError> {
    let mut found = Vec::new();
    for kind in kinds(wanted) {
        found.extend(client.job(kind, wanted.name.as_str()).await?);
    }
    Ok(found)
}

fn kinds(wanted: &JobRef) -> impl Iterator<Item = JobKind> {
    JobKind::ALL.into_iter().filter(|kind| wanted.kind.is_none_or(|wanted| wanted == *kind))
}

/// Returns a job's name with its kind.
pub fn full_name(job: &JobWire) -> String {
    format!("{}/{}", job.kind, job.name)
}

/// Returns the shortest name by which a person can name a job again.
pub fn short_name<'j>(job: &'j JobWire, named: &JobRef) -> std::borrow::Cow<'j, str> {
    if named.kind.is_some() { full_name(job).into() } else { (&*job.name).into() }
}

fn not_there(wanted: &JobRef, jobs: &[JobWire]) -> String {
    let similar = similar(wanted.name.as_str(), jobs.iter().map(|job| &*job.name));
    let advice = if jobs.is_empty() {
        "the host has no jobs; put a folder with a script into jobs/triggered or jobs/continuous".to_owned()
    } else if wanted.kind.is_some() && similar.first() == Some(&wanted.name.as_str()) {
        format!("but there is one of the other kind: use {}", wanted.name)
    } else if similar.is_empty() {
        "`webjobd list` shows every job".to_owned()
    } else {
        format!("jobs with a similar name: {}", similar.join(", "))
    };
    format!("job \"{wanted}\" is not there; {advice}")
}

/// Returns the names that a person may have meant: the nearest in spelling, then those that hold the wanted one.
fn similar<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let names: BTreeSet<&str> = names.collect();
    let lower = wanted.to_lowercase();
    let holds = |name: &&str| {
        let other = name.to_lowercase();
        let (short, long) = if other.len() < lower.len() { (&other, &lower) } else { (&lower, &other) };
        short.len() >= PART_BYTES_MIN && long.contains(&**short)
    };
    let nearest = near::nearest(wanted, names.iter().copied());
    let others = names.iter().copied().filter(|name| holds(name) && nearest != Some(name));
    nearest.into_iter().chain(others).take(SIMILAR_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_with_or_without_its_kind() {
        let parse = |text: &str| text.parse::<JobRef>().map(|job| (job.kind, job.name.to_string()));
        assert_eq!(parse("a.b"), Ok((None, "a.b".into())));
        assert_eq!(parse("triggered/a"), Ok((Some(JobKind::Triggered), "a".into())));
        for bad in ["", "other/a", "triggered/", "triggered/a/b", ".."] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_run_is_named_by_its_id_or_as_the_last() {
        assert_eq!("last".parse(), Ok(RunRef::Last));
        assert!(matches!("202611221858560001".parse(), Ok(RunRef::Id(_))));
        assert!("12".parse::<RunRef>().is_err_and(|error| error.ends_with("or write `last`")));
    }

    #[test]
    fn a_slip_or_a_part_of_a_name_finds_its_job() {
        let names = ["nightly2", "nightly-report", "import", "x"];
        for (wanted, found) in [
            ("nightly", &["nightly2", "nightly-report"][..]),
            ("improt", &["import"]),
            ("Import", &["import"]),
            ("import-old", &["import"]),
            ("backup", &[]),
        ] {
            assert_eq!(similar(wanted, names.into_iter()), found, "{wanted}");
        }
    }
}
