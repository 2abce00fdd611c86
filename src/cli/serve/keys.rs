//! The keys of the door, read from disk: the credentials file, users and tokens of `webjobd.toml`, the certificate.
//!
//! They are read at the start, where a defect ends it, and again at each HUP, where a defect leaves the old keys in place.

use std::path::Path;

use anyhow::{Context, anyhow};

use crate::{
    cli::{
        error::CliError,
        place::Place,
        serve::{ServeArgs, Sources},
    },
    decide::config,
    host::door::Keys,
    model::config::DoorConfig,
    os::{machine, tls::Identity},
    store::credentials::Credentials,
};

/// Where a host's keys come from.
#[derive(Clone, Debug)]
pub struct KeyRing {
    /// The flags of the host.
    pub args: ServeArgs,
    /// Which host it is.
    pub place: Place,
}

impl KeyRing {
    /// Reads the keys that a set-up names.
    ///
    /// # Errors
    /// When one cannot be read or used.
    pub fn read(&self, door: &DoorConfig, credentials: &Path) -> anyhow::Result<Keys> {
        let credentials = Credentials::open(credentials).context("failed to open the credentials")?;
        let tls = door.tls.as_ref().map(|files| Identity::load(&files.cert, &files.key));
        let tls = tls.transpose().context("failed to load the certificate")?;
        Keys::new(credentials, door.accounts.clone(), tls).context("failed to take over the users")
    }

    /// Reads the set-up again, and its keys.
    ///
    /// # Errors
    /// When anything of it is wrong, or TLS would begin or end: the listener stays as it is.
    pub fn read_again(&self, had_tls: bool, credentials: &Path) -> anyhow::Result<Keys> {
        let sources = Sources::read(&self.args, &self.place).map_err(CliError::into_cause)?;
        let text = sources.file.as_ref().map(|(_, text)| text.as_str());
        let (config, _) = config::resolve(text, &sources.environment, &sources.flags, &machine::host_name())?;
        if config.door.tls.is_some() != had_tls {
            return Err(anyhow!("TLS begins and ends with a restart of the host only"));
        }
        self.read(&config.door, credentials)
    }
}
