//! What can be said about an expression: why it is refused, and what a reader should know about one that is accepted.

use std::fmt;

use super::field::Field;

/// Why a text is not an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{fault} (column {column})", place = Place(*field))]
pub struct ExpressionError {
    /// The field at fault; `None` when it is the whole text.
    pub field: Option<Field>,
    /// Where in the text, counted in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with an expression, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing but blanks.
    #[error("the schedule is empty; write six fields, for example `0 30 2 * * *` for 02:30 every day")]
    Empty,
    /// Not five or six fields.
    #[error("{} where a schedule has six: second minute hour day month weekday (five without second)", fields(*.0))]
    FieldCount(usize),
    /// An `@` name that does not exist.
    #[error("`{0}` is not known; use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually")]
    AtName(String),
    /// `@reboot`.
    #[error("`@reboot` is not a schedule; use the setting \"run_on_start\": true")]
    AtReboot,
    /// Nothing between two commas, or beside a `-` or `/`.
    #[error("a value is missing; it takes {}", .0.allowed())]
    Missing(Field),
    /// Neither a number nor a name.
    #[error("`{text}` is not a value; it takes {}", .field.allowed())]
    NotAValue {
        /// The field it stands in.
        field: Field,
        /// What was written.
        text: String,
    },
    /// A number that the field does not have.
    #[error("`{text}` is out of range; it takes {}", .field.allowed())]
    OutOfRange {
        /// The field it stands in.
        field: Field,
        /// What was written.
        text: String,
    },
    /// 7 for Sunday.
    #[error("`7` is out of range; Sunday is 0 (it takes 0-6, or a name such as Sun)")]
    Seven,
    /// A step that is not a number.
    #[error("`{0}` is not a step; write a whole number after the `/`")]
    Step(String),
    /// What other kinds of cron have and this one does not.
    #[error("`{sign}` is not supported; {instead}")]
    Unsupported {
        /// The sign.
        sign: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
}

fn fields(count: usize) -> String {
    match count {
        1 => "one field".to_owned(),
        7 => "seven fields (years are not supported)".to_owned(),
        _ => format!("{count} fields"),
    }
}

struct Place(Option<Field>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |field| write!(f, "{field}: "))
    }
}

/// Something about an accepted expression that its author may not expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Five fields: the seconds are taken as 0.
    FiveFields,
    /// `5-1` was read as `1-5`.
    ReversedRange {
        /// The field it stands in.
        field: Field,
        /// What was written.
        text: String,
    },
    /// A step below one was read as one.
    StepBelowOne {
        /// The field it stands in.
        field: Field,
        /// What was written.
        text: String,
    },
    /// A step that leads past the last value at once, so that only the first value remains.
    StepTooLong {
        /// The field it stands in.
        field: Field,
        /// What was written.
        text: String,
        /// The one value that remains.
        only: u32,
    },
    /// Day and weekday are both limited, and both must match.
    DayAndWeekday,
    /// No date is ever like this, for example 31 February.
    Never,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FiveFields => f.write_str("five fields are read as minute hour day month weekday, at second 0"),
            Self::ReversedRange { field, text } => {
                write!(f, "{field}: `{text}` runs backwards and is read the other way round; it does not wrap around")
            }
            Self::StepBelowOne { field, text } => write!(f, "{field}: the step of `{text}` is read as 1"),
            Self::StepTooLong { field, text, only } => {
                write!(f, "{field}: the step of `{text}` leads past the end, so it means `{only}` alone")
            }
            Self::DayAndWeekday => f.write_str("day and weekday are both limited: a date must match both"),
            Self::Never => f.write_str("no date matches day and month: the schedule never occurs"),
        }
    }
}
