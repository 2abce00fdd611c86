//! Zips as people make them, and deployments that come and go.

use proptest::prelude::*;

use super::*;
use crate::model::{deployment::About, time::Wall};

fn check(paths: &[&str]) -> Result<String, String> {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let parts = jobs_in(&paths)?;
    Ok(parts.iter().map(|part| format!("{}/{}={}", part.kind, part.name, part.folder)).collect::<Vec<_>>().join(" "))
}

#[test]
fn jobs_are_found_wherever_a_zip_has_them() {
    for (paths, jobs) in [
        (&["App_Data/jobs/triggered/a/run.sh", "index.html"][..], "triggered/a=App_Data/jobs/triggered/a"),
        (
            &["jobs/Continuous/B/run.sh", "jobs/continuous/C/x/y", "jobs/continuous/readme.md"],
            "continuous/B=jobs/Continuous/B continuous/C=jobs/continuous/C",
        ),
        (&["site/wwwroot/app_data/JOBS/triggered/a/b/c"], "triggered/a=site/wwwroot/app_data/JOBS/triggered/a"),
        (&["repo-main/jobs/triggered/a/run.sh", "repo-main/README.md"], "triggered/a=repo-main/jobs/triggered/a"),
        // What lies below two folders at the top is not looked for.
        (&["jobs/triggered/a/run.sh", "other/jobs/triggered/b/run.sh"], "triggered/a=jobs/triggered/a"),
        (&["jobs/triggered/a/run.sh", "jobs/nightly/b/run.sh"], "triggered/a=jobs/triggered/a"),
    ] {
        assert_eq!(check(paths).as_deref(), Ok(jobs), "{paths:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_name() {
    for (paths, says) in [
        (&["index.html"][..], "no job"),
        (&[], "no job"),
        (&["jobs/triggered/run.sh"], "no job"),
        (&["a/jobs/triggered/x/run.sh", "b/jobs/triggered/y/run.sh"], "no job"),
        (&["jobs/triggered/a/run.sh", "App_Data/jobs/triggered/A/run.sh"], "`triggered/a` is in the zip twice"),
        (&["jobs/triggered/a/run.sh", "jobs/triggered/A/run.sh"], "twice"),
        (&["jobs/triggered/.hidden/run.sh"], "`jobs/triggered/.hidden` cannot be a job"),
    ] {
        let error = check(paths).expect_err("it is refused");
        assert!(error.contains(says), "{paths:?}: {error}");
    }
}

fn deployment(n: i64, stage: Stage, succeeded: Option<i64>) -> Deployment {
    let at = |n| Wall::from_second(n).expect("a time");
    Deployment {
        id: DeploymentId::at(at(n), 0),
        stage,
        text: String::new(),
        about: About::default(),
        received: at(n),
        started: None,
        ended: None,
        succeeded: succeeded.map(at),
        jobs: Vec::new(),
    }
}

#[test]
fn the_active_one_and_what_runs_are_kept_and_the_rest_is_bounded() {
    // The oldest was put in place again.
    let mut all: Vec<Deployment> = (1..40).rev().map(|n| deployment(n, Stage::Success, Some(n))).collect();
    all.push(deployment(0, Stage::Success, Some(99)));
    assert_eq!(active(&all), Some(&DeploymentId::at(Wall::UNIX_EPOCH, 0)));
    let kept = keep(&all);
    assert_eq!(kept.iter().filter(|keep| **keep == Keep::All).count(), PACKAGES_KEPT + 1);
    assert_eq!(kept.iter().filter(|keep| **keep != Keep::Nothing).count(), DEPLOYMENTS_KEPT + 1);
    assert_eq!(kept.last(), Some(&Keep::All));
    let failed = [deployment(2, Stage::Building, None), deployment(1, Stage::Failed, None)];
    assert_eq!((keep(&failed), active(&failed)), (vec![Keep::All, Keep::Record], None));
}

proptest! {
    #[test]
    fn whatever_is_in_a_zip_each_job_is_a_folder_in_it(
        paths in prop::collection::vec("((top|Jobs|jobs|App_Data|site|wwwroot|triggered|Continuous|a|A|\\.b|c d)/){0,6}x", 0..12)
    ) {
        if let Ok(parts) = jobs_in(&paths) {
            for part in &parts {
                let folder = format!("{}/", part.folder);
                prop_assert!(paths.iter().any(|path| path.starts_with(&folder)), "{part:?} {paths:?}");
                prop_assert!(part.folder.ends_with(part.name.as_str()));
                let same = parts.iter().filter(|other| {
                    other.kind == part.kind && other.name.as_str().eq_ignore_ascii_case(part.name.as_str())
                });
                prop_assert_eq!(same.count(), 1);
            }
            prop_assert!(!parts.is_empty());
        }
    }
}
