//! Deployments: which jobs are in a site's zip, and which deployments are kept.
//!
//! Of a zip only what lies in the folder of a job is taken, wherever the folders of all jobs lie in it: as on Azure's disk,
//! as on ours, or below one folder that holds everything, as zips of a repository have it. Jobs that are not in it stay.

use std::collections::BTreeMap;

use crate::model::{
    deployment::{Deployment, DeploymentId, Stage},
    id::{JobKind, JobName},
};

/// Deployments that are kept.
pub const DEPLOYMENTS_KEPT: usize = 20;

/// Deployments whose zips are kept, so that they can be put in place again; the active one's is kept besides.
pub const PACKAGES_KEPT: usize = 3;

/// Where the folders of all jobs may lie in a zip, in lower case.
const ROOTS: [&[&str]; 5] = [
    &["app_data", "jobs"],
    &["jobs"],
    &["site", "wwwroot", "app_data", "jobs"],
    &["site", "jobs"],
    &["wwwroot", "app_data", "jobs"],
];

/// A job in a zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its kind.
    pub kind: JobKind,
    /// Its name.
    pub name: JobName,
    /// The path of its folder in the zip.
    pub folder: String,
}

/// Returns the jobs among the paths of files in a zip.
///
/// # Errors
/// When there is none, one is there twice, or has a name that no job can have; the message is for the sender.
pub fn jobs_in(paths: &[String]) -> Result<Vec<Part>, String> {
    let mut found = below("", paths)?;
    if found.is_empty()
        && let Some(top) = single_top(paths)
    {
        found = below(top, paths)?;
    }
    if found.is_empty() {
        return Err("the zip has no job: a job lies in App_Data/jobs/{continuous|triggered}/{name}/, or in \
                    jobs/{continuous|triggered}/{name}/"
            .to_owned());
    }
    Ok(found.into_values().collect())
}

type Parts = BTreeMap<(JobKind, String), Part>;

fn below(top: &str, paths: &[String]) -> Result<Parts, String> {
    let mut found = Parts::new();
    for path in paths {
        let own = match path.strip_prefix(top) {
            Some(own) if top.is_empty() => own,
            Some(own) => own.trim_start_matches('/'),
            None => continue,
        };
        let Some((kind, name, folder)) = job_of(own) else { continue };
        let folder = if top.is_empty() { folder } else { format!("{top}/{folder}") };
        if name.starts_with('.') {
            return Err(format!("`{folder}` cannot be a job: folders whose names begin with a dot are hidden"));
        }
        let parsed = JobName::parse(name).map_err(|error| format!("`{folder}` cannot be a job: {error}"))?;
        let part = found.entry((kind, name.to_lowercase())).or_insert(Part { kind, name: parsed, folder });
        let is_same = path.strip_prefix(&*part.folder).is_some_and(|rest| rest.starts_with('/'));
        if !is_same {
            return Err(format!(
                "job `{kind}/{}` is in the zip twice: in `{}` and in `{path}`",
                part.name, part.folder
            ));
        }
    }
    Ok(found)
}

/// Finds the job that a file belongs to, and the path of its folder.
fn job_of(path: &str) -> Option<(JobKind, &str, String)> {
    let parts: Vec<&str> = path.split('/').collect();
    let root = ROOTS.iter().find(|root| {
        parts.len() > root.len() && parts.iter().zip(**root).all(|(part, word)| part.eq_ignore_ascii_case(word))
    })?;
    // A file beside the folders of jobs belongs to none.
    let [kind, name, _, ..] = parts[root.len()..] else { return None };
    let kind: JobKind = kind.to_ascii_lowercase().parse().ok()?;
    Some((kind, name, parts[..root.len() + 2].join("/")))
}

/// The one folder that holds everything.
fn single_top(paths: &[String]) -> Option<&str> {
    let (top, _) = paths.first()?.split_once('/')?;
    paths.iter().all(|path| path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))).then_some(top)
}

/// Returns the deployment whose jobs are in place: the one that succeeded last.
pub fn active(deployments: &[Deployment]) -> Option<&DeploymentId> {
    let succeeded = deployments.iter().filter(|deployment| deployment.succeeded.is_some());
    succeeded.max_by_key(|deployment| deployment.succeeded).map(|deployment| &deployment.id)
}

/// What is kept of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Its record, and its zip.
    All,
    /// Its record.
    Record,
    /// Nothing.
    Nothing,
}

/// Tells what is kept of each of the deployments, newest first.
pub fn keep(deployments: &[Deployment]) -> Vec<Keep> {
    let active = active(deployments);
    let mut packages = 0;
    let of = |(at, deployment): (usize, &Deployment)| {
        let is_needed = active == Some(&deployment.id) || !deployment.is_complete();
        let is_good = deployment.stage == Stage::Success && packages < PACKAGES_KEPT;
        packages += usize::from(is_good);
        match at < DEPLOYMENTS_KEPT {
            _ if is_needed || is_good => Keep::All,
            true => Keep::Record,
            false => Keep::Nothing,
        }
    };
    deployments.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests;
