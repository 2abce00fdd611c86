//! Who may do what, written out: every route with every role, and tokens of each sort.

use std::collections::BTreeSet;

use Role::{Admin, Operator, Viewer};

use super::*;

/// Every route with the least role that may use it and the verb that a token needs.
const ROUTES: &[(&str, &str, Role, Verb)] = &[
    ("GET", "/api/jobs", Viewer, Verb::Read),
    ("HEAD", "/api/jobs", Viewer, Verb::Read),
    ("GET", "/api/jobs/triggered", Viewer, Verb::Read),
    ("GET", "/api/jobs/triggered/x", Viewer, Verb::Read),
    ("PUT", "/api/jobs/triggered/x", Admin, Verb::Deploy),
    ("DELETE", "/api/jobs/triggered/x", Admin, Verb::Deploy),
    ("GET", "/api/jobs/triggered/x/settings", Viewer, Verb::Read),
    ("PUT", "/api/jobs/triggered/x/settings", Admin, Verb::Settings),
    ("POST", "/api/jobs/triggered/x/run", Operator, Verb::Run),
    ("GET", "/api/jobs/triggered/x/run", Operator, Verb::Run),
    ("GET", "/api/jobs/triggered/x/history", Viewer, Verb::Read),
    ("GET", "/api/jobs/triggered/x/history/7", Viewer, Verb::Read),
    ("POST", "/api/jobs/continuous/x/start", Operator, Verb::Control),
    ("POST", "/api/jobs/continuous/x/stop", Operator, Verb::Control),
    ("GET", "/api/jobs/continuous/x/passthrough/a", Operator, Verb::Control),
    ("POST", "/api/jobs/continuous/x/passthrough/a", Operator, Verb::Control),
    ("GET", "/api/jobs/triggered/x/swagger", Viewer, Verb::Read),
    ("GET", "/api/v1/jobs", Viewer, Verb::Read),
    ("GET", "/api/v1/jobs/triggered/x", Viewer, Verb::Read),
    ("DELETE", "/api/v1/jobs/triggered/x", Admin, Verb::Deploy),
    ("GET", "/api/v1/jobs/triggered/x/runs", Viewer, Verb::Read),
    ("POST", "/api/v1/jobs/triggered/x/runs", Operator, Verb::Run),
    ("GET", "/api/v1/jobs/triggered/x/runs/7", Viewer, Verb::Read),
    ("POST", "/api/v1/jobs/triggered/x/runs/7/cancel", Operator, Verb::Control),
    ("POST", "/api/v1/jobs/continuous/x/start", Operator, Verb::Control),
    ("POST", "/api/v1/jobs/continuous/x/stop", Operator, Verb::Control),
    ("POST", "/api/v1/jobs/continuous/x/restart", Operator, Verb::Control),
    ("POST", "/api/v1/jobs/continuous/x/pause", Operator, Verb::Control),
    ("PUT", "/api/v1/jobs/continuous/x/settings", Admin, Verb::Settings),
    ("GET", "/api/v1/jobs/continuous/x/log", Viewer, Verb::Read),
    ("GET", "/api/v1/jobs/triggered/x/next", Viewer, Verb::Read),
    ("GET", "/api/v1/jobs/triggered/x/occurrences", Viewer, Verb::Read),
    ("GET", "/api/v1/runs", Viewer, Verb::Read),
    ("POST", "/api/v1/refresh", Operator, Verb::Control),
    ("GET", "/api/v1/events", Viewer, Verb::Read),
    ("GET", "/api/v1/settings", Admin, Verb::Settings),
    ("GET", "/api/v1/hooks", Admin, Verb::Admin),
    ("GET", "/api/vfs/", Viewer, Verb::Read),
    ("GET", "/api/vfs/data/jobs/triggered/x/7/output_log.txt", Viewer, Verb::Read),
    ("GET", "/api/vfs/LogFiles/a.txt", Viewer, Verb::Read),
    ("GET", "/api/vfs/data/../jobs/triggered/x/settings.job", Operator, Verb::Deploy),
    ("GET", "/api/vfs/jobs/triggered/x/settings.job", Operator, Verb::Deploy),
    ("GET", "/api/vfs/site/wwwroot/App_Data/jobs/triggered/x/run.sh", Operator, Verb::Deploy),
    ("PUT", "/api/vfs/jobs/triggered/x/run.sh", Admin, Verb::Deploy),
    ("PUT", "/api/vfs/data/jobs/triggered/x/state", Admin, Verb::Deploy),
    ("DELETE", "/api/vfs/data/jobs/triggered/x/state", Admin, Verb::Deploy),
    ("GET", "/api/zip/jobs/", Operator, Verb::Deploy),
    ("GET", "/api/zip/data/", Viewer, Verb::Read),
    ("PUT", "/api/zip/jobs/", Admin, Verb::Deploy),
    ("POST", "/api/zipdeploy", Admin, Verb::Deploy),
    ("PUT", "/zipdeploy", Admin, Verb::Deploy),
    ("GET", "/api/deployments/latest", Viewer, Verb::Read),
    ("DELETE", "/api/deployments/7", Admin, Verb::Deploy),
    ("GET", "/api/settings", Admin, Verb::Settings),
    ("POST", "/api/settings", Admin, Verb::Settings),
    ("DELETE", "/SETTINGS/a", Admin, Verb::Settings),
    ("GET", "/api/hooks", Admin, Verb::Admin),
    ("POST", "/api/hooks", Admin, Verb::Admin),
    ("POST", "/api/hooks/publish/x", Admin, Verb::Admin),
    ("GET", "/api/processes", Viewer, Verb::Read),
    ("GET", "/api/processes/0", Admin, Verb::Admin),
    ("DELETE", "/api/processes/7", Admin, Verb::Admin),
    ("POST", "/api/processes/7/stop", Admin, Verb::Admin),
    ("POST", "/api/command", Admin, Verb::Admin),
    ("GET", "/api/environment", Viewer, Verb::Read),
    ("GET", "/api/logstream", Viewer, Verb::Read),
    ("GET", "/api/logs/recent", Viewer, Verb::Read),
    ("GET", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/x/triggeredwebjobs", Viewer, Verb::Read),
    ("POST", "/subscriptions/s/providers/Microsoft.Web/sites/w/triggeredwebjobs/x/run", Operator, Verb::Run),
    ("DELETE", "/subscriptions/s/providers/Microsoft.Web/sites/w/continuouswebjobs/x", Admin, Verb::Deploy),
    ("POST", "/subscriptions/s/providers/Microsoft.Web/sites/w/config/appsettings/list", Admin, Verb::Settings),
    ("POST", "/subscriptions/s/anything", Admin, Verb::Admin),
    ("GET", "/metrics", Viewer, Verb::Read),
    ("GET", "/", Viewer, Verb::Read),
    ("OPTIONS", "/api/jobs", Viewer, Verb::Read),
    ("OPTIONS", "/api/jobs/triggered/x/run", Viewer, Verb::Read),
    ("OPTIONS", "/api/jobs/continuous/x/passthrough/a", Operator, Verb::Control),
    ("GET", "/nothing/at/all", Viewer, Verb::Read),
    ("BREW", "/nothing/at/all", Operator, Verb::Control),
    ("POST", "/api/nothing", Operator, Verb::Control),
];

fn need_of(method: &str, path: &str) -> Need {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    need(method, &segments, None)
}

fn job(text: &str) -> JobId {
    let (kind, name) = text.split_once('/').expect("kind/name");
    JobId { kind: kind.parse().expect("a kind"), name: name.parse().expect("a name") }
}

/// A host with these jobs; it takes any case for a name, the exact one first.
fn known(kind: JobKind, name: &str) -> Option<JobId> {
    let jobs = ["triggered/report", "triggered/Report", "triggered/Nightly", "continuous/worker"].map(job);
    let of_kind = || jobs.iter().filter(|job| job.kind == kind);
    let exact = of_kind().find(|job| job.name.as_str() == name);
    exact.or_else(|| of_kind().find(|job| job.name.as_str().eq_ignore_ascii_case(name))).cloned()
}

fn token(jobs: Option<&[&str]>, verbs: &[Verb]) -> Rights {
    let scope = |text: &&str| match text.strip_suffix("/*") {
        Some(kind) => JobScope::Kind(kind.parse().expect("a kind")),
        None => JobScope::One(job(text)),
    };
    let jobs = jobs.map(|jobs| jobs.iter().map(scope).collect());
    Rights::Token(Scope { jobs, verbs: verbs.iter().copied().collect::<BTreeSet<_>>() })
}

#[test]
fn every_route_takes_its_role() {
    for (method, path, least, verb) in ROUTES {
        let need = need_of(method, path);
        assert_eq!((need.role, need.verb), (*least, *verb), "{method} {path}");
        for (_, role) in Role::ALL {
            let may = permit(&Rights::Role(*role), &need, &known).is_ok();
            assert_eq!(may, role >= least, "{role}: {method} {path}");
        }
    }
}

#[test]
fn what_changes_something_is_known_by_its_method_and_its_route() {
    for (method, path, changes) in [
        ("GET", "/api/jobs", false),
        ("HEAD", "/api/vfs/jobs/triggered/x/run.sh", false),
        ("GET", "/api/settings", false),
        ("OPTIONS", "/api/jobs/triggered/x/run", false),
        ("POST", "/api/jobs/triggered/x/run", true),
        ("GET", "/api/jobs/triggered/x/run", true),
        ("GET", "/api/jobs/continuous/x/passthrough/a", true),
        ("PUT", "/api/vfs/data/jobs/triggered/x/state", true),
        ("BREW", "/api/jobs", true),
    ] {
        assert_eq!(need_of(method, path).changes(method), changes, "{method} {path}");
    }
}

#[test]
fn a_token_may_what_its_verbs_say_and_nothing_else() {
    for (method, path, _, verb) in ROUTES {
        for (_, other) in Verb::ALL {
            let may = permit(&token(None, &[*other]), &need_of(method, path), &known).is_ok();
            assert_eq!(may, other == verb, "{other}: {method} {path}");
        }
    }
}

#[test]
fn a_token_for_some_jobs_sees_no_others() {
    let all: Vec<Verb> = Verb::ALL.iter().map(|(_, verb)| *verb).collect();
    for (jobs, path, may) in [
        (&["triggered/nightly"][..], "/api/jobs/triggered/nightly/run", true),
        (&["triggered/nightly"], "/api/jobs/triggered/NIGHTLY/run", true),
        (&["triggered/nightly"], "/api/jobs/triggered/report/run", false),
        (&["triggered/nightly"], "/api/jobs/continuous/nightly/stop", false),
        (&["triggered/nightly"], "/api/v1/jobs/triggered/Nightly/runs", true),
        (&["triggered/nightly"], "/api/vfs/data/jobs/triggered/Nightly/7/output_log.txt", true),
        (&["triggered/nightly"], "/api/vfs/data/jobs/triggered/report/7/output_log.txt", false),
        (&["triggered/nightly"], "/api/vfs/jobs/triggered/Nightly/run.sh", true),
        (&["triggered/nightly"], "/api/vfs/data/jobs/triggered/", false),
        (&["triggered/nightly"], "/api/vfs/", false),
        (&["triggered/nightly"], "/api/jobs", false),
        (&["triggered/nightly"], "/api/v1/runs", false),
        (&["triggered/nightly"], "/api/zipdeploy", false),
        (&["triggered/nightly"], "/api/settings", false),
        (&["triggered/nightly"], "/subscriptions/s/providers/w/sites/w/triggeredwebjobs/nightly/run", true),
        (&["triggered/nightly"], "/subscriptions/s/providers/w/sites/w/triggeredwebjobs/report/run", false),
        // Two jobs that differ in case are two jobs.
        (&["triggered/Report"], "/api/jobs/triggered/Report/run", true),
        (&["triggered/Report"], "/api/jobs/triggered/report/run", false),
        (&["triggered/*"], "/api/jobs/triggered/report/run", true),
        (&["triggered/*"], "/api/jobs/continuous/worker/stop", false),
        // A job that is not there yet may be put there.
        (&["triggered/new"], "/api/jobs/triggered/new", true),
        (&["triggered/new"], "/api/jobs/triggered/..", false),
        (&[], "/api/jobs/triggered/report/run", false),
    ] {
        for method in ["GET", "POST", "PUT"] {
            let permitted = permit(&token(Some(jobs), &all), &need_of(method, path), &known);
            assert_eq!(permitted.is_ok(), may, "{jobs:?} {method} {path}: {permitted:?}");
        }
    }
}

#[test]
fn a_list_that_its_query_limits_to_one_job_is_about_that_job() {
    let rights = token(Some(&["triggered/nightly"]), &[Verb::Read]);
    for (path, job, may) in [
        (&["api", "v1", "runs"][..], Some("triggered/nightly"), true),
        (&["api", "v1", "runs"], Some("triggered/report"), false),
        (&["api", "v1", "runs"], Some("nightly"), false),
        (&["api", "v1", "runs"], None, false),
        (&["api", "v1", "jobs"], Some("triggered/nightly"), false),
        (&["api", "v1", "events"], Some("triggered/nightly"), false),
    ] {
        assert_eq!(permit(&rights, &need("GET", path, job), &known).is_ok(), may, "{path:?} {job:?}");
    }
}

#[test]
fn a_refusal_says_what_it_takes() {
    let text = |rights: &Rights, method, path| {
        permit(rights, &need_of(method, path), &known).expect_err("not allowed").to_string()
    };
    assert_eq!(
        text(&Rights::Role(Viewer), "POST", "/api/jobs/triggered/report/run"),
        "this takes the role operator, and you are viewer"
    );
    let run = token(Some(&["triggered/report"]), &[Verb::Run]);
    assert_eq!(
        text(&run, "PUT", "/api/jobs/triggered/report"),
        "this takes a token with the verb `deploy`, and this one is without it"
    );
    assert_eq!(text(&run, "POST", "/api/jobs/triggered/nightly/run"), "this token is for other jobs");
}
