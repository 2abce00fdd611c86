//! NCRONTAB: the schedule expressions of Azure WebJobs and Azure Functions (spec/kudu-webjobs 4.9).
//!
//! ```text
//! second  minute  hour  day   month  weekday        field: a comma list of  *  n  a-b   each with an optional /step
//! 0-59    0-59    0-23  1-31  1-12   0-6 (0 = Sun)  names: English, any beginning of them, in any case
//! ```
//! * `n/step` runs from n to the field's end; `b-a` is read as `a-b` (no wrapping around); a step below 1 is 1.
//! * **Day and weekday must both match**, unlike in classic cron: `0 0 0 13 * Fri` is Friday the 13th.
//! * Five fields are accepted, at second 0.
//! * `@hourly` is `0 0 * * * *`, `@daily` and `@midnight` are `0 0 0 * * *`, `@weekly` is `0 0 0 * * 0` (Sunday),
//!   `@monthly` is `0 0 0 1 * *`, `@yearly` and `@annually` are `0 0 0 1 1 *`.
//!
//! What an author may not expect (a reversed range, a date that never comes) is a [`Notice`], not an error. This module
//! knows sets of numbers only: it must never know a date, a zone or a clock.

mod field;
mod item;
mod message;
#[cfg(test)]
mod tests;

pub use self::{
    field::{Field, FieldSet},
    message::{ExpressionError, Fault, Notice},
};

/// A parsed expression. Two expressions are equal when they occur at the same times, however they are written.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    sets: [FieldSet; 6],
    notices: Vec<Notice>,
}

const AT_NAMES: [(&str, &str); 7] = [
    ("@hourly", "0 0 * * * *"),
    ("@daily", "0 0 0 * * *"),
    ("@midnight", "0 0 0 * * *"),
    ("@weekly", "0 0 0 * * 0"),
    ("@monthly", "0 0 0 1 * *"),
    ("@yearly", "0 0 0 1 1 *"),
    ("@annually", "0 0 0 1 1 *"),
];

/// The most days a month can have, January first.
const DAYS_OF_MONTH_MAX: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Expression {
    /// Parses six fields, five fields, or an `@` name.
    ///
    /// # Errors
    /// When the text is none of these; the error names the field, the column and what would be right.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let trimmed = text.trim();
        if trimmed.starts_with('@') {
            let column = column_at(text, text.len() - text.trim_start().len());
            let sets = at_name(trimmed).map_err(|fault| ExpressionError { field: None, column, fault })?;
            return Ok(Self { text: trimmed.to_owned(), sets, notices: Vec::new() });
        }
        let words = words(text);
        let mut notices = Vec::new();
        let mut sets = [FieldSet::default(); 6];
        let fields = match words.len() {
            6 => &Field::ALL[..],
            5 => {
                notices.push(Notice::FiveFields);
                sets[0] = FieldSet::from_iter([0]);
                &Field::ALL[1..]
            }
            0 => return Err(ExpressionError { field: None, column: 1, fault: Fault::Empty }),
            count => {
                let at = words.get(6).or(words.last()).map_or(0, |&(offset, _)| offset);
                let fault = Fault::FieldCount(count);
                return Err(ExpressionError { field: None, column: column_at(text, at), fault });
            }
        };
        for (&field, (offset, word)) in fields.iter().zip(words) {
            let set = item::parse_field(field, word, &mut notices).map_err(|(inner, fault)| ExpressionError {
                field: Some(field),
                column: column_at(text, offset + inner),
                fault,
            })?;
            sets[field as usize] = set;
        }
        let mut expression = Self { text: trimmed.to_owned(), sets, notices };
        expression.notice_its_dates();
        Ok(expression)
    }

    /// Returns the text as it was written, without blanks around it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the values of a field at which the expression occurs.
    pub const fn set(&self, field: Field) -> FieldSet {
        self.sets[field as usize]
    }

    /// Tells whether a field takes every value.
    pub fn is_full(&self, field: Field) -> bool {
        self.set(field) == FieldSet::full(field)
    }

    /// Returns what its author may not expect.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Returns the normal form: six fields, each `*` or a sorted list of values and stretches `a-b`. It means the same.
    pub fn normalised(&self) -> String {
        Field::ALL.map(|field| self.normalised_field(field)).join(" ")
    }

    fn normalised_field(&self, field: Field) -> String {
        if self.is_full(field) {
            return "*".to_owned();
        }
        let stretch = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
        self.set(field).stretches().into_iter().map(stretch).collect::<Vec<_>>().join(",")
    }

    fn notice_its_dates(&mut self) {
        let first_day = self.set(Field::Day).values().next().unwrap_or(1);
        let days_max = |month: u32| DAYS_OF_MONTH_MAX[month as usize - 1];
        if !self.set(Field::Month).values().any(|month| first_day <= days_max(month)) {
            self.notices.push(Notice::Never);
        } else if !self.is_full(Field::Day) && !self.is_full(Field::Weekday) {
            self.notices.push(Notice::DayAndWeekday);
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.sets == other.sets
    }
}

impl Eq for Expression {}

fn at_name(text: &str) -> Result<[FieldSet; 6], Fault> {
    if text.eq_ignore_ascii_case("@reboot") {
        return Err(Fault::AtReboot);
    }
    let (_, meaning) = AT_NAMES
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .ok_or_else(|| Fault::AtName(text.to_owned()))?;
    Ok(Expression::parse(meaning).expect("the meanings of @ names are expressions").sets)
}

/// Splits a text at blanks, and says at which byte each word begins.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match begin {
            Some(from) if character.is_whitespace() => {
                words.push((from, &text[from..at]));
                begin = None;
            }
            None if !character.is_whitespace() => begin = Some(at),
            Some(_) | None => {}
        }
    }
    words
}

/// Returns the column of a byte, counted in characters from 1.
fn column_at(text: &str, offset: usize) -> usize {
    text[..offset].chars().count() + 1
}
