//! Hooks: addresses that somebody wants to be told at, what they are told, and how that went.
//!
//! A hook holds secrets: the password in its address, and the one that signs. Neither is printed by `Debug`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::{dotnet, time::Wall};

/// Kudu's event: a run of a triggered job has ended.
pub const TRIGGERED_JOB_FINISHED: &str = "TriggeredJobFinished";
/// A life of a continuous job has failed.
pub const CONTINUOUS_JOB_FAILED: &str = "ContinuousJobFailed";
/// A job's folder has a defect that keeps it from running.
pub const JOB_PROBLEM: &str = "JobProblem";
/// A due time passed without a run.
pub const RUN_MISSED: &str = "RunMissed";

/// A hook's number: the .NET ticks of its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HookId(u64);

/// A secret that signs; it is never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// A subscription.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its number.
    pub id: HookId,
    /// The event it waits for; case does not count.
    pub event: String,
    /// Where it is told, with user and password where these are needed.
    pub url: String,
    /// Whether any certificate will do.
    #[serde(default)]
    pub insecure_ssl: bool,
    /// What signs the deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// How the last attempt went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastCall>,
}

/// How the last attempt to tell a hook went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCall {
    /// The name of the answer's status, or `Failure` without one.
    pub status: String,
    /// The same for people.
    pub reason: String,
    /// When.
    pub at: Wall,
    /// What was sent.
    pub context: String,
}

/// The number of a delivery, the same for all its attempts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub String);

/// Something that a hook is still to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// Whom.
    pub hook: HookId,
    /// The event's name.
    pub event: String,
    /// The body.
    pub body: String,
    /// When it was made.
    pub made: Wall,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next: Wall,
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The receiver took it.
    Delivered,
    /// It is tried again.
    Retried,
    /// It is not tried again.
    GivenUp,
    /// The receiver wants no more: the hook is gone.
    Gone,
    /// There was no place for it among those that wait.
    Dropped,
}

/// One attempt, as the record of deliveries keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The event's name.
    pub event: String,
    /// When it was tried.
    pub at: Wall,
    /// 1, or more for a retry.
    pub attempt: u32,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// The status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was no answer, or none that counts, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long the receiver took, in milliseconds.
    pub duration_ms: u64,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Wall>,
    /// The host that tried.
    pub instance: String,
}

impl HookId {
    /// Returns a number for a hook that comes at `now`, later than all others.
    pub fn at(now: Wall, latest: Option<Self>) -> Self {
        let ticks = dotnet::ticks(now);
        Self(latest.map_or(ticks, |latest| ticks.max(latest.0 + 1)))
    }
}

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for HookId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Secret {
    /// Takes a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns it, to sign with.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Hook {
    /// Returns the address as it may be shown: without its password.
    pub fn shown_url(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else { return self.url.clone() };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        match authority.rsplit_once('@').map(|(login, host)| (login.split_once(':'), host)) {
            Some((Some((user, _)), host)) => format!("{scheme}://{user}:***@{host}{path}"),
            Some((None, _)) | None => self.url.clone(),
        }
    }

    /// Tells whether it waits for an event.
    pub fn awaits(&self, event: &str) -> bool {
        same(&self.event, event)
    }

    /// Tells whether it has an address, in any case.
    pub fn is_at(&self, url: &str) -> bool {
        same(&self.url, url)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("id", &self.id).field("event", &self.event).finish_non_exhaustive()
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(url: &str) -> Hook {
        Hook {
            id: HookId(1),
            event: "MyEvent".to_owned(),
            url: url.to_owned(),
            insecure_ssl: false,
            secret: Some(Secret::new("s3cret".to_owned())),
            last: None,
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (url, shown) in [
            ("https://x.example/a?b=c", "https://x.example/a?b=c"),
            ("https://ann@x.example/", "https://ann@x.example/"),
            ("https://ann:s3cret@x.example:81/p@th", "https://ann:***@x.example:81/p@th"),
            ("https://ann:s3c:r@t@x.example", "https://ann:***@x.example"),
            ("https://:s3cret@x.example?u=a:b@c", "https://:***@x.example?u=a:b@c"),
        ] {
            assert_eq!(hook(url).shown_url(), shown);
            assert!(!format!("{:?}", hook(url)).contains("s3c"), "{url}");
        }
    }

    #[test]
    fn a_number_is_the_ticks_of_its_moment_and_comes_once() {
        let now: Wall = "2015-10-20T03:36:42.5903978Z".parse().expect("a time");
        let first = HookId::at(now, None);
        assert_eq!(first.to_string(), "635809090025903978");
        assert_eq!(HookId::at(now, Some(first)).to_string(), "635809090025903979");
        assert_eq!("635809090025903978".parse(), Ok(first));
        assert!(HookId::from_str("x").is_err());
    }
}
