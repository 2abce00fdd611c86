//! The keys of the door: users, tokens, the certificate, names of the host, trusted proxies.
//!
//! Hashes are checked for their form here, so that `check` finds a password that was written in clear. No message quotes
//! one.

use std::path::{Path, PathBuf};

use super::{file::parsed, joined};
use crate::{
    decide::form::{As, Either, Flag, Form, List, OneOf, Part, Table, Text, key},
    model::{
        access::{JobScope, PasswordHash, Role, Scope, Token, TokenHash, User, Verb},
        config::{DoorConfig, TlsFiles},
        id::JobId,
        job::Problem,
        net::Network,
        time::Wall,
    },
};

/// Longest name of a user or token, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Most memory, in KiB, passes and lanes that a check of one password may take.
const COSTS_MAX: (u32, u32, u32) = (1024 * 1024, 64, 64);

/// What one source says of the door.
#[derive(Debug, Default)]
pub struct DoorLayer {
    /// The certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Further names of the host.
    pub allowed_hosts: Option<Vec<String>>,
    /// Proxies whose word is taken.
    pub trusted_proxies: Option<Vec<Network>>,
    /// Whether the numbers are open to this machine.
    pub open_metrics: Option<bool>,
    /// People.
    pub users: Option<Vec<(String, User)>>,
    /// Tokens.
    pub tokens: Option<Vec<(String, Token)>>,
}

/// A token as it is read.
#[derive(Debug, Default)]
struct TokenDraft {
    hash: Option<TokenHash>,
    jobs: Option<Vec<JobScope>>,
    verbs: Vec<Verb>,
    expires: Option<Wall>,
}

/// A user as they are read.
#[derive(Debug, Default)]
struct UserDraft {
    role: Option<Role>,
    password: Option<PasswordHash>,
}

/// The keys of the door in `webjobd.toml`.
pub fn keys(form: &mut Form<'_>, v: &mut DoorLayer) {
    let tls = key("tls", "The certificate of the API; it is read again when the host gets HUP");
    form.key(tls, Part(<(Option<PathBuf>, Option<PathBuf>)>::default, tls_keys), |(cert, key)| {
        (v.cert, v.key) = (cert, key);
    });
    let hosts = key("allowed_hosts", "Names under which browsers may reach the API, beyond loopback and public_url");
    let name = parsed("the name of a host such as \"jobs.lan\"", parse_host);
    form.key(hosts, List(name, 0..=100), |names| v.allowed_hosts = Some(names));
    let proxies = key("trusted_proxies", "Proxies whose X-Forwarded-For, -Proto and -Host are taken for true");
    let network = parsed("an address or network such as \"10.0.0.0/8\"", str::parse);
    form.key(proxies, List(network, 0..=100), |networks| v.trusted_proxies = Some(networks));
    let open = key("open_metrics", "Whether programs of this machine read /metrics without a login");
    form.key(open.default(false), Flag, |flag| v.open_metrics = Some(flag));
    let users = Table { item: Part(UserDraft::default, user_keys), names: NAMES, is_name };
    form.key(key("users", "People who may log in; read again when the host gets HUP"), users, |table| {
        let whole = |(name, draft): (_, UserDraft)| Some((name, User { role: draft.role?, password: draft.password? }));
        v.users = Some(table.into_iter().filter_map(whole).collect());
    });
    let tokens = Table { item: Part(TokenDraft::default, token_keys), names: NAMES, is_name };
    form.key(key("tokens", "Secrets of programs; read again when the host gets HUP"), tokens, |table| {
        let whole = |(name, draft): (_, TokenDraft)| {
            let scope = Scope { jobs: draft.jobs, verbs: draft.verbs.into_iter().collect() };
            Some((name, Token { hash: draft.hash?, scope, expires: draft.expires }))
        };
        v.tokens = Some(table.into_iter().filter_map(whole).collect());
    });
}

const NAMES: (&str, &str) = ("a name of 1 to 64 letters, digits, `.`, `_`, `@` and `-`", "^[A-Za-z0-9._@-]{1,64}$");

fn is_name(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(is_fine)
}

fn tls_keys(form: &mut Form<'_>, v: &mut (Option<PathBuf>, Option<PathBuf>)) {
    let cert = key("cert", "The certificate and those up to its root, in PEM, relative to the root").required();
    form.key(cert, Text::Some, |path| v.0 = Some(path.into()));
    let private = key("key", "Its private key, in PEM, relative to the root").required();
    form.key(private, Text::Some, |path| v.1 = Some(path.into()));
}

fn user_keys(form: &mut Form<'_>, v: &mut UserDraft) {
    form.key(key("role", "What they may do").required(), OneOf(Role::ALL), |role| v.role = Some(role));
    let password = key("password", "The hash that `webjobd credentials hash` prints").required();
    let hash = parsed("a hash that `webjobd credentials hash` prints", parse_password);
    form.key(password, hash, |hash| v.password = Some(hash));
}

fn token_keys(form: &mut Form<'_>, v: &mut TokenDraft) {
    let hash = parsed("a hash that `webjobd credentials token` prints", parse_token);
    form.key(key("hash", "The hash that `webjobd credentials token` prints").required(), hash, |h| v.hash = Some(h));
    let jobs = key("jobs", "The jobs it is for, each `kind/name` or `kind/*`; all jobs and the host when not given");
    let job = parsed("a job such as \"triggered/report\" or \"triggered/*\"", parse_scope);
    form.key(jobs, List(job, 1..=1000), |jobs| v.jobs = Some(jobs));
    let verbs = Either(List(OneOf(Verb::ALL), 1..=6), As(OneOf(Verb::ALL), |verb| vec![verb]));
    form.key(key("verbs", "What it may do").required(), verbs, |verbs| v.verbs = verbs);
    let expires = key("expires", "From when on it is worth nothing");
    let moment = parsed("a moment such as \"2027-01-01T00:00:00Z\", in quotes", parse_moment);
    form.key(expires, moment, |moment| v.expires = Some(moment));
}

