//! Setting up a host: flags win over the environment, that over `webjobd.toml`, that over the defaults.
//!
//! ```text
//!  defaults ──> webjobd.toml ──> environment ──> flags ──> Config
//! ```
//!
//! Pure: the caller brings the texts. A defect of the file or of a `WEBJOBD_*` variable ends the start, with every defect
//! told at once; a defect of one of Kudu's settings means its default, as in Kudu (spec/kudu-webjobs 7.1), and a warning.
//! Relative paths of flags and `WEBJOBD_*` begin at the working directory, all others at the root.

mod door;
mod environment;
mod file;
mod written;

#[cfg(test)]
mod tests;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::{
    collections::BTreeMap,
    fmt, mem,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::{
    decide::zone::Zone,
    model::{
        config::{Config, EngineSettings},
        id::Instance,
        job::Problem,
        log::TimestampFormat,
    },
};

pub use door::parse_scope;

use door::DoorLayer;
use environment::Environment;

pub use written::with_written;

/// The file's name, in the root.
pub const CONFIG_FILE: &str = "webjobd.toml";

/// Where the API listens when nothing is said.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The working directory, absolute.
    pub working_directory: PathBuf,
    /// `--root`.
    pub root: Option<PathBuf>,
    /// `--jobs`.
    pub jobs: Option<PathBuf>,
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--temp`.
    pub temp: Option<PathBuf>,
    /// `--listen`, as `parse_listen` reads it.
    pub listen: Option<SocketAddr>,
    /// `--instance`.
    pub instance: Option<String>,
    /// `--public-url`.
    pub public_url: Option<String>,
    /// `--insecure-http`.
    pub insecure_http: bool,
    /// `--tls-cert`.
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`.
    pub tls_key: Option<PathBuf>,
}

/// Why a host cannot be set up: every reason at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The reasons.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// What one source says; what it does not say is left to the next.
#[derive(Debug, Default)]
struct Layer {
    jobs: Option<PathBuf>,
    data: Option<PathBuf>,
    temp: Option<PathBuf>,
    listen: Option<SocketAddr>,
    instance: Option<String>,
    public_url: Option<String>,
    timestamps: Option<TimestampFormat>,
    insecure_http: Option<bool>,
    door: DoorLayer,
    kudu_strict: Option<bool>,
    interpreters: BTreeMap<String, Vec<String>>,
    kudu: KuduLayer,
    env: BTreeMap<String, String>,
}

/// The part of a source that speaks of Kudu's settings.
#[derive(Debug, Default)]
struct KuduLayer {
    restart_time: Option<Duration>,
    idle_timeout: Option<Duration>,
    history_size: Option<u32>,
    stopped: Option<bool>,
    disable_schedule: Option<bool>,
    time_zone: Option<String>,
    log_triggered_to_app_logs: Option<bool>,
    application_log: Option<bool>,
    logstream_timeout: Option<Duration>,
}

/// Returns the root, absolute: the folder in which `webjobd.toml` is looked for.
pub fn root(environment: &BTreeMap<String, String>, flags: &Flags) -> PathBuf {
    let variable = Environment::new(environment).own("WEBJOBD_ROOT").map(PathBuf::from);
    let root = flags.root.clone().or(variable).unwrap_or_default();
    joined(&flags.working_directory, &root)
}

/// Puts a host's set-up together, with warnings.
///
/// # Errors
/// When the file or a variable is wrong, or the set-up would be open to everybody.
pub fn resolve(
    toml_text: Option<&str>,
    environment: &BTreeMap<String, String>,
    flags: &Flags,
    host_name: &str,
) -> Result<(Config, Vec<Problem>), ConfigError> {
    let root = root(environment, flags);
    let mut problems = Vec::new();
    let mut file = file::layer(toml_text.unwrap_or_default(), &root, &mut problems);
    let variables = Environment::new(environment);
    let mut set = variables.layer(&root, &flags.working_directory, &mut problems);
    let mut given = of_flags(flags);
    let layers = [&mut given, &mut set, &mut file].map(|layer| mem::take(&mut layer.door));
    let door = door::resolve(layers, &mut problems);

    let instance = given.instance.or(set.instance).or(file.instance);
    let instance = Instance::new(instance.as_deref().unwrap_or(host_name));
    let data = given.data.or(set.data).or(file.data).unwrap_or_else(|| root.join("data"));
    let temp = given.temp.or(set.temp).or(file.temp);
    let config = Config {
        jobs: given.jobs.or(set.jobs).or(file.jobs).unwrap_or_else(|| root.join("jobs")),
        temp: temp.unwrap_or_else(|| variables.temp_folder().join(temp_name(&instance, &data))),
        data,
        listen: given.listen.or(set.listen).or(file.listen).unwrap_or(LISTEN),
        instance,
        public_url: given.public_url.or(set.public_url).or(file.public_url),
        timestamps: set.timestamps.or(file.timestamps).unwrap_or_default(),
        interpreters: default_interpreters().into_iter().chain(file.interpreters).collect(),
        insecure_http: given.insecure_http.or(set.insecure_http).or(file.insecure_http).unwrap_or_default(),
        door,
        kudu_strict: set.kudu_strict.or(file.kudu_strict).unwrap_or_default(),
        kudu: engine_settings(set.kudu, file.kudu),
        env: file.env,
        root,
    };
    problems.extend(open_to_everybody(&config));
    if problems.iter().any(|problem| problem.fatal) {
        problems.retain(|problem| problem.fatal);
        return Err(ConfigError { problems });
    }
    Ok((config, problems))
}

