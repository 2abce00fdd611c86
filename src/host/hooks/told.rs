//! Which problems of jobs hooks were told of: `data/webjobd/problems_told.json`, shared by all hosts of a root.
//!
//! Every host sees the same folder, and each sees its problems anew when it starts: whoever is first tells, and a problem
//! is told once, until it is mended. What only one host has (a missing interpreter) is that host's.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::Hooks;
use crate::{
    host::{handle::ChangeError, instances},
    model::{
        id::{Instance, JobId},
        job::Problem,
    },
    os::file::{self, Access, Durability},
    store::layout::Layout,
};

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// By job: the hashes of the problems that were told, and the host that told each.
type Claims = BTreeMap<String, BTreeMap<String, Instance>>;

/// What this host knows to be told.
#[derive(Debug, Default)]
pub struct Told {
    /// By job: the hash of its problems, or none when it was mended.
    known: BTreeMap<JobId, Option<String>>,
    /// Jobs of whose problems hooks had been told when the host started.
    claimed: BTreeSet<String>,
}

impl Told {
    /// Reads of which jobs hooks were told. What cannot be read is taken for nothing.
    pub fn open(layout: &Layout) -> Self {
        let claims = read(layout).unwrap_or_else(|error| {
            warn!(%error, "could not read which problems hooks were told of");
            Claims::new()
        });
        Self { known: BTreeMap::new(), claimed: claims.into_keys().collect() }
    }

    /// Tells whether hooks are to be told of a job's fatal problems; none of them when it is fine. `has_hooks` tells
    /// whether anybody waits.
    pub async fn is_news(&mut self, hooks: &Hooks, job: &JobId, problems: &[Problem], has_hooks: HasHooks) -> bool {
        let hash = (!problems.is_empty()).then(|| hash(problems));
        if self.known.get(job) == Some(&hash) || (hash.is_some() && has_hooks == HasHooks::No) {
            return false;
        }
        if hash.is_none() && !self.known.contains_key(job) && !self.claimed.contains(&job.to_string()) {
            return false;
        }
        let (name, claimed) = (job.to_string(), hash.clone());
        let is_news = hooks.change(move |layout| claim(layout, &name, claimed)).await;
        if let Err(error) = &is_news {
            warn!(%job, %error, "could not keep that hooks were told of a problem");
        }
        self.known.insert(job.clone(), hash.clone());
        // Once too often is better than never.
        is_news.unwrap_or(hash.is_some())
    }
}

/// Whether anybody waits for news of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HasHooks {
    /// Somebody does.
    Yes,
    /// Nobody does.
    No,
}

/// Keeps what a job has now, and tells whether that is news.
fn claim(layout: &Layout, job: &str, hash: Option<String>) -> Result<bool, ChangeError> {
    let before = read(layout)?;
    let mut claims = before.clone();
    let own = layout.instance();
    let told = claims.entry(job.to_owned()).or_default();
    let others = if told.values().any(|host| host != own) { instances::others(layout) } else { Vec::new() };
    told.retain(|known, host| Some(known) == hash.as_ref() || (host != own && others.contains(host)));
    let is_news = hash.is_some_and(|hash| {
        let is_new = !told.contains_key(&hash);
        told.entry(hash).or_insert_with(|| own.clone());
        is_new
    });
    claims.retain(|_, told| !told.is_empty());
    if claims != before {
        let text = serde_json::to_vec_pretty(&claims).expect("names and hashes are JSON");
        let written = file::write_whole(&layout.problems_told(), &text, Durability::Lazy, Access::Usual);
        written.map_err(|error| ChangeError::failed(&error))?;
    }
    Ok(is_news)
}

fn read(layout: &Layout) -> Result<Claims, ChangeError> {
    let text = file::read_bounded(&layout.problems_told(), FILE_BYTES_MAX);
    let text = text.map_err(|error| ChangeError::failed(&error))?;
    // One that makes no sense is begun anew.
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

fn hash(problems: &[Problem]) -> String {
    let text = serde_json::to_vec(problems).expect("problems are JSON");
    blake3::hash(&text).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::lock::FileLock;

    #[test]
    fn a_problem_is_told_once_by_one_host_until_it_is_mended() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = |name| Layout::new(folder.path().to_owned(), Instance::new(name));
        let (a, b) = (layout("a"), layout("b"));
        let locks = [&a, &b].map(|one| FileLock::try_exclusive(&one.host_lock()).expect("a lock").expect("free"));
        let told = |layout: &Layout, hash: &str| claim(layout, "triggered/x", Some(hash.to_owned())).expect("a claim");
        let mended = |layout: &Layout| claim(layout, "triggered/x", None).expect("a claim");
        assert!(told(&a, "one") && !told(&b, "one") && !told(&a, "one"));
        // What only one host has does not take turns with what the other has.
        assert!(told(&b, "two") && !told(&a, "one") && !told(&b, "two"));
        assert!(!mended(&a));
        assert!(told(&a, "one"), "it was mended");
        assert!(!mended(&b) && !mended(&a));
        assert!(!a.problems_told().exists() || std::fs::read(a.problems_told()).expect("it is there") == b"{}");
        // A host that is gone keeps nothing.
        assert!(told(&a, "three"));
        drop(locks);
        assert!(!mended(&b) && told(&b, "three"));
    }
}