/// Reads `kind/name` or `kind/*`.
///
/// # Errors
/// When it is neither; the message is for the user.
pub fn parse_scope(text: &str) -> Result<JobScope, String> {
    let (kind, name) = text.split_once('/').ok_or_else(|| format!("{text:?} is not `kind/name` or `kind/*`"))?;
    let kind = kind.parse().map_err(|error: crate::model::id::NameError| error.to_string())?;
    match name {
        "*" => Ok(JobScope::Kind(kind)),
        name => name.parse().map(|name| JobScope::One(JobId { kind, name })).map_err(|error| error.to_string()),
    }
}

/// Reads names of hosts, separated by commas.
///
/// # Errors
/// When one is none; the message is for the user.
pub fn parse_hosts(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(|name| parse_host(name.trim())).collect()
}

/// Reads addresses and networks, separated by commas.
///
/// # Errors
/// When one is none; the message is for the user.
pub fn parse_networks(text: &str) -> Result<Vec<Network>, String> {
    text.split(',').map(|network| network.trim().parse()).collect()
}

fn parse_host(text: &str) -> Result<String, String> {
    let plain = text.strip_prefix("*.").unwrap_or(text);
    let is_fine = |c: char| c.is_alphanumeric() || "-._:[]".contains(c);
    let has_port = plain.matches(':').count() == 1;
    if text == "*" || (!plain.is_empty() && plain.chars().all(is_fine) && !has_port) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("{text:?} is not the name of a host, without scheme and port, such as \"jobs.lan\" or \"*.jobs.lan\""))
}

fn parse_moment(text: &str) -> Result<Wall, String> {
    text.parse().map_err(|_| format!("{text:?} is not a moment such as \"2027-01-01T00:00:00Z\""))
}

fn parse_token(text: &str) -> Result<TokenHash, String> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64 && digits.is_ascii());
    let byte = |at: usize| digits.and_then(|digits| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok());
    let mut hash = [0; 32];
    for (at, place) in hash.iter_mut().enumerate() {
        *place = byte(at).ok_or("must be a hash that `webjobd credentials token` prints: `sha256:` and 64 digits")?;
    }
    Ok(TokenHash(hash))
}

/// Checks the form of a hash, and that nobody is kept busy by it.
fn parse_password(text: &str) -> Result<PasswordHash, String> {
    let wrong = || {
        "must be a hash that `webjobd credentials hash` prints, `$argon2id$…`; a password in clear is not taken"
            .to_owned()
    };
    let ["", "argon2id", "v=19", costs, salt, hash] = text.split('$').collect::<Vec<_>>()[..] else {
        return Err(wrong());
    };
    let is_base64 = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "+/".contains(c));
    let is_whole = (11..=64).contains(&salt.len()) && (22..=86).contains(&hash.len());
    let costs = parse_costs(costs).ok_or_else(wrong)?;
    if !is_whole || !is_base64(salt) || !is_base64(hash) {
        return Err(wrong());
    }
    let (memory, passes, lanes) = COSTS_MAX;
    if costs.0 > memory || costs.1 > passes || costs.2 > lanes {
        return Err(format!("costs too much to check; m may be {memory} at most, t {passes}, p {lanes}"));
    }
    Ok(PasswordHash(text.to_owned()))
}

fn parse_costs(text: &str) -> Option<(u32, u32, u32)> {
    let cost = |name: &str| text.split(',').find_map(|part| part.strip_prefix(name)?.parse::<u32>().ok());
    let costs = (cost("m=")?, cost("t=")?, cost("p=")?);
    let is_usable = costs.1 > 0 && costs.2 > 0 && costs.0 >= costs.2.saturating_mul(8);
    is_usable.then_some(costs)
}

/// Puts flags, variables and file together, the strongest first; the accounts come from the file alone.
pub fn resolve([flags, set, file]: [DoorLayer; 3], problems: &mut Vec<Problem>) -> DoorConfig {
    let cert = flags.cert.or(set.cert).or(file.cert);
    let private = flags.key.or(set.key).or(file.key);
    let tls = match (cert, private) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (None, None) => None,
        (cert, _) => {
            let (has, lacks) = if cert.is_some() { ("certificate", "key") } else { ("key", "certificate") };
            problems.push(half_tls(has, lacks));
            None
        }
    };
    let mut door = DoorConfig {
        tls,
        allowed_hosts: set.allowed_hosts.or(file.allowed_hosts).unwrap_or_default(),
        trusted_proxies: set.trusted_proxies.or(file.trusted_proxies).unwrap_or_default(),
        open_metrics: set.open_metrics.or(file.open_metrics).unwrap_or_default(),
        ..DoorConfig::default()
    };
    door.accounts.users.extend(file.users.unwrap_or_default());
    door.accounts.tokens.extend(file.tokens.unwrap_or_default());
    door
}

/// Makes the file's paths absolute.
pub fn place(layer: &mut DoorLayer, root: &Path) {
    for path in [&mut layer.cert, &mut layer.key].into_iter().flatten() {
        *path = joined(root, path);
    }
}

fn half_tls(has: &str, lacks: &str) -> Problem {
    Problem {
        code: "half_tls".to_owned(),
        message: format!("TLS has a {has} but no {lacks}; name both, `tls.cert` and `tls.key`"),
        file: None,
        line: None,
        column: None,
        fatal: true,
    }
}

#[cfg(test)]
mod tests;
