//! What opens the door: the first credentials, users, tokens; and the certificate that the host shows.

use std::sync::Arc;

use crate::{
    model::{
        access::{Accounts, Caller, Rights, Role, Token},
        time::Wall,
    },
    os::tls::Identity,
    store::{
        credentials::Credentials,
        passwords::{self, PasswordError},
    },
};

/// The name of whoever logs in by the secret of the first credentials alone.
const FIRST: &str = "webjobd";

/// What opens the door.
#[derive(Clone, Debug)]
pub struct Keys {
    credentials: Credentials,
    accounts: Accounts,
    tls: Option<Arc<Identity>>,
}

/// Keys without users, tokens and TLS.
impl From<Credentials> for Keys {
    fn from(credentials: Credentials) -> Self {
        Self { credentials, accounts: Accounts::default(), tls: None }
    }
}

impl Keys {
    /// Puts keys together.
    ///
    /// # Errors
    /// When a user's hash cannot be checked against.
    pub fn new(credentials: Credentials, accounts: Accounts, tls: Option<Identity>) -> Result<Self, PasswordError> {
        for (name, user) in &accounts.users {
            passwords::usable(name, &user.password)?;
        }
        Ok(Self { credentials, accounts, tls: tls.map(Arc::new) })
    }

    /// Returns the certificate of the host.
    pub fn tls(&self) -> Option<&Identity> {
        self.tls.as_deref()
    }

    /// Returns users and tokens.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Finds the caller whose secret is long and random, so that comparing hashes is enough: the first credentials, and
    /// tokens under any name.
    pub fn by_hash(&self, name: Option<&[u8]>, secret: &[u8], now: Wall) -> Option<Caller> {
        let is_first = match name {
            Some(name) => self.credentials.admits(name, secret),
            None => self.credentials.admits_secret(secret),
        };
        if is_first {
            let name = name.map_or(FIRST.into(), String::from_utf8_lossy).into_owned();
            return Some(Caller { name, rights: Rights::Role(Role::Admin) });
        }
        let hash = passwords::token_hash(secret);
        let is_it = |token: &Token| passwords::is_same(&token.hash, &hash) && token.expires.is_none_or(|end| now < end);
        let found = self.accounts.tokens.iter().find(|(_, token)| is_it(token));
        found.map(|(name, token)| Caller { name: name.clone(), rights: Rights::Token(token.scope.clone()) })
    }

    /// Returns the user of a name, as a caller.
    pub fn user(&self, name: &str) -> Option<Caller> {
        let user = self.accounts.users.get(name)?;
        Some(Caller { name: name.to_owned(), rights: Rights::Role(user.role) })
    }

    /// Returns a name when it is one that may stand in a log: what strangers call themselves may be a secret that went
    /// into the wrong place.
    pub fn known_name(&self, name: &[u8]) -> Option<String> {
        let name = str::from_utf8(name).ok()?;
        let is_known = self.accounts.users.contains_key(name) || self.accounts.tokens.contains_key(name);
        (is_known || name == FIRST).then(|| name.to_owned())
    }
}
