//! The tree of files as clients name it (spec/kudu-webjobs 1.1, 8.11): which path is what on this host, and what of it
//! people may change.
//!
//! ```text
//!  /                                    LogFiles/  data/  jobs/  site/
//!  site/jobs, site/wwwroot/App_Data/jobs  the same as jobs/
//!  LogFiles/                            the same as data/LogFiles/
//! ```
//! Job folders and the jobs' own data may be changed; logs, records, locks and journals are the host's.

use crate::model::id::{JobKind, RunId};

/// A folder of this host that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Logs, records, the jobs' own data.
    Data,
    /// The job folders.
    Jobs,
    /// The application log.
    Logs,
}

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands<'a> {
    /// Something in a folder that is shown: the rest of the path.
    In(Area, &'a [String]),
    /// A folder above those, that is on no disk: what it holds.
    Above(Vec<&'static str>),
    /// Nothing.
    Nothing,
}

/// What shall be done to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A file is written there.
    Write,
    /// A folder is made there.
    Make,
    /// What is there is removed.
    Remove,
}

/// The names of the shown folders, those of Azure among them.
const NAMES: [(&[&str], Area); 5] = [
    (&["LogFiles"], Area::Logs),
    (&["data"], Area::Data),
    (&["jobs"], Area::Jobs),
    (&["site", "jobs"], Area::Jobs),
    (&["site", "wwwroot", "App_Data", "jobs"], Area::Jobs),
];

/// Files that a host keeps in the data folder of a continuous job, by how their names begin; its runs aside.
const OF_CONTINUOUS: [&str; 3] = ["job_log", "status_", "singleton.job.lock"];

/// The same of a triggered job.
const OF_TRIGGERED: [&str; 4] = ["job_scheduler", "job_prev_log", "occurrences.", "triggeredJob.lock"];

/// Returns what a path of plain names stands for; the names of shown folders are compared without regard to case.
pub fn resolve(parts: &[String]) -> Stands<'_> {
    let is = |part: &String, word: &&str| part.eq_ignore_ascii_case(word);
    let begins = |parts: &[String], name: &[&str]| parts.iter().zip(name).all(|(part, word)| is(part, word));
    for (name, area) in NAMES {
        if parts.len() >= name.len() && begins(parts, name) {
            return Stands::In(area, &parts[name.len()..]);
        }
    }
    let deeper = NAMES.iter().filter(|(name, _)| name.len() > parts.len() && begins(parts, name));
    let mut held: Vec<&str> = deeper.map(|(name, _)| name[parts.len()]).collect();
    held.dedup();
    if held.is_empty() { Stands::Nothing } else { Stands::Above(held) }
}

/// Tells whether people may do a deed at a place in an area, its links resolved.
///
/// # Errors
/// When they may not: why, for people.
pub fn permit(area: Area, below: &[String], deed: Deed) -> Result<(), String> {
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    match area {
        Area::Logs => Err("the application log is written by the host alone".to_owned()),
        Area::Jobs => match below[..] {
            [] => Err("the folder of all jobs stays".to_owned()),
            [kind] if deed == Deed::Remove && kind.parse::<JobKind>().is_ok() => {
                Err(format!("the folder of all {kind} jobs stays"))
            }
            _ => Ok(()),
        },
        Area::Data => match below[..] {
            ["jobs", kind, _] if deed == Deed::Make && kind.parse::<JobKind>().is_ok() => Ok(()),
            ["jobs", kind, _, first, ..] => match kind.parse::<JobKind>() {
                Ok(kind) if is_the_hosts(kind, first) => {
                    Err(format!("`{first}` in the data of a {kind} job is kept by the host"))
                }
                Ok(_) => Ok(()),
                Err(_) => Err(ONLY.to_owned()),
            },
            _ => Err(ONLY.to_owned()),
        },
    }
}

/// Why something outside every job cannot be changed.
pub const ONLY: &str = "only what lies below jobs/ and below data/jobs/{kind}/{job}/ can be changed";

