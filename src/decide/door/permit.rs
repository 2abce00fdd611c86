//! What a request needs, and whether a caller may have it.
//!
//! ```text
//!  method, path ── need ──> verb, role, job ── permit ──> yes, or why not
//!                             Rights of the caller ──┘
//! ```
//!
//! A path is read as the router reads it: in its one spelling, taken apart and decoded once. A path that nothing here knows
//! may be looked at by a viewer and used by an operator. Whoever decides what runs, by putting programs, settings or
//! hooks in place, can do all that the host's user can: that takes an admin.

use std::{borrow::Cow, fmt};

use crate::model::{
    access::{JobScope, Rights, Role, Scope, Verb},
    id::{JobId, JobKind, JobName},
};

/// What a request takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it does, for tokens.
    pub verb: Verb,
    /// Who may do it, for people.
    pub role: Role,
    /// What it is about.
    pub about: About,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// One job, by the name that was sent.
    Job(JobKind, String),
    /// Several jobs, or the host.
    All,
}

/// Why a caller may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The person's role is too small.
    Role {
        /// What it takes.
        needed: Role,
        /// What they have.
        has: Role,
    },
    /// The token is not for this verb.
    Verb(Verb),
    /// The token is not for this job.
    Job,
    /// The token is for some jobs, and this is about all.
    All,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { needed, has } => write!(f, "this takes the role {needed}, and you are {has}"),
            Self::Verb(verb) => write!(f, "this takes a token with the verb `{verb}`, and this one is without it"),
            Self::Job => f.write_str("this token is for other jobs"),
            Self::All => {
                f.write_str("this token is for some jobs only, and this is about all of them or about the host")
            }
        }
    }
}

impl Need {
    fn of(verb: Verb, about: About) -> Self {
        Self { verb, role: verb.role(), about }
    }

    /// Tells whether it changes something. What runs and controls does, even where its method should only look.
    pub fn changes(&self, method: &str) -> bool {
        let acts = match self.verb {
            Verb::Run | Verb::Control => true,
            Verb::Read | Verb::Deploy | Verb::Settings | Verb::Admin => false,
        };
        acts || !looks(method)
    }
}

/// Returns what a request takes. `segments` is its path, `job` the job that its query names as `kind/name`.
pub fn need<'a>(method: &str, segments: &[&'a str], job: Option<&str>) -> Need {
    let lower = |segment: &&'a str| match segment.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(segment.to_ascii_lowercase()),
        false => Cow::Borrowed(*segment),
    };
    let words: Vec<Cow<str>> = segments.iter().map(lower).collect();
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    let look = Look { looks: looks(method) };
    // No route answers to it but what a job's own program makes of it.
    if method == "OPTIONS" && !words.contains(&"passthrough") {
        return Need::of(Verb::Read, About::All);
    }
    match words.first() {
        // Kudu's routes answer with `api` before them and without.
        Some(&"api") => look.kudu(&words[1..], &segments[1..], job),
        Some(&"subscriptions") => look.management(&words, segments),
        Some(_) | None => look.kudu(&words, segments, job),
    }
}

/// Decides whether a caller may. `known` finds the job that the host takes a name for.
///
/// # Errors
/// When the caller may not.
pub fn permit(rights: &Rights, need: &Need, known: &dyn Fn(JobKind, &str) -> Option<JobId>) -> Result<(), Denied> {
    match rights {
        Rights::Role(has) if *has >= need.role => Ok(()),
        Rights::Role(has) => Err(Denied::Role { needed: need.role, has: *has }),
        Rights::Token(scope) => within(scope, need, known),
    }
}

fn within(scope: &Scope, need: &Need, known: &dyn Fn(JobKind, &str) -> Option<JobId>) -> Result<(), Denied> {
    if !scope.verbs.contains(&need.verb) {
        return Err(Denied::Verb(need.verb));
    }
    let Some(jobs) = &scope.jobs else { return Ok(()) };
    let About::Job(kind, name) = &need.about else { return Err(Denied::All) };
    // The token's name and the request's are looked up the same way: two jobs may differ in nothing but case.
    let found =
        |kind, name: &str| known(kind, name).or_else(|| JobName::parse(name).ok().map(|name| JobId { kind, name }));
    let asked = found(*kind, name);
    let covers = |one: &JobScope| match one {
        JobScope::Kind(one) => one == kind,
        JobScope::One(one) => asked.is_some() && found(one.kind, one.name.as_str()) == asked,
    };
    if jobs.iter().any(covers) { Ok(()) } else { Err(Denied::Job) }
}

