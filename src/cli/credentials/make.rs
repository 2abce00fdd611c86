//! `webjobd credentials hash` and `token`: what `webjobd.toml` says of users and programs, made without a host.
//!
//! A password is never an argument, which everybody on the machine could see. A token is printed once and kept nowhere.

use std::io;

use anyhow::Context;
use clap::Args;

use crate::{
    cli::{
        FINE,
        error::{CliError, Exit, Outcome, say},
        look::Session,
    },
    decide::config::parse_scope,
    model::{access::Verb, time::Wall},
    os::terminal,
    store::passwords,
};

/// The shortest password that is hashed, in characters.
const PASSWORD_CHARS_MIN: usize = 8;

/// The arguments of `credentials token`.
#[derive(Args, Debug)]
pub struct TokenArgs {
    /// Its name, for people and for the audit log
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// Jobs that it is for, such as triggered/report or triggered/*; all, and the host, when not given
    #[arg(long, value_name = "JOB", value_delimiter = ',', value_parser = job)]
    jobs: Vec<String>,
    /// What it may do: read, run, control, deploy, settings, admin
    #[arg(long, value_name = "VERB", value_delimiter = ',', value_parser = verb, default_value = "run")]
    verbs: Vec<Verb>,
    /// From when on it is worth nothing, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<Wall>,
}

/// Reads a password and prints its hash.
///
/// # Errors
/// When there is none, or it is too short.
pub fn hash(session: &Session) -> Outcome {
    let password = ask("Password")?;
    if password.chars().count() < PASSWORD_CHARS_MIN {
        let text = format!("a password needs {PASSWORD_CHARS_MIN} characters at least");
        return Err(CliError::new(Exit::Usage, text));
    }
    if terminal::is_there() && ask("The same again")? != password {
        return Err(CliError::new(Exit::Usage, "the two are not the same"));
    }
    let hash = passwords::hash(password.as_bytes()).context("failed to hash the password")?;
    session.print(&format!("{}\n", hash.0))?;
    if session.is_terminal() {
        say("");
        say("It belongs into webjobd.toml; `kill -HUP` lets a running host read it:");
        say("  [users.NAME]");
        say("  role = \"viewer\"   # or operator, admin");
        say("  password = \"…\"    # the line above");
    }
    Ok(FINE)
}

fn ask(question: &str) -> Result<String, CliError> {
    let read = terminal::read_secret(question).context("failed to read the password")?;
    let none = || CliError::new(Exit::Usage, "there is no password on standard input");
    read.filter(|password| !password.is_empty()).ok_or_else(none)
}

/// Makes a token; prints it, and the lines that let it in.
///
/// # Errors
/// When the system has no random numbers.
pub fn token(args: &TokenArgs, session: &Session) -> Outcome {
    let (token, hash) = passwords::new_token().context("failed to make a token")?;
    let list = |texts: Vec<String>| texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
    let mut lines = format!("[tokens.{:?}]\nhash = \"{}\"\n", args.name, passwords::token_text(&hash));
    if !args.jobs.is_empty() {
        lines.push_str(&format!("jobs = [{}]\n", list(args.jobs.clone())));
    }
    lines.push_str(&format!("verbs = [{}]\n", list(args.verbs.iter().map(ToString::to_string).collect())));
    if let Some(expires) = args.expires {
        lines.push_str(&format!("expires = \"{expires}\"\n"));
    }
    session.print(&format!("{token}\n\n{lines}"))?;
    if session.is_terminal() {
        say("");
        say(
            "The first line is the token; it is shown this once. The others belong into webjobd.toml; `kill -HUP` lets a",
        );
        say("running host read them. The token is a bearer's, or the password of any user:");
        say("  https://NAME:TOKEN@host/api/triggeredwebjobs/JOB/run");
    }
    Ok(FINE)
}

fn name(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    let is_name = (1..=64).contains(&text.len()) && text.chars().all(is_fine);
    is_name.then(|| text.to_owned()).ok_or_else(|| "1 to 64 letters, digits, `.`, `_`, `@` and `-`".to_owned())
}

fn job(text: &str) -> Result<String, String> {
    parse_scope(text).map(|scope| scope.to_string())
}

fn verb(text: &str) -> Result<Verb, io::Error> {
    let found = Verb::ALL.iter().find(|(name, _)| *name == text).map(|(_, verb)| *verb);
    found.ok_or_else(|| io::Error::other("one of read, run, control, deploy, settings, admin"))
}