fn is_the_hosts(kind: JobKind, first: &str) -> bool {
    let begins = |names: &[&str]| names.iter().any(|name| first.starts_with(name));
    match kind {
        JobKind::Continuous => begins(&OF_CONTINUOUS) || first == "runs",
        JobKind::Triggered => begins(&OF_TRIGGERED) || RunId::parse(first).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn every_name_of_a_folder_leads_to_it() {
        for (path, stands) in [
            ("data/jobs/a b", "Data jobs/a b"),
            ("Data", "Data "),
            ("jobs/triggered/€", "Jobs triggered/€"),
            ("site/wwwroot/App_Data/jobs/continuous", "Jobs continuous"),
            ("Site/WwwRoot/app_data/JOBS", "Jobs "),
            ("SITE/Jobs", "Jobs "),
            ("logfiles/Application/x.txt", "Logs Application/x.txt"),
            ("", "LogFiles data jobs site"),
            ("site", "jobs wwwroot"),
            ("SITE/wwwroot", "App_Data"),
            ("site/wwwroot/App_Data", "jobs"),
            ("site/wwwroot/web.config", "nothing"),
            ("site/deployments", "nothing"),
            ("etc/passwd", "nothing"),
            ("job", "nothing"),
        ] {
            let parts = parts(path);
            let found = match resolve(&parts) {
                Stands::In(area, rest) => format!("{area:?} {}", rest.join("/")),
                Stands::Above(held) => held.join(" "),
                Stands::Nothing => "nothing".to_owned(),
            };
            assert_eq!(found, stands, "{path}");
        }
    }

    #[test]
    fn people_change_jobs_and_their_data_and_the_host_the_rest() {
        use {Area::*, Deed::*};
        for (area, path, deed, allowed) in [
            (Jobs, "triggered/a/run.sh", Write, true),
            (Jobs, "triggered/a", Make, true),
            (Jobs, "triggered/a", Remove, true),
            (Jobs, "triggered", Remove, false),
            (Jobs, "other", Remove, true),
            (Jobs, "", Remove, false),
            (Data, "jobs/continuous/a", Make, true),
            (Data, "jobs/continuous/a", Remove, false),
            (Data, "jobs/continuous/a/state/x.json", Write, true),
            (Data, "jobs/continuous/a/state", Remove, true),
            (Data, "jobs/continuous/a/runs.json", Write, true),
            (Data, "jobs/continuous/a/job_log.txt", Write, false),
            (Data, "jobs/continuous/a/job_log.00000000000000000000-00000000000000000007.txt.gz", Remove, false),
            (Data, "jobs/continuous/a/runs/201510200336425903/status", Write, false),
            (Data, "jobs/continuous/a/runs", Remove, false),
            (Data, "jobs/continuous/a/status_host1", Write, false),
            (Data, "jobs/continuous/a/singleton.job.lock", Remove, false),
            (Data, "jobs/triggered/a/201510200336425903/output_log.txt", Write, false),
            (Data, "jobs/triggered/a/201510200336425903", Remove, false),
            (Data, "jobs/triggered/a/occurrences.jsonl", Write, false),
            (Data, "jobs/triggered/a/occurrences.lock", Remove, false),
            (Data, "jobs/triggered/a/job_scheduler.log", Write, false),
            (Data, "jobs/triggered/a/triggeredJob.lock", Write, false),
            (Data, "jobs/triggered/a/2015/x", Write, true),
            (Data, "jobs/triggered/a/runs/x", Write, true),
            (Data, "jobs/other/a/x", Write, false),
            (Data, "jobs/triggered", Remove, false),
            (Data, "jobs/x", Write, false),
            (Data, "webjobd/credentials", Write, false),
            (Data, "LogFiles/Application/x.txt", Write, false),
            (Data, "", Remove, false),
            (Logs, "Application/x.txt", Remove, false),
        ] {
            assert_eq!(permit(area, &parts(path), deed).is_ok(), allowed, "{area:?} {path} {deed:?}");
        }
    }
}
