//! The program: parses its arguments, dispatches to `cli`, passes on the exit code.

use std::process::ExitCode;

use clap::Parser;
use webjobd::{cli, os::clock::Clock};

fn main() -> ExitCode {
    cli::complete::answer_shell();
    cli::run(cli::Cli::parse(), Clock::start().now().wall)
}
