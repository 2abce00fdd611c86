//! The command line as a whole: its description, its answers, its exit codes.

mod render;
mod samples;
mod verbs;

use clap::CommandFactory;

use super::*;

#[test]
fn the_description_of_the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_says_what_it_does_in_one_line() {
    for verb in Cli::command().get_subcommands() {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.ends_with('.') && about.len() < 80, "{}: {about:?}", verb.get_name());
    }
}

#[test]
fn flags_that_exclude_each_other_are_refused() {
    for line in ["run a --wait --detach", "list --json -o wide", "next -n 0", "show a", "logs a --run 12", "status a/b"]
    {
        let parsed = Cli::try_parse_from(["webjobd"].into_iter().chain(line.split(' ')));
        assert_eq!(parsed.err().map(|error| error.exit_code()), Some(2), "{line}");
    }
}
