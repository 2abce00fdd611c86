//! Where the host is: an address that was given, or what running hosts leave in the data folder.
//!
//! ```text
//!  --url, WEBJOBD_URL ─────────────────────────────┐
//!  --data, WEBJOBD_DATA, webjobd.toml, --root/data │
//!      └── webjobd/hosts/*/host.json ──────────────┴──> targets, with credentials
//! ```
//! Nothing here opens a connection. The secret of a data folder is sent only to the hosts which that folder names.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use reqwest::Url;
use serde::Deserialize;

use crate::cli::error::{CliError, Exit};

/// The flags that say where the host is.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which host")]
pub struct Place {
    /// Folder with `jobs` and `data` [env: WEBJOBD_ROOT] [default: .]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Folder of logs and records [env: WEBJOBD_DATA] [default: `data` in the root]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Name of one host among those that share the root [env: WEBJOBD_INSTANCE]
    #[arg(long, global = true, value_name = "NAME")]
    pub instance: Option<String>,
    /// Address of a host elsewhere, https://user:secret@name:8090 [env: WEBJOBD_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// Certificates that sign the host's, in PEM, in place of the system's [env: WEBJOBD_CA]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// What a running host says of itself in its `host.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HostFile {
    /// Its name.
    pub instance: String,
    /// Where its API is.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// Its certificate in PEM, when it has one.
    #[serde(default)]
    pub certificate: Option<String>,
}

/// How to log in.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    Nobody,
    /// As a user, by Basic.
    User(String, String),
    /// By a bearer token.
    Token(String),
}

/// Never shows a secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::User(..) => "User",
            Self::Token(_) => "Token",
        })
    }
}

/// A host that may answer.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where its API is.
    pub url: Url,
    /// How to log in there.
    pub login: Login,
    /// What its `host.json` says, when it was found by one.
    pub file: Option<HostFile>,
}

impl Place {
    /// Returns the root: where job folders and `webjobd.toml` lie.
    pub fn root(&self) -> PathBuf {
        self.root.clone().or_else(|| variable("WEBJOBD_ROOT").map(PathBuf::from)).unwrap_or_else(|| ".".into())
    }

    /// Returns the data folder.
    pub fn data(&self) -> PathBuf {
        let given = self.data.clone().or_else(|| variable("WEBJOBD_DATA").map(PathBuf::from));
        given.unwrap_or_else(|| {
            let root = self.root();
            let file = fs::read_to_string(root.join("webjobd.toml")).unwrap_or_default();
            root.join(data_key(&file).unwrap_or_else(|| "data".into()))
        })
    }

    /// Returns the file with the credentials of the hosts here.
    pub fn credentials_file(&self) -> PathBuf {
        self.data().join("webjobd").join("credentials")
    }

    /// Returns the hosts that may answer, one at least.
    ///
    /// # Errors
    /// When nothing says where a host is, or how to log in.
    pub fn targets(&self) -> Result<Vec<Target>, CliError> {
        if let Some(text) = self.url.clone().or_else(|| variable("WEBJOBD_URL")) {
            let url = parse_url(&text).map_err(|why| CliError::new(Exit::Usage, why))?;
            let login = login_of(&url).or(login_of_environment()?).unwrap_or(Login::Nobody);
            return Ok(vec![Target { url: without_login(url), login, file: None }]);
        }
        let files = self.host_files()?;
        let login = match login_of_environment()? {
            Some(login) => login,
            None => self.login_of_file()?,
        };
        let target = |file: HostFile| match parse_url(&file.url) {
            Ok(url) => Ok(Target { url: without_login(url), login: login.clone(), file: Some(file) }),
            Err(why) => Err(CliError::new(Exit::NoHost, format!("host.json of host `{}`: {why}", file.instance))),
        };
        files.into_iter().map(target).collect()
    }

