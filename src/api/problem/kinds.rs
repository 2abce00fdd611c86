//! Every kind of problem of `/api/v1`, in one table: the word for programs, and for people what it is and what to do.
//!
//! A word is a promise: it is never given another meaning. A test holds that every word in use has its row.

/// One kind of problem.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The stable word: `type` of the answer.
    pub word: &'static str,
    /// The HTTP status it comes with.
    pub status: u16,
    /// What it is, in few words.
    pub title: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

const fn kind(word: &'static str, status: u16, title: &'static str, advice: &'static str) -> Kind {
    Kind { word, status, title, advice }
}

/// All kinds, by status.
pub const KINDS: &[Kind] = &[
    kind(
        "invalid",
        400,
        "Something in the request has a wrong value",
        "The detail names the value and says what it must be; line and column say where in a body it is.",
    ),
    kind("bad_json", 400, "The body is not JSON", "Mend the text at the line and column given, and send it again."),
    kind(
        "bad_pattern",
        400,
        "The regular expression is wrong or too large",
        "Mend the pattern as the detail says, or leave `regex` out to look for the text as it is.",
    ),
    kind(
        "unauthorized",
        401,
        "Credentials are missing or wrong",
        "Send the user and secret of data/webjobd/credentials as Basic, or the secret alone as Bearer.",
    ),
    kind(
        "forbidden",
        403,
        "The login may not do this",
        "Use one with the role or the verb that the detail names; webjobd.toml says who has which.",
    ),
    kind(
        "cross_site",
        403,
        "A page of another site has sent this",
        "Send it from a program, or name the site's address by `public_url` in webjobd.toml.",
    ),
    kind("no_such_hook", 404, "There is no such hook", "GET /api/hooks lists them with their ids."),
    kind(
        "no_such_job",
        404,
        "There is no such job",
        "Check kind and name; the detail offers a name that is nearly the same. GET /api/v1/jobs lists all jobs.",
    ),
    kind(
        "no_such_run",
        404,
        "There is no such run",
        "It may have been pruned by `history`, or have ended already; GET /api/v1/runs?job=kind/name lists those kept.",
    ),
    kind("no_such_route", 404, "There is nothing at this path", "GET /api/v1/openapi.json describes every route."),
    kind("wrong_method", 405, "The route has no such method", "The header `Allow` of the answer lists its methods."),
    kind(
        "too_slow",
        408,
        "The body did not come in time",
        "Send the body without long pauses; nothing was done, so the request may be sent again.",
    ),
    kind(
        "job_problem",
        409,
        "The job has a defect",
        "Mend what the detail says in the job's folder; the host reads it again by itself.",
    ),
    kind(
        "refused",
        409,
        "Something on its way stands against it",
        "Wait until the run on its way has ended, or set `overlap` to queue, allow or replace.",
    ),
    kind(
        "runs_elsewhere",
        409,
        "Another host of this root runs it",
        "Ask the host that the detail names; its address is in `data/webjobd/hosts/{name}/host.json`.",
    ),
    kind(
        "barred",
        409,
        "Something keeps the job from running",
        "Undo what the detail names: start a job that was stopped, enable one that is disabled.",
    ),
    kind("too_large", 413, "The body is too large", "Send less: 4 MiB at most, 256 KiB of settings."),
    kind(
        "wrong_content_type",
        415,
        "The body is of another type than the route reads",
        "Send it as the detail says, such as `Content-Type: application/json`.",
    ),
    kind(
        "unknown_host",
        421,
        "This host is not known by the name that was asked for",
        "Ask by a name that it has, or add the name to `allowed_hosts` in webjobd.toml.",
    ),
    kind(
        "too_many_logins",
        429,
        "Too many logins have failed",
        "Wait as long as the header `Retry-After` says; a right login of the credentials file is never kept waiting.",
    ),
    kind("failed", 500, "The machine did not do it", "The detail says what failed; the trace of the host has more."),
    kind(
        "busy",
        503,
        "As many of this kind as the host takes are on their way",
        "Close a stream that nobody reads, or ask again when the header `Retry-After` says.",
    ),
    kind("job_busy", 503, "Too much waits for the job already", "Ask again later; if that goes on, the job hangs."),
    kind("host_stopping", 503, "The host is on its way down", "Ask again when it runs again."),
];

/// Returns the row of a word.
pub fn of(word: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|row| row.word == word)
}

/// Returns the word for a status that something below us answered with.
pub fn of_status(status: u16) -> &'static str {
    match status {
        401 => "unauthorized",
        404 => "no_such_route",
        405 => "wrong_method",
        408 => "too_slow",
        413 => "too_large",
        415 => "wrong_content_type",
        503 => "busy",
        400..=499 => "invalid",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// Collects the words that a source makes problems of.
    fn words(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                words(&entry, found);
                continue;
            }
            let text = fs::read_to_string(&entry).expect("a source");
            for made in
                ["Problem::new(", "Self::new(", "Refusal::new("].iter().flat_map(|call| text.split(call).skip(1))
            {
                let arguments = made.split_inclusive(')').next().unwrap_or_default();
                if let Some(word) =
                    arguments.trim_start().strip_prefix("StatusCode::").and_then(|rest| rest.split('"').nth(1))
                {
                    found.insert(word.to_owned());
                }
            }
        }
    }

    #[test]
    fn every_word_in_use_has_its_row_and_no_row_comes_twice() {
        let mut used = BTreeSet::new();
        words(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"), &mut used);
        assert!(used.contains("no_such_job") && used.contains("unauthorized"), "{used:?}");
        let rows: BTreeSet<_> = KINDS.iter().map(|row| row.word).collect();
        assert_eq!(rows.len(), KINDS.len());
        let missing: Vec<_> = used.iter().filter(|word| !rows.contains(word.as_str())).collect();
        assert!(missing.is_empty(), "add rows to KINDS in src/api/problem/kinds.rs for {missing:?}");
        assert!(KINDS.is_sorted_by_key(|row| row.status));
        for status in 400..=599 {
            assert!(of(of_status(status)).is_some());
        }
    }
}
