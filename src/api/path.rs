//! Spellings: brings every way to write the path of a route to one way, before the router sees it.
//!
//! Kudu's routes have four spellings and match without regard to case, slashes too many, or one at the end
//! (spec/kudu-webjobs 8.1); axum matches letter by letter. Only the words of routes are touched: the names of jobs, the
//! ids of runs and the paths of files stay as they were sent, percent signs included.

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
    // A path made of the segments of a valid one is valid.
    if let Ok(uri) = format!("{}{query}", canonical(&sent)).parse::<Uri>() {
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
    let words: Vec<String> = segments.iter().map(|segment| word(segment)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["api", "vfs", ..] => files(path, &segments[2..]),
        ["vfs", ..] => files(path, &segments[1..]),
        ["api", "v1", ..] => own(&segments[2..], &words[2..]),
        ["api", site, ..] if is_of_site(site) || site == "logs" => of_site(&segments[1..], &words[1..]),
        [site, ..] if is_of_site(site) => of_site(&segments, &words),
        ["jobs"] | ["api", "jobs" | "webjobs"] => "/api/jobs".to_owned(),
        ["api", "jobs", kind, ..] if of_kind(kind).is_some() => jobs(of_kind(kind), &segments[3..], &words[3..]),
        ["jobs", kind, ..] if of_kind(kind).is_some() => jobs(of_kind(kind), &segments[2..], &words[2..]),
        ["api", list, ..] if of_list(list).is_some() => jobs(of_list(list), &segments[2..], &words[2..]),
        _ => format!("/{}", segments.join("/")),
    }
}

/// The rest of a route of Kudu's: a job's name, a word, a run's id.
fn jobs(kind: Option<JobKind>, segments: &[&str], words: &[&str]) -> String {
    let kind = kind.map_or("", JobKind::as_str);
    let rest = mixed(segments, words, |at| at == 1);
    format!("/api/jobs/{kind}{rest}")
}

/// The rest of a route of our own: `jobs/{kind}/{name}/{word}/{id}/{word}`, `hooks/{number}/{word}`.
fn own(segments: &[&str], words: &[&str]) -> String {
    format!("/api/v1{}", mixed(segments, words, |at| !matches!(at, 2 | 4) || words[0] == "hooks"))
}

/// A path of files keeps its letters, and the slash at its end, which says that a folder is meant.
fn files(path: &str, segments: &[&str]) -> String {
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/api/vfs/{}{end}", segments.join("/"))
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
fn word(segment: &str) -> String {
    match percent_decode_str(segment).decode_utf8() {
        Ok(text) if !text.contains('/') => text.to_ascii_lowercase(),
        Ok(_) | Err(_) => segment.to_owned(),
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
            (&["/API/V1/Jobs/Triggered/Report/Runs/7/Cancel/"], "/api/v1/jobs/triggered/Report/runs/7/cancel"),
            (&["/API/v1/REFRESH"], "/api/v1/refresh"),
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