fn looks(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// Whether a request's method only looks.
#[derive(Clone, Copy)]
struct Look {
    looks: bool,
}

impl Look {
    /// A need that depends on the method.
    fn or(self, changes: Verb, about: About) -> Need {
        Need::of(if self.looks { Verb::Read } else { changes }, about)
    }

    fn kudu(self, words: &[&str], segments: &[&str], job: Option<&str>) -> Need {
        match *words {
            ["v1", ref rest @ ..] => self.own(rest, &segments[1..], job),
            ["jobs", kind, _, ref rest @ ..] if kind.parse::<JobKind>().is_ok() => {
                self.job(rest, about_job(kind, segments[2]))
            }
            ["vfs" | "zip", ref rest @ ..] => self.files(rest, &segments[1..]),
            ["zipdeploy" | "publish" | "deployments" | "deploy", ..] => self.or(Verb::Deploy, About::All),
            // Their answers hold secrets, so that looking takes as much as changing.
            ["settings", ..] => Need::of(Verb::Settings, About::All),
            ["processes"] => self.or(Verb::Admin, About::All),
            ["hooks" | "processes" | "command" | "dump" | "diagnostics", ..] => Need::of(Verb::Admin, About::All),
            _ => self.or(Verb::Control, About::All),
        }
    }

    /// Below `jobs/{kind}/{name}` of Kudu's routes.
    fn job(self, rest: &[&str], job: About) -> Need {
        match *rest {
            [] => self.or(Verb::Deploy, job),
            ["settings", ..] => self.or(Verb::Settings, job),
            ["run", ..] => Need::of(Verb::Run, job),
            // What the job's own program makes of a request is not known, whatever its method.
            ["start" | "stop" | "restart" | "passthrough", ..] => Need::of(Verb::Control, job),
            _ => self.or(Verb::Control, job),
        }
    }

    /// Below `/api/v1`.
    fn own(self, words: &[&str], segments: &[&str], job: Option<&str>) -> Need {
        match *words {
            ["jobs", kind, _, ref rest @ ..] if kind.parse::<JobKind>().is_ok() => {
                let job = about_job(kind, segments[2]);
                match *rest {
                    ["runs"] => self.or(Verb::Run, job),
                    _ => self.job(rest, job),
                }
            }
            ["runs" | "refresh"] => self.or(Verb::Control, job.map_or(About::All, about_named)),
            ["settings", ..] => Need::of(Verb::Settings, About::All),
            ["hooks" | "audit" | "processes", ..] => Need::of(Verb::Admin, About::All),
            ["deployments", ..] => self.or(Verb::Deploy, About::All),
            _ => self.or(Verb::Control, About::All),
        }
    }

    /// Files: logs and records may be looked at by whoever sees runs, programs and their settings hold secrets.
    fn files(self, words: &[&str], segments: &[&str]) -> Need {
        let start = match *words {
            ["data" | "site", "jobs", ..] => 2,
            ["jobs", ..] => 1,
            ["site", "wwwroot", "app_data", "jobs", ..] => 4,
            _ => 0,
        };
        let about = match (words.get(start), segments.get(start + 1)) {
            (Some(kind), Some(name)) if start > 0 && kind.parse::<JobKind>().is_ok() => about_job(kind, name),
            _ => About::All,
        };
        let is_output = matches!(*words, [] | ["data" | "logfiles", ..]);
        match (self.looks, is_output && words.iter().all(|word| !matches!(*word, "." | ".."))) {
            (true, true) => Need::of(Verb::Read, about),
            (true, false) => Need { role: Role::Operator, ..Need::of(Verb::Deploy, about) },
            (false, _) => Need::of(Verb::Deploy, about),
        }
    }

    /// Paths of Azure's management API: `/subscriptions/…/sites/{site}/…`.
    fn management(self, words: &[&str], segments: &[&str]) -> Need {
        let site = words.iter().position(|word| *word == "sites").map_or(words.len(), |at| (at + 2).min(words.len()));
        match words[site..] {
            ["continuouswebjobs", _, ref rest @ ..] => self.job(rest, about_job("continuous", segments[site + 1])),
            ["triggeredwebjobs", _, ref rest @ ..] => self.job(rest, about_job("triggered", segments[site + 1])),
            ["config" | "host", ..] => Need::of(Verb::Settings, About::All),
            _ => self.or(Verb::Admin, About::All),
        }
    }
}

fn about_job(kind: &str, name: &str) -> About {
    kind.parse().map_or(About::All, |kind| About::Job(kind, name.to_owned()))
}

fn about_named(job: &str) -> About {
    job.split_once('/').map_or(About::All, |(kind, name)| about_job(kind, name))
}

#[cfg(test)]
mod tests;
