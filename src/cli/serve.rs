//! `webjobd serve`: the flags of a host, and how it is set up.
//!
//! Flags win over the environment, that over `webjobd.toml`: `decide::config` knows how. Here the texts are read that it
//! decides upon.

mod keys;
mod live;
mod recent;

use std::{
    collections::BTreeMap,
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use tracing::warn;

use self::keys::KeyRing;
use crate::{
    cli::{
        error::{CliError, Exit, Outcome},
        place::Place,
    },
    decide::{
        config::{self, CONFIG_FILE, Flags},
        zone::Zone,
    },
    model::config::Config,
    os::machine,
};

/// The arguments of `serve`, besides those that say which host.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Folder of the job folders [env: WEBJOBD_JOBS] [default: `jobs` in the root]
    #[arg(long, value_name = "FOLDER")]
    pub jobs: Option<PathBuf>,
    /// Folder of working copies [env: WEBJOBD_TEMP] [default: one below the system's for temporary files]
    #[arg(long, value_name = "FOLDER")]
    pub temp: Option<PathBuf>,
    /// Where the API listens, such as 127.0.0.1:8090 or 8090 [env: WEBJOBD_LISTEN] [default: 127.0.0.1:8090]
    #[arg(long, value_name = "ADDRESS", value_parser = config::parse_listen)]
    pub listen: Option<SocketAddr>,
    /// File of settings [default: `webjobd.toml` in the root]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How others reach the API, for links in its answers [env: WEBJOBD_PUBLIC_URL]
    #[arg(long, value_name = "URL", value_parser = config::parse_public_url)]
    pub public_url: Option<String>,
    /// Certificate of the API, in PEM [env: WEBJOBD_TLS_CERT]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM [env: WEBJOBD_TLS_KEY]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Listen beyond this machine without TLS, behind a proxy that has it [env: WEBJOBD_INSECURE_HTTP]
    #[arg(long)]
    pub insecure_http: bool,
}

/// What a host's set-up is decided upon.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The flags.
    pub flags: Flags,
    /// The environment, as far as it is text.
    pub environment: BTreeMap<String, String>,
    /// The root, absolute.
    pub root: PathBuf,
    /// The file of settings, when there is one: where it is, and its text.
    pub file: Option<(PathBuf, String)>,
}

impl Sources {
    /// Reads what the flags point to.
    ///
    /// # Errors
    /// When there is no working directory, or a file of settings cannot be read.
    pub fn read(args: &ServeArgs, place: &Place) -> Result<Self, CliError> {
        let flags = Flags {
            working_directory: env::current_dir().context("failed to find the working directory")?,
            root: place.root.clone(),
            jobs: args.jobs.clone(),
            data: place.data.clone(),
            temp: args.temp.clone(),
            listen: args.listen,
            instance: place.instance.clone(),
            public_url: args.public_url.clone(),
            insecure_http: args.insecure_http,
            tls_cert: args.tls_cert.clone(),
            tls_key: args.tls_key.clone(),
        };
        let text = |(name, value): (_, std::ffi::OsString)| Some((name, value.into_string().ok()?));
        let environment = env::vars_os().filter_map(|(name, value)| text((name.into_string().ok()?, value))).collect();
        let root = config::root(&environment, &flags);
        let file = match &args.config {
            Some(path) => {
                Some((path.clone(), read(path)?.with_context(|| format!("there is no `{}`", path.display()))?))
            }
            None => read(&root.join(CONFIG_FILE))?.map(|text| (root.join(CONFIG_FILE), text)),
        };
        Ok(Self { flags, environment, root, file })
    }
}

/// Reads a text file; `None` when there is none.
fn read(path: &Path) -> Result<Option<String>, CliError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow::Error::new(error).context(format!("failed to read `{}`", path.display())).into()),
    }
}

/// Runs the host until it is told to stop.
///
/// # Errors
/// When it cannot be set up.
pub fn serve(args: &ServeArgs, place: &Place) -> Outcome {
    let sources = Sources::read(args, place)?;
    live::trace();
    let config = set_up(&sources)?;
    let zone = zone(&config)?;
    let keys = KeyRing { args: args.clone(), place: place.clone() };
    live::run(config, zone, keys)
}

/// Puts the set-up together, and says what is odd about it.
fn set_up(sources: &Sources) -> Result<Config, CliError> {
    let text = sources.file.as_ref().map(|(_, text)| text.as_str());
    match config::resolve(text, &sources.environment, &sources.flags, &machine::host_name()) {
        Ok((config, problems)) => {
            for problem in problems {
                warn!(%problem, "the host's set-up has a problem");
            }
            Ok(config)
        }
        Err(error) => {
            let path = sources.file.as_ref().map(|(path, _)| format!(" (settings are in `{}`)", path.display()));
            let text = format!("the host cannot be set up{}:\n{error}", path.unwrap_or_default());
            Err(CliError::new(Exit::Usage, text))
        }
    }
}

/// Returns the zone of schedules that name none: the one of the settings, else the system's.
fn zone(config: &Config) -> Result<Zone, CliError> {
    match &config.kudu.time_zone {
        Some(name) => Zone::parse(name).map_err(|error| CliError::new(Exit::Usage, error)),
        None => Ok(Zone::from_tz(machine::zone())),
    }
}
