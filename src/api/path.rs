//! Spellings: brings every way to write the path of a route to one way, before the router sees it.
//!
//! Kudu's routes have four spellings and match without regard to case, slashes too many, or one at the end
//! (spec/kudu-webjobs 8.1); axum matches letter by letter. Only the words of routes are touched: the names of jobs, the
//! ids of runs and the paths of files stay as they were sent, percent signs included.

pub mod management;

use std::borrow::Cow;

use axum::{extract::Request, http::Uri};
use percent_encoding::percent_decode_str;

use crate::model::id::JobKind;

/// The path of a request as it was sent.
#[derive(Clone, Debug)]
pub struct Sent(pub String);

/// Brings a request's path to its one spelling, and keeps the one that was sent.
pub fn respell(mut request: Request) -> Request {
    let sent = request.uri().path().to_owned();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = canonical(&sent);
    // A path made of the segments of a valid one is valid.
    if (path != sent || request.uri().authority().is_some())
        && let Ok(uri) = (path + &query).parse::<Uri>()
    {
        if let Some(authority) = request.uri().authority().cloned() {
            request.extensions_mut().insert(authority);
        }
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(Sent(sent));
    request
}

/// Returns the one spelling of a path, and the path itself when it belongs to no route.
pub fn canonical(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let words: Vec<Cow<str>> = segments.iter().map(|segment| word(segment)).collect();
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    if let Some(n_scope) = management::scope(&words) {
        return managed(path, n_scope, &segments, &words);
    }
    match words[..] {
        ["api", tree @ ("vfs" | "zip" | "logstream"), ..] => files(tree, path, &segments[2..]),
        [tree @ ("vfs" | "zip" | "logstream"), ..] => files(tree, path, &segments[1..]),
        ["api", one @ ("zipdeploy" | "publish")] | [one @ ("zipdeploy" | "publish")] => format!("/api/{one}"),
        ["api", "deployments", ..] => format!("/api/{}", words[1..].join("/")),
        ["deployments", ..] => format!("/api/{}", words.join("/")),
        ["api", "v1", ..] => own(&segments[2..], &words[2..]),
        ["api", site, ..] if is_of_site(site) || site == "logs" => of_site(&segments[1..], &words[1..]),
        [site, ..] if is_of_site(site) => of_site(&segments, &words),
        ["jobs"] | ["api", "jobs" | "webjobs"] => "/api/jobs".to_owned(),
        ["api", "triggeredwebjobsswagger" | "triggeredjobsswagger"] => "/api/swagger/triggered".to_owned(),
        ["api", "processes", ..] => format!("/{}", words.join("/")),
        ["api", "jobs", kind, ..] if of_kind(kind).is_some() => jobs(path, 3, of_kind(kind), &segments, &words),
        ["jobs", kind, ..] if of_kind(kind).is_some() => jobs(path, 2, of_kind(kind), &segments, &words),
        ["api", list, ..] if of_list(list).is_some() => jobs(path, 2, of_list(list), &segments, &words),
        _ => format!("/{}", segments.join("/")),
    }
}

/// The rest of a route of Kudu's after `n_before` segments: a job's name, a word, a run's id. What a job is asked through
/// `passthrough` is the job's own matter, to the letter.
fn jobs(path: &str, n_before: usize, kind: Option<JobKind>, segments: &[&str], words: &[&str]) -> String {
    let kind = kind.map_or("", JobKind::as_str);
    let is_passed = words.get(n_before + 1).is_some_and(|word| *word == "passthrough");
    let n_own = if is_passed { n_before + 2 } else { segments.len() };
    let own = mixed(&segments[n_before..n_own], &words[n_before..n_own], |at| at == 1);
    let passed = if is_passed { after(path, n_own) } else { "" };
    format!("/api/jobs/{kind}{own}{passed}")
}

/// The rest of a path of the management API, which names jobs as Kudu does.
fn managed(path: &str, n_scope: usize, segments: &[&str], words: &[&str]) -> String {
    match words[n_scope..] {
        ["webjobs"] => "/api/jobs".to_owned(),
        ["webjobs", _] => format!("/api/arm/webjobs/{}", segments[n_scope + 1]),
        [list @ ("continuouswebjobs" | "triggeredwebjobs"), ..] => {
            jobs(path, n_scope + 1, of_list(list), segments, words)
        }
        _ => format!("/{}", segments.join("/")),
    }
}

/// Returns what follows the first `n` segments of a path.
pub fn after(path: &str, n: usize) -> &str {
    let mut rest = path;
    for _ in 0..n {
        let begin = rest.trim_start_matches('/');
        rest = &begin[begin.find('/').unwrap_or(begin.len())..];
    }
    rest
}

/// The rest of a route of our own: `jobs/{kind}/{name}/{word}/{id}/{word}`, `hooks/{number}/{word}`.
fn own(segments: &[&str], words: &[&str]) -> String {
    format!("/api/v1{}", mixed(segments, words, |at| !matches!(at, 2 | 4) || words[0] == "hooks"))
}

/// A path of files keeps its letters, and the slash at its end, which says that a folder is meant.
fn files(tree: &str, path: &str, segments: &[&str]) -> String {
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/api/{tree}/{}{end}", segments.join("/"))
}

fn mixed(segments: &[&str], words: &[&str], is_word: impl Fn(usize) -> bool) -> String {
    let pairs = segments.iter().zip(words).enumerate();
    pairs.flat_map(|(at, (segment, word))| ["/", if is_word(at) { word } else { segment }]).collect()
}

/// A route of the site beside its jobs: `settings/{key}`, `hooks/{id}`, `hooks/publish/{event}`, `logs/recent`, ….
fn of_site(segments: &[&str], words: &[&str]) -> String {
    let is_word =
        |at| at == 0 || (at == 1 && (words[0] != "settings" && (words[0] != "hooks" || words[1] == "publish")));
    format!("/api{}", mixed(segments, words, is_word))
}

fn is_of_site(word: &str) -> bool {
    matches!(word, "settings" | "hooks" | "environment" | "command" | "diagnostics")
}

fn of_kind(word: &str) -> Option<JobKind> {
    word.parse().ok()
}

fn of_list(word: &str) -> Option<JobKind> {
    of_kind(word.strip_suffix("webjobs").or_else(|| word.strip_suffix("jobs"))?)
}

/// A segment as a word of a route: decoded, in lower case. One that decodes to a slash or to no text is no word.
fn word(segment: &str) -> Cow<'_, str> {
    if !segment.bytes().any(|byte| byte == b'%' || byte.is_ascii_uppercase()) {
        return Cow::Borrowed(segment);
    }
    match percent_decode_str(segment).decode_utf8() {
        Ok(text) if !text.contains('/') => Cow::Owned(text.to_ascii_lowercase()),
        Ok(_) | Err(_) => Cow::Borrowed(segment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_path() {
        for (spellings, path) in [
            (&["/api/webjobs", "/api/jobs", "/jobs", "/JOBS/", "//api//WebJobs//", "/%61pi/jobs"][..], "/api/jobs"),
            (
                &[
                    "/api/triggeredwebjobs",
                    "/api/triggeredjobs",
                    "/jobs/triggered",
                    "/api/jobs/triggered",
                    "/API/TriggeredWebJobs/",
                ],
                "/api/jobs/triggered",
            ),
            (
                &[
                    "/api/continuouswebjobs/A%20b/start",
                    "/api/ContinuousJobs/A%20b/Start/",
                    "/jobs/CONTINUOUS//A%20b/START",
                    "/api/jobs/continuous/A%20b/start",
                ],
                "/api/jobs/continuous/A%20b/start",
            ),
            (
                &["/jobs/triggered/History/HISTORY/201605190150326541"],
                "/api/jobs/triggered/History/history/201605190150326541",
            ),
            (&["/vfs", "/api/vfs", "/VFS/", "/api//vfs//"], "/api/vfs/"),
            (&["/vfs/Data/jobs/", "/API/VFS//Data//jobs/"], "/api/vfs/Data/jobs/"),
            (&["/vfs/data/Job%2Flog.txt"], "/api/vfs/data/Job%2Flog.txt"),
            (&["/zip/Site/x/", "/API/Zip//Site/x/"], "/api/zip/Site/x/"),
            (&["/LogStream", "/api/logstream/"], "/api/logstream/"),
            (&["/ZipDeploy/", "/api/zipdeploy"], "/api/zipdeploy"),
            (&["/Publish", "/API/publish/"], "/api/publish"),
            (&["/deployments/", "/api/Deployments"], "/api/deployments"),
            (&["/Deployments/LATEST/Log/0", "/api/deployments/latest/log/0/"], "/api/deployments/latest/log/0"),
            (&["/API/V1/Jobs/Triggered/Report/Runs/7/Cancel/"], "/api/v1/jobs/triggered/Report/runs/7/cancel"),
            (&["/API/v1/REFRESH"], "/api/v1/refresh"),
            (&["/api/triggeredwebjobsswagger", "/API/TriggeredJobsSwagger/"], "/api/swagger/triggered"),
            (&["/api/Processes/0/", "/api/processes/0"], "/api/processes/0"),
            (&["/api/v1/Hooks/7/Deliveries/"], "/api/v1/hooks/7/deliveries"),
            (&["/Settings", "/api//SETTINGS/"], "/api/settings"),
            (&["/settings/MyKey", "/api/Settings/MyKey/"], "/api/settings/MyKey"),
            (&["/Hooks/635123", "/API/hooks//635123"], "/api/hooks/635123"),
            (&["/hooks/PUBLISH/MyEvent", "/api/Hooks/publish/MyEvent/"], "/api/hooks/publish/MyEvent"),
            (&["/environment", "/API/Environment"], "/api/environment"),
            (&["/Command"], "/api/command"),
            (&["/diagnostics/Settings", "/api/Diagnostics/settings"], "/api/diagnostics/settings"),
            (&["/API/Logs/Recent/"], "/api/logs/recent"),
        ] {
            for spelling in spellings {
                assert_eq!(canonical(spelling), path, "{spelling}");
                assert_eq!(canonical(path), path, "{path} stays");
            }
        }
    }

    #[test]
    fn what_is_passed_through_stays_as_it_was_sent() {
        for (path, canonical_path) in [
            ("/api/continuouswebjobs/W/Passthrough/A//b%2Fc/", "/api/jobs/continuous/W/passthrough/A//b%2Fc/"),
            ("//jobs//continuous//W//passthrough", "/api/jobs/continuous/W/passthrough"),
            ("/jobs/continuous/W/passthrough/", "/api/jobs/continuous/W/passthrough/"),
        ] {
            assert_eq!(canonical(path), canonical_path);
        }
    }

    #[test]
    fn paths_of_the_management_api_are_routes_of_jobs() {
        let site = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Web/sites/X";
        for (rest, path) in [
            ("/webjobs", "/api/jobs"),
            ("/slots/Y/WebJobs/", "/api/jobs"),
            ("/webjobs/Nightly", "/api/arm/webjobs/Nightly"),
            ("/continuousWebJobs", "/api/jobs/continuous"),
            ("/triggeredwebjobs/Nightly/Run", "/api/jobs/triggered/Nightly/run"),
            ("/slots/Y/triggeredwebjobs/Nightly/history/7", "/api/jobs/triggered/Nightly/history/7"),
        ] {
            assert_eq!(canonical(&format!("{site}{rest}")), path, "{rest}");
        }
        assert_eq!(canonical(&format!("{site}/config")), format!("{site}/config"));
    }

    #[test]
    fn what_is_no_route_stays_none() {
        for (path, same) in [
            ("/", "/"),
            ("/api", "/api"),
            ("/jobs/nightly", "/jobs/nightly"),
            ("/api/nightlywebjobs/x", "/api/nightlywebjobs/x"),
            ("/api/webjobs/x/", "/api/webjobs/x"),
            ("/logs/recent", "/logs/recent"),
            ("/api%2Fwebjobs", "/api%2Fwebjobs"),
            ("/%ff/x", "/%ff/x"),
        ] {
            assert_eq!(canonical(path), same);
        }
    }
}
