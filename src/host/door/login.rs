//! Logging in: long random secrets are compared by their hashes, passwords are checked by few threads at a time, and
//! whoever fails too often waits.
//!
//! A secret as long as the first start makes it cannot be guessed; so it is compared even while its address waits, and
//! nobody can lock out the owner of the credentials file.

use core::net::IpAddr;
use std::{sync::Arc, time::Duration};

use tokio::task;

use super::{Door, Keys, hold, remembered::Tried};
use crate::{
    decide::door::attempts::Who,
    model::{access::Caller, net::neighbourhood, time::Mono},
    store::passwords,
};

/// A secret of so many bytes is not guessed.
const UNGUESSABLE_BYTES: usize = 32;

/// What a request brings to log in with.
#[derive(Clone, Copy)]
pub struct Login<'l> {
    /// The user's name, unless it is a bearer's secret.
    pub name: Option<&'l [u8]>,
    /// The secret.
    pub secret: &'l [u8],
}

/// Why nobody came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing to log in with was brought.
    Missing,
    /// It is wrong. The name is told when it is a known one.
    Wrong(Option<String>),
    /// Too much was wrong before: come again after this time.
    Wait(Option<String>, Duration),
    /// Too many passwords are being checked.
    Busy,
}

impl Door {
    /// Finds out who asks.
    ///
    /// # Errors
    /// When nobody is known by this login, or has to wait.
    pub async fn admit(&self, client: IpAddr, login: Option<Login<'_>>) -> Result<Caller, Refused> {
        let Some(login) = login.filter(|login| !login.secret.is_empty()) else { return Err(Refused::Missing) };
        let (client, keys, now) = (neighbourhood(client), self.keys(), self.shared.handle.clock().now());
        let who = who(client, &login);
        let by_hash = || keys.by_hash(login.name, login.secret, now.wall);
        if login.secret.len() >= UNGUESSABLE_BYTES
            && let Some(caller) = by_hash()
        {
            hold(&self.shared.attempts).succeeded(&who);
            return Ok(caller);
        }
        let name = login.name.unwrap_or_default();
        let tried = hold(&self.shared.remembered).tried(client, name, login.secret);
        if let Some(wait) = self.wait(&who, &tried, now.mono) {
            return Err(Refused::Wait(keys.known_name(name), wait));
        }
        let found = match by_hash() {
            Some(caller) => Some(caller),
            None => self.by_password(&keys, &login, &tried, now.mono).await?,
        };
        let mut attempts = hold(&self.shared.attempts);
        match found {
            Some(caller) => {
                attempts.succeeded(&who);
                Ok(caller)
            }
            None => {
                attempts.failed(who, now.mono);
                Err(Refused::Wrong(keys.known_name(name)))
            }
        }
    }

    /// A name that others guess at does not keep its owner out where they were just now.
    fn wait(&self, who: &[Who], tried: &Tried, now: Mono) -> Option<Duration> {
        let was_here = hold(&self.shared.remembered).was_here(tried, now);
        let counts = |one: &&Who| match one {
            Who::Address(_) => true,
            Who::Name(_) => !was_here,
        };
        hold(&self.shared.attempts).wait(who.iter().filter(counts), now)
    }

    async fn by_password(
        &self,
        keys: &Arc<Keys>,
        login: &Login<'_>,
        tried: &Tried,
        now: Mono,
    ) -> Result<Option<Caller>, Refused> {
        let Some(name) = login.name else { return Ok(None) };
        // Without users there are no names to find out by the time that an answer takes.
        if keys.accounts().users.is_empty() {
            return Ok(None);
        }
        let name = String::from_utf8_lossy(name);
        if hold(&self.shared.remembered).was_right(tried, now) {
            return Ok(keys.user(&name));
        }
        let is_right = self.check(keys.accounts().users.get(&*name).map(|user| user.password.clone()), login).await?;
        if is_right {
            hold(&self.shared.remembered).keep(tried, now);
        }
        Ok(keys.user(&name).filter(|_| is_right))
    }

    async fn check(
        &self,
        hash: Option<crate::model::access::PasswordHash>,
        login: &Login<'_>,
    ) -> Result<bool, Refused> {
        let waiting = Arc::clone(&self.shared.waiting).try_acquire_owned().map_err(|_| Refused::Busy)?;
        let turn = Arc::clone(&self.shared.checks).acquire_owned().await.map_err(|_| Refused::Busy)?;
        let secret = login.secret.to_owned();
        // The places go with the check, not with the client, who may be gone before it ends.
        let check = move || {
            let _places = (waiting, turn);
            passwords::is_right(&secret, hash.as_ref())
        };
        // A check that panicked has proved nothing.
        Ok(task::spawn_blocking(check).await.unwrap_or(false))
    }
}

fn who(client: IpAddr, login: &Login<'_>) -> Vec<Who> {
    let name = login.name.map(|name| Who::named(&String::from_utf8_lossy(name)));
    [Some(Who::Address(client)), name].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
