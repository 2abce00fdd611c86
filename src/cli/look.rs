//! How answers look: as a table or as JSON, in colour or not, with relative or exact times.
//!
//! A [`Look`] is decided once, from the flags and from what standard output is; renderers take it and are pure.

use std::{
    cell::RefCell,
    env,
    io::{self, IsTerminal, Write},
};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::{
    cli::{error::CliError, place::Place},
    model::time::Wall,
    os::machine,
};

/// The flags that choose a form of output.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// Form of the answer
    #[arg(short, long, value_enum, value_name = "FORM", default_value = "table")]
    output: Form,
    /// The same as `-o json`
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people: the columns that matter most.
    Table,
    /// For people: every column.
    Wide,
    /// For programs: what the API says.
    Json,
}

impl OutputArgs {
    /// Returns the form that was asked for.
    pub fn form(self) -> Form {
        if self.json { Form::Json } else { self.output }
    }
}

/// How moments of time are written in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// As distance from now: on a terminal.
    Relative,
    /// As RFC 3339 in UTC: in files and pipes.
    Exact,
}

/// Whether tables show every column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Those that matter most.
    Normal,
    /// Every one.
    Wide,
}

/// How tables look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Which columns.
    pub width: Width,
    /// Whether colours are used.
    pub color: bool,
    /// How moments are written.
    pub times: Times,
    /// The moment that relative times refer to.
    pub now: Wall,
    /// The zone of the person who reads.
    pub zone: TimeZone,
}

/// One use of the command line: what it was told about the host, when, and where its output goes.
pub struct Session {
    /// Where the host is.
    pub place: Place,
    /// When the command began.
    pub now: Wall,
    /// The zone of the person who asks.
    pub zone: TimeZone,
    terminal: bool,
    color: bool,
    out: RefCell<Box<dyn Write>>,
}

impl Session {
    /// Looks at standard output and at the environment.
    pub fn new(place: Place, now: Wall) -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = terminal && !plain;
        Self { terminal, color, ..Self::writing(place, now, machine::zone(), Box::new(io::stdout())) }
    }

    /// Makes one that writes plain answers to `out`.
    pub fn writing(place: Place, now: Wall, zone: TimeZone, out: Box<dyn Write>) -> Self {
        Self { place, now, zone, terminal: false, color: false, out: RefCell::new(out) }
    }

    /// Returns whether a person looks at standard output.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Returns whether output is coloured.
    pub fn is_colored(&self) -> bool {
        self.color
    }

    /// Returns the look of a table.
    pub fn look(&self, width: Width) -> Look {
        let times = if self.terminal { Times::Relative } else { Times::Exact };
        Look { width, color: self.color, times, now: self.now, zone: self.zone.clone() }
    }

    /// Prints an answer: as JSON, or as the table that `render` makes.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn answer<T: Serialize + ?Sized>(
        &self,
        output: OutputArgs,
        answer: &T,
        render: impl FnOnce(&Look) -> String,
    ) -> Result<(), CliError> {
        match output.form() {
            Form::Json => {
                let json = serde_json::to_string_pretty(answer).expect("shapes of the API are JSON");
                self.print(&format!("{json}\n"))
            }
            Form::Table => self.print(&render(&self.look(Width::Normal))),
            Form::Wide => self.print(&render(&self.look(Width::Wide))),
        }
    }

    /// Writes to standard output, at once.
    ///
    /// # Errors
    /// When it takes no more.
    pub fn print(&self, text: &str) -> Result<(), CliError> {
        self.print_bytes(text.as_bytes())
    }

    /// Writes bytes to standard output, at once.
    ///
    /// # Errors
    /// When it takes no more.
    pub fn print_bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = self.out.borrow_mut();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(CliError::Output)
    }
}
