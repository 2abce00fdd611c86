//! Completion in the shell: verbs and flags from the description of the command line, job names from the job folders.
//!
//! The shell calls the program itself while a person types, so nothing here asks a host or waits for anything.

use std::{env, fs, path::PathBuf};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCandidates, CompletionCandidate},
    env::Shells,
};

use crate::{
    cli::{
        Cli,
        error::{CliError, Exit, Outcome},
        look::Session,
    },
    model::id::{JobKind, JobName},
};

/// The variable by which a shell asks for completions.
const VARIABLE: &str = "WEBJOBD_COMPLETE";

/// The arguments of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that can be helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Elvish.
    Elvish,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// Z shell.
    Zsh,
}

/// Answers and ends the process when it was a shell that asked; else does nothing.
pub fn answer_shell() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// Prints what a shell needs to complete commands.
///
/// # Errors
/// When standard output takes no more.
pub fn completions(args: &CompletionsArgs, session: &Session) -> Outcome {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Elvish => "elvish",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Zsh => "zsh",
    };
    let shells = Shells::builtins();
    let shell = shells.completer(name).expect("every shell of the list is built in");
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "webjobd", "webjobd", "webjobd", &mut script)
        .map_err(|error| CliError::new(Exit::Failed, error))?;
    session.print_bytes(&script)?;
    Ok(super::FINE)
}

/// Completes names of jobs.
pub fn jobs() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let root = env::var_os("WEBJOBD_ROOT").map(PathBuf::from).unwrap_or_default();
        let jobs = env::var_os("WEBJOBD_JOBS").map_or_else(|| root.join("jobs"), PathBuf::from);
        names(&jobs).into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Returns the names of the job folders; with the kind where both kinds have one.
fn names(jobs: &std::path::Path) -> Vec<String> {
    let of = |kind: JobKind| {
        let entries = fs::read_dir(jobs.join(kind.as_str())).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir());
        let names = folders.filter_map(|folder| JobName::parse(folder.file_name().to_str()?).ok());
        // A hidden folder is no job: uploads are laid out in such.
        let names = names.filter(|name| !name.as_str().starts_with('.'));
        names.map(String::from).collect::<std::collections::BTreeSet<_>>()
    };
    let [continuous, triggered] = JobKind::ALL.map(of);
    let full = |name: &String| JobKind::ALL.map(|kind| format!("{kind}/{name}"));
    let one = continuous.symmetric_difference(&triggered).cloned();
    one.chain(continuous.intersection(&triggered).flat_map(full)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_names_are_completed_and_doubled_ones_with_their_kind() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["continuous/a", "continuous/both", "triggered/both", "triggered/z", "triggered/.z.new-1-2"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("triggered/file"), "").unwrap();
        assert_eq!(names(root.path()), ["a", "z", "continuous/both", "triggered/both"]);
        assert!(names(&root.path().join("nowhere")).is_empty());
    }

    #[test]
    fn every_shell_gets_its_script() {
        let shells = Shells::builtins();
        for shell in Shell::value_variants() {
            let name = shell.to_possible_value().unwrap().get_name().to_owned();
            assert!(shells.completer(&name).is_some(), "{name}");
        }
    }
}
