//! `webjobd credentials`: how to log in to the hosts of a root.
//!
//! Standard output has the pair alone, for `curl -u "$(webjobd credentials)"`; advice goes to a person's terminal only.

mod make;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::{
    error::{Outcome, say},
    look::{OutputArgs, Session},
};

/// The arguments of `credentials`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CredentialsArgs {
    #[command(subcommand)]
    make: Option<Make>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is made anew.
#[derive(Debug, Subcommand)]
enum Make {
    /// Read a password and print its hash, for a user in webjobd.toml
    #[command(after_help = "Example:
  webjobd credentials hash           asks for the password; a program pipes it in")]
    Hash,
    /// Make a token for a program, and print it with the lines for webjobd.toml
    #[command(after_help = "Examples:
  webjobd credentials token cron --jobs triggered/report   may run this job and nothing else
  webjobd credentials token ci --verbs deploy,read         may deploy every job")]
    Token(make::TokenArgs),
}

#[derive(Serialize)]
struct Credentials {
    user: String,
    secret: String,
    urls: Vec<String>,
}

/// Prints the credentials, or makes what is asked for.
///
/// # Errors
/// When there are none, or they may not be read.
pub fn credentials(args: &CredentialsArgs, session: &Session) -> Outcome {
    match &args.make {
        Some(Make::Hash) => return make::hash(session),
        Some(Make::Token(args)) => return make::token(args, session),
        None => {}
    }
    let (user, secret) = session.place.credentials()?;
    // A root whose host is stopped has credentials all the same.
    let hosts = session.place.host_files().unwrap_or_default();
    let urls = hosts.into_iter().map(|host| host.url).collect();
    let shown = Credentials { user, secret, urls };
    session.answer(args.output, &shown, |_| format!("{}:{}\n", shown.user, shown.secret))?;
    if session.is_terminal() {
        let url = shown.urls.first().map_or("http://127.0.0.1:8090", String::as_str);
        say("");
        say(&format!("In a program:       curl -u \"$(webjobd credentials)\" {url}/api/v1/jobs"));
        say("As a bearer token:  the part after the colon alone");
        say("On another machine: set WEBJOBD_URL, and WEBJOBD_CREDENTIALS to this line");
    }
    Ok(super::FINE)
}