    /// Returns what the hosts below the data folder say of themselves; only the one named by `--instance`, if one is.
    ///
    /// # Errors
    /// When there is none, or the folder may not be read.
    pub fn host_files(&self) -> Result<Vec<HostFile>, CliError> {
        let hosts = self.data().join("webjobd").join("hosts");
        let mut files = Vec::new();
        let folders = match fs::read_dir(&hosts) {
            Ok(folders) => folders.flatten().map(|folder| folder.path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unreadable(&hosts, &error)),
        };
        for folder in folders {
            let path = folder.join("host.json");
            match fs::read_to_string(&path) {
                // A file that says something else is of another version: as good as none.
                Ok(text) => files.extend(serde_json::from_str::<HostFile>(&text)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(unreadable(&path, &error)),
                Err(_) => {}
            }
        }
        files.sort_by(|a, b| a.instance.cmp(&b.instance));
        let instance = self.instance.clone().or_else(|| variable("WEBJOBD_INSTANCE"));
        choose(files, instance.as_deref(), &hosts, &self.start_hint())
    }

    /// Returns the file of certificates that sign the host's, when one is named.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.ca.clone().or_else(|| variable("WEBJOBD_CA").map(PathBuf::from))
    }

    /// Says how to start a host here.
    pub fn start_hint(&self) -> String {
        match &*self.root() {
            root if root == Path::new(".") => "start one with `webjobd serve`".to_owned(),
            root => format!("start one with `webjobd serve --root {}`", root.display()),
        }
    }

    /// Reads the credentials of the hosts here.
    ///
    /// # Errors
    /// When there are none, or they may not be read.
    pub fn credentials(&self) -> Result<(String, String), CliError> {
        let path = self.credentials_file();
        let shown = path.display();
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CliError::new(
                Exit::NotAllowed,
                format!("there is no `{shown}`; a host writes it at its first start: {}", self.start_hint()),
            ),
            _ => unreadable(&path, &error),
        })?;
        let pair = text.lines().next().and_then(|line| line.trim().split_once(':'));
        let (user, secret) =
            pair.ok_or_else(|| CliError::new(Exit::NotAllowed, format!("`{shown}` has no line `user:secret`")))?;
        Ok((user.to_owned(), secret.to_owned()))
    }

    fn login_of_file(&self) -> Result<Login, CliError> {
        self.credentials().map(|(user, secret)| Login::User(user, secret))
    }
}

fn choose(files: Vec<HostFile>, wanted: Option<&str>, hosts: &Path, hint: &str) -> Result<Vec<HostFile>, CliError> {
    let no_host = |why: String| Err(CliError::new(Exit::NoHost, why));
    if files.is_empty() {
        let or = "or say where it is with --root or --url";
        return no_host(format!("no host runs here (no host.json below `{}`); {hint}, {or}", hosts.display()));
    }
    let names: Vec<String> = files.iter().map(|file| file.instance.clone()).collect();
    let chosen: Vec<_> = match wanted {
        Some(wanted) => files.into_iter().filter(|file| file.instance.eq_ignore_ascii_case(wanted)).collect(),
        None => files,
    };
    if chosen.is_empty() {
        let wanted = wanted.unwrap_or_default();
        return no_host(format!("no host named `{wanted}` runs here; there is {}", names.join(", ")));
    }
    Ok(chosen)
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    let advice = "run this as the user of the host, or set WEBJOBD_URL and WEBJOBD_CREDENTIALS=user:secret";
    CliError::new(Exit::NotAllowed, format!("failed to read `{}`: {error}; {advice}", path.display()))
}

fn data_key(toml_text: &str) -> Option<PathBuf> {
    let table: toml::Table = toml_text.trim_start_matches('\u{feff}').parse().ok()?;
    table.get("data").and_then(toml::Value::as_str).map(PathBuf::from)
}

fn parse_url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    // The text is not shown: it may hold a secret.
    let wrong = "the address of a host looks like http://name:8090";
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url: Url = full.parse().map_err(|error| format!("{wrong}: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => {
            let path = url.path().trim_end_matches('/').to_owned();
            url.set_path(&path);
            url.set_query(None);
            url.set_fragment(None);
            Ok(url)
        }
        _ => Err(wrong.into()),
    }
}

fn login_of(url: &Url) -> Option<Login> {
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let secret = url.password().map(plain)?;
    Some(Login::User(plain(url.username()), secret))
}