/// Returns the JSON Schema (draft 2020-12) of what a `webjobd.toml` may say.
pub fn schema() -> Value {
    file::schema()
}

/// Reads an address to listen on: `127.0.0.1:8090`, `[::1]:8090`, `localhost:8090`, or a port of loopback alone.
///
/// # Errors
/// When the text is none of these; the message is for the user.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok(SocketAddr::new(LISTEN.ip(), port));
    }
    text.parse().map_err(|_| format!("{text:?} is not an address to listen on, such as \"{LISTEN}\" or \"8090\""))
}

/// Reads the URL by which others reach the API.
///
/// # Errors
/// When the text does not begin with `http://` or `https://` and a host; the message is for the user.
pub fn parse_public_url(text: &str) -> Result<String, String> {
    let url = text.trim().trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let is_good = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && !url.contains(|c: char| c.is_whitespace() || c.is_control() || "?#\"<>\\".contains(c));
    if is_good {
        Ok(url.to_owned())
    } else {
        Err(format!("{text:?} is not a URL such as \"https://jobs.example.com\""))
    }
}

/// A zone keeps the name it was given.
fn parse_zone(text: &str) -> Result<String, String> {
    Zone::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn of_flags(flags: &Flags) -> Layer {
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(|path| joined(&flags.working_directory, path));
    Layer {
        jobs: absolute(&flags.jobs),
        data: absolute(&flags.data),
        temp: absolute(&flags.temp),
        listen: flags.listen,
        instance: flags.instance.clone(),
        public_url: flags.public_url.clone(),
        insecure_http: flags.insecure_http.then_some(true),
        door: DoorLayer { cert: absolute(&flags.tls_cert), key: absolute(&flags.tls_key), ..DoorLayer::default() },
        ..Layer::default()
    }
}

fn engine_settings(set: KuduLayer, file: KuduLayer) -> EngineSettings {
    let default = EngineSettings::default();
    EngineSettings {
        restart_time: set.restart_time.or(file.restart_time),
        idle_timeout: set.idle_timeout.or(file.idle_timeout),
        history_size: set.history_size.or(file.history_size).unwrap_or(default.history_size),
        stopped: set.stopped.or(file.stopped).unwrap_or_default(),
        disable_schedule: set.disable_schedule.or(file.disable_schedule).unwrap_or_default(),
        time_zone: set.time_zone.or(file.time_zone),
        log_triggered_to_app_logs: set.log_triggered_to_app_logs.or(file.log_triggered_to_app_logs).unwrap_or_default(),
        application_log: set.application_log.or(file.application_log).unwrap_or_default(),
        logstream_timeout: set.logstream_timeout.or(file.logstream_timeout).unwrap_or(default.logstream_timeout),
    }
}

/// Hosts of different roots share the system's folder for temporary files; a hash (FNV-1a) of the path of their data
/// keeps them apart, and is the same at every start.
fn temp_name(instance: &Instance, data: &Path) -> String {
    format!("webjobd-{instance}-{:016x}", hash(data))
}

/// Names what a host has for itself on its machine, after its temporary folder: that is its own alone, while many may be
/// called `temp`.
pub fn place_name(temp: &Path) -> String {
    format!("{}-{:016x}", temp.file_name().unwrap_or_default().to_string_lossy(), hash(temp))
}

fn hash(path: &Path) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn open_to_everybody(config: &Config) -> Option<Problem> {
    let is_open =
        !config.listen.ip().to_canonical().is_loopback() && !config.insecure_http && config.door.tls.is_none();
    let message = format!(
        "listening on {} would send passwords over the network in clear; listen on loopback, give it a \
         certificate with --tls-cert and --tls-key, or say --insecure-http when a proxy in front of it does TLS",
        config.listen
    );
    is_open.then(|| Problem {
        code: "insecure_listener".to_owned(),
        message,
        file: None,
        line: None,
        column: None,
        fatal: true,
    })
}

/// Returns `path` as seen from `base`, without `.` parts; an absolute path stays what it is.
fn joined(base: &Path, path: &Path) -> PathBuf {
    base.join(path).components().filter(|part| *part != Component::CurDir).collect()
}

fn default_interpreters() -> BTreeMap<String, Vec<String>> {
    let everywhere: [(&str, &[&str]); 11] = [
        ("sh", &["bash"]),
        ("py", &["python3"]),
        ("js", &["node"]),
        ("mjs", &["node"]),
        ("php", &["php"]),
        ("ps1", &["pwsh", "-File"]),
        ("jar", &["java", "-jar"]),
        ("rb", &["ruby"]),
        ("pl", &["perl"]),
        ("dll", &["dotnet"]),
        ("fsx", &["dotnet", "fsi"]),
    ];
    let on_windows: &[(&str, &[&str])] =
        if cfg!(windows) { &[("cmd", &["cmd", "/c"]), ("bat", &["cmd", "/c"])] } else { &[] };
    let owned = |program: &[&str]| program.iter().map(|part| (*part).to_owned()).collect();
    everywhere.iter().chain(on_windows).map(|(extension, program)| ((*extension).to_owned(), owned(program))).collect()
}
