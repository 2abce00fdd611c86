//! Logins that were right a moment ago, so that a password is not checked anew, at 20 ms, for each request.
//!
//! Kept are hashes under a key that nobody knows, for a short time, for the client's address alone; never the secret.

use std::{collections::BTreeMap, time::Duration};

use core::net::IpAddr;

use crate::model::time::Mono;

/// How long a login is remembered.
const KEPT: Duration = Duration::from_secs(300);

/// Logins that are remembered; when there are more, all are checked anew.
const ENTRIES_MAX: usize = 2000;

type Mark = [u8; 32];

/// What was right.
pub struct Remembered {
    /// `None` when the system has no random numbers: nothing is remembered then.
    key: Option<[u8; 32]>,
    logins: BTreeMap<Mark, Mono>,
    visitors: BTreeMap<Mark, Mono>,
    /// Counts how often all was forgotten, so that a check which began before that counts for nothing.
    generation: u64,
}

impl Default for Remembered {
    fn default() -> Self {
        let mut key = [0; 32];
        let key = getrandom::fill(&mut key).is_ok().then_some(key);
        Self { key, logins: BTreeMap::new(), visitors: BTreeMap::new(), generation: 0 }
    }
}

/// A login as it was tried, and under which generation of keys.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    login: Option<Mark>,
    visitor: Option<Mark>,
    generation: u64,
}

impl Remembered {
    /// Takes a login in hand.
    pub fn tried(&self, client: IpAddr, name: &[u8], secret: &[u8]) -> Tried {
        let client = client.to_string();
        let login = self.mark(&[b"login", client.as_bytes(), name, secret]);
        Tried { login, visitor: self.mark(&[b"visitor", client.as_bytes(), name]), generation: self.generation }
    }

    /// Tells whether this login was right a moment ago.
    pub fn was_right(&self, tried: &Tried, now: Mono) -> bool {
        holds(&self.logins, tried.login, now)
    }

    /// Tells whether this name came from this client a moment ago, with the right secret.
    pub fn was_here(&self, tried: &Tried, now: Mono) -> bool {
        holds(&self.visitors, tried.visitor, now)
    }

    /// Remembers a login that is right.
    pub fn keep(&mut self, tried: &Tried, now: Mono) {
        if tried.generation != self.generation {
            return;
        }
        for (kept, mark) in [(&mut self.logins, tried.login), (&mut self.visitors, tried.visitor)] {
            if kept.len() >= ENTRIES_MAX {
                kept.retain(|_, until| now < *until);
            }
            if kept.len() >= ENTRIES_MAX {
                kept.clear();
            }
            kept.extend(mark.map(|mark| (mark, now + KEPT)));
        }
    }

    /// Forgets everything.
    pub fn forget_all(&mut self) {
        self.logins.clear();
        self.visitors.clear();
        self.generation += 1;
    }

    fn mark(&self, parts: &[&[u8]]) -> Option<Mark> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key?);
        for part in parts {
            // Lengths keep the parts apart.
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Some(hasher.finalize().into())
    }
}

fn holds(kept: &BTreeMap<Mark, Mono>, mark: Option<Mark>, now: Mono) -> bool {
    mark.and_then(|mark| kept.get(&mark)).is_some_and(|until| now < *until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::at(Duration::from_secs(seconds))
    }

    #[test]
    fn a_login_is_remembered_for_its_client_and_a_short_time() {
        let (here, there): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut remembered = Remembered::default();
        let tried = remembered.tried(here, b"ada", b"secret");
        remembered.keep(&tried, at(0));
        assert!(remembered.was_right(&tried, at(299)) && remembered.was_here(&tried, at(299)));
        assert!(!remembered.was_right(&tried, at(300)) && !remembered.was_here(&tried, at(300)));
        for (client, name, secret, here_before) in [
            (there, "ada", "secret", false),
            (here, "ada", "secret ", true),
            (here, "ad", "asecret", false),
            (here, "adasecret", "", false),
        ] {
            let other = remembered.tried(client, name.as_bytes(), secret.as_bytes());
            assert!(!remembered.was_right(&other, at(1)));
            assert_eq!(remembered.was_here(&other, at(1)), here_before);
        }
    }

    #[test]
    fn a_check_that_began_before_the_keys_were_turned_counts_for_nothing() {
        let mut remembered = Remembered::default();
        let tried = remembered.tried([192, 0, 2, 1].into(), b"ada", b"secret");
        remembered.forget_all();
        remembered.keep(&tried, at(0));
        assert!(!remembered.was_right(&tried, at(0)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut remembered = Remembered::default();
        for n in 0..(ENTRIES_MAX as u32 * 2 + 10) {
            let tried = remembered.tried(core::net::Ipv4Addr::from(n).into(), b"ada", b"secret");
            remembered.keep(&tried, at(0));
            assert!(remembered.logins.len() <= ENTRIES_MAX && remembered.was_right(&tried, at(0)));
        }
    }
}