fn without_login(mut url: Url) -> Url {
    // Neither can fail on an address with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

fn login_of_environment() -> Result<Option<Login>, CliError> {
    let pair = |text: String| match text.trim().split_once(':') {
        Some((user, secret)) => Ok(Login::User(user.to_owned(), secret.to_owned())),
        None => Err(CliError::new(Exit::Usage, "WEBJOBD_CREDENTIALS must be `user:secret`")),
    };
    match (variable("WEBJOBD_CREDENTIALS"), variable("WEBJOBD_TOKEN")) {
        (Some(text), _) => pair(text).map(Some),
        (None, token) => Ok(token.map(|token| Login::Token(token.trim().to_owned()))),
    }
}

/// Reads a variable; an empty one counts as unset.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(instance: &str) -> HostFile {
        HostFile { instance: instance.into(), url: "http://127.0.0.1:8090".into(), pid: 1, certificate: None }
    }

    fn told(result: Result<Vec<HostFile>, CliError>) -> String {
        match result {
            Ok(files) => files.into_iter().map(|file| file.instance).collect::<Vec<_>>().join(" "),
            Err(CliError::Told(exit, cause)) => format!("{exit:?}: {cause}"),
            Err(CliError::Output(error)) => error.to_string(),
        }
    }

    #[test]
    fn an_address_is_read_with_and_without_its_scheme() {
        for (text, url) in [
            ("http://127.0.0.1:8090", "http://127.0.0.1:8090/"),
            ("localhost:8090", "http://localhost:8090/"),
            ("http://a:b@host/base/?x#y", "http://a:b@host/base"),
            ("https://host:8443/", "https://host:8443/"),
        ] {
            assert_eq!(parse_url(text).map(String::from).as_deref(), Ok(url), "{text}");
        }
        for bad in ["", "ftp://host", "https://", "http://", "http://a:geheim@:x"] {
            let why = parse_url(bad).unwrap_err();
            assert!(!why.contains("geheim"), "{why}");
        }
    }

    #[test]
    fn a_login_in_the_address_is_taken_out_of_it() {
        let url = parse_url("http://ada:p%40ss@host:1").unwrap();
        assert_eq!(login_of(&url), Some(Login::User("ada".into(), "p@ss".into())));
        assert_eq!(without_login(url).as_str(), "http://host:1/");
        assert_eq!(format!("{:?}", Login::Token("geheim".into())), "Token");
    }

    #[test]
    fn the_data_folder_may_stand_in_the_configuration() {
        assert_eq!(data_key("\u{feff}data = \"logs\"\n[env]\na = \"b\""), Some("logs".into()));
        assert_eq!(data_key("listen = \"x\""), None);
        assert_eq!(data_key("not toml"), None);
    }

    #[test]
    fn a_host_is_chosen_by_its_name() {
        let choose =
            |files, wanted| told(choose(files, wanted, Path::new("d/hosts"), "start one with `webjobd serve`"));
        assert_eq!(choose(vec![file("a"), file("b")], None), "a b");
        assert_eq!(choose(vec![file("a"), file("b")], Some("B")), "b");
        assert_eq!(choose(vec![file("a"), file("b")], Some("c")), "NoHost: no host named `c` runs here; there is a, b");
        assert!(
            choose(vec![], None).starts_with("NoHost: no host runs here (no host.json below `d/hosts`); start one")
        );
    }

    #[test]
    fn hosts_are_found_below_the_data_folder_and_broken_files_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let hosts = root.path().join("data/webjobd/hosts");
        for (name, text) in [
            (
                "b",
                r#"{"instance":"b","url":"http://127.0.0.1:2","pid":7,"version":"0","started":"2026-01-01T00:00:00Z"}"#,
            ),
            ("a", r#"{"instance":"a","url":"http://127.0.0.1:1","pid":6}"#),
            ("broken", "{"),
        ] {
            fs::create_dir_all(hosts.join(name)).unwrap();
            fs::write(hosts.join(name).join("host.json"), text).unwrap();
        }
        fs::create_dir_all(hosts.join("stopped")).unwrap();
        let place = Place { root: Some(root.path().into()), ..Place::default() };
        assert_eq!(told(place.host_files()), "a b");
        assert!(place.credentials().is_err_and(|error| matches!(error, CliError::Told(Exit::NotAllowed, _))));
        fs::write(place.credentials_file(), "webjobd:s:e\n").unwrap();
        assert_eq!(place.credentials().unwrap(), ("webjobd".into(), "s:e".into()));
    }
}
