//! Who may do what: people with roles, programs with tokens for some jobs and verbs, and the caller that a login proves.
//!
//! Secrets are here as hashes alone, and not even those are shown by `Debug`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::model::{
    id::{JobId, JobKind},
    time::Wall,
};

/// What a person may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks: jobs, runs, logs.
    Viewer,
    /// Runs, starts and stops what is there.
    Operator,
    /// Decides what is there: puts, changes and removes jobs, settings and hooks.
    Admin,
}

/// What a request does; tokens name these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Looks at jobs, runs, logs and occurrences.
    Read,
    /// Runs triggered jobs.
    Run,
    /// Starts, stops, restarts, pauses jobs and cancels runs.
    Control,
    /// Puts, replaces and removes jobs and their files, and reads those files.
    Deploy,
    /// Changes settings, of jobs and of the host.
    Settings,
    /// Everything else about the host itself: hooks, processes.
    Admin,
}

/// Jobs that a token is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobScope {
    /// This one.
    One(JobId),
    /// All of a kind.
    Kind(JobKind),
}

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Which jobs; all of them, and the host itself, when not given.
    pub jobs: Option<Vec<JobScope>>,
    /// Which verbs.
    pub verbs: BTreeSet<Verb>,
}

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// A person's.
    Role(Role),
    /// A token's.
    Token(Scope),
}

/// Who asks, as a login has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's name, or the token's.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
}

/// The hash of a password as a PHC text: `$argon2id$…`. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

/// The SHA-256 of a token's secret. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

/// A person who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What they may do.
    pub role: Role,
    /// How they prove who they are.
    pub password: PasswordHash,
}

/// A secret that a program was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What the secret hashes to.
    pub hash: TokenHash,
    /// What it is for.
    pub scope: Scope,
    /// From when on it is worth nothing.
    pub expires: Option<Wall>,
}

/// Who may log in, besides the first credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// People, by name.
    pub users: BTreeMap<String, User>,
    /// Tokens, by name.
    pub tokens: BTreeMap<String, Token>,
}

impl Role {
    /// All of them, by name, from the least to the most.
    pub const ALL: &[(&str, Self)] = &[("viewer", Self::Viewer), ("operator", Self::Operator), ("admin", Self::Admin)];
}

impl Verb {
    /// All of them, by name.
    pub const ALL: &[(&str, Self)] = &[
        ("read", Self::Read),
        ("run", Self::Run),
        ("control", Self::Control),
        ("deploy", Self::Deploy),
        ("settings", Self::Settings),
        ("admin", Self::Admin),
    ];

    /// Returns the role that a person needs for it.
    pub const fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Run | Self::Control => Role::Operator,
            Self::Deploy | Self::Settings | Self::Admin => Role::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(Self::ALL, *self))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(Self::ALL, *self))
    }
}

impl fmt::Display for JobScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(job) => fmt::Display::fmt(job, f),
            Self::Kind(kind) => write!(f, "{kind}/*"),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(not shown)")
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(not shown)")
    }
}

fn name_of<T: Copy + PartialEq>(all: &[(&'static str, T)], one: T) -> &'static str {
    all.iter().find(|(_, other)| *other == one).map_or("", |(name, _)| name)
}
