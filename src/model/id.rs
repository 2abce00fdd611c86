//! Names: of jobs, runs, instances. Parsed once at the door; valid ever after.

use std::{fmt, str::FromStr};

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::model::time::Wall;

/// Longest job name in bytes; a folder name cannot be longer on common file systems.
pub const JOB_NAME_BYTES_MAX: usize = 255;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not usable as the name of a folder below `jobs/`.
    #[error(
        "`{0}` is not a job name: it must be one folder name, without `/`, `\\`, control characters, `.` or `..` alone"
    )]
    Job(String),
    /// Longer than the name of a folder may be.
    #[error("a job name of {0} bytes is too long: {JOB_NAME_BYTES_MAX} are allowed")]
    JobTooLong(usize),
    /// Neither `continuous` nor `triggered`.
    #[error("`{0}` is not a kind of job: use `continuous` or `triggered`")]
    Kind(String),
    /// Not 18 digits.
    #[error("`{0}` is not a run id: it has 18 digits")]
    Run(String),
}

/// The name of a job: its folder's name, with the case the user gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName(ArcStr);

impl JobName {
    /// Parses a folder name.
    ///
    /// # Errors
    /// When the text could lead out of the jobs folder or holds control characters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > JOB_NAME_BYTES_MAX {
            return Err(NameError::JobTooLong(text.len()));
        }
        let bad = text.is_empty()
            || text == "."
            || text == ".."
            || text.chars().any(|c| c == '/' || c == '\\' || c.is_control());
        if bad { Err(NameError::Job(text.to_owned())) } else { Ok(Self(text.into())) }
    }

    /// Makes a name that stands for a folder whose own is not usable: every byte in its way is written as `%5C` is for `\`.
    ///
    /// # Errors
    /// When that is no name either, for its length.
    pub fn escaped(bytes: &[u8]) -> Result<Self, NameError> {
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter == '/' || letter == '\\' || letter.is_control() {
                    letter.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
                } else {
                    text.push(letter);
                }
            }
            chunk.invalid().iter().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
        }
        Self::parse(&text)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JobName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for JobName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.as_str().to_owned()
    }
}

/// Kept running, or run on a schedule or on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Kept running.
    Continuous,
    /// Run on a schedule, on request, or on an event.
    Triggered,
}

impl JobKind {
    /// Both kinds, in the order of lists.
    pub const ALL: [Self; 2] = [Self::Continuous, Self::Triggered];

    /// Returns the folder name and API word of the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Continuous => "continuous",
            Self::Triggered => "triggered",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobKind {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "continuous" => Ok(Self::Continuous),
            "triggered" => Ok(Self::Triggered),
            _ => Err(NameError::Kind(text.to_owned())),
        }
    }
}

/// A job: its kind and its name. One name may stand for a job of each kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// Its kind.
    pub kind: JobKind,
    /// Its name.
    pub name: JobName,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// The id of a run: its start in UTC as `yyyyMMddHHmmssffff`, 18 digits, so that text order is time order
/// (spec/kudu-webjobs 4.3). Unique within a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(u64);

impl RunId {
    /// Parses 18 digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let digits = text.len() == 18 && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Self(number)),
            Ok(_) | Err(_) => Err(NameError::Run(text.to_owned())),
        }
    }

    /// Returns the id of a run that starts at `wall`, later than `last`: when the clock stands still or jumped back, the
    /// next free number is taken.
    pub fn at(wall: Wall, last: Option<Self>) -> Self {
        let utc = wall.to_zoned(jiff::tz::TimeZone::UTC);
        let date = [
            utc.year() as u64,
            utc.month() as u64,
            utc.day() as u64,
            utc.hour() as u64,
            utc.minute() as u64,
            utc.second() as u64,
        ];
        let seconds = date[1..].iter().fold(date[0], |number, part| number * 100 + part);
        let own = seconds * 10_000 + utc.subsec_nanosecond() as u64 / 100_000;
        Self(last.map_or(own, |last| own.max(last.0 + 1)))
    }
}

impl RunId {
    /// The largest id.
    pub const MAX: Self = Self(999_999_999_999_999_999);

    /// Returns the id as a number of at most 18 digits.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Makes an id of its number; `None` when that has more than 18 digits.
    pub const fn of_number(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// Returns the moment that the id stands for, to the tenth of a millisecond.
    pub fn began(self) -> Wall {
        let part = |divisor: u64, modulus: u64| self.0 / divisor % modulus;
        let date = jiff::civil::DateTime::new(
            part(100_000_000_000_000, 10_000) as i16,
            part(1_000_000_000_000, 100) as i8,
            part(10_000_000_000, 100) as i8,
            part(100_000_000, 100) as i8,
            part(1_000_000, 100) as i8,
            part(10_000, 100) as i8,
            part(1, 10_000) as i32 * 100_000,
        );
        let moment = date.ok().and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
        // Eighteen digits need not be a date; such a run is of unknown age.
        moment.map_or(Wall::UNIX_EPOCH, |zoned| zoned.timestamp())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:018}", self.0)
    }
}

impl FromStr for RunId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RunId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

/// The name of one host among those that share a root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instance(ArcStr);

impl Instance {
    /// Makes a name that is safe as a file name: anything but letters, digits, `.`, `-` and `_` becomes `-`.
    pub fn new(text: &str) -> Self {
        let safe = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
        let name: String = text.trim().chars().map(safe).collect();
        let usable = name.chars().any(|c| c.is_ascii_alphanumeric());
        Self(if usable { name.into() } else { "host".into() })
    }

    /// Returns the whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first six characters: how logs and Kudu's statuses name an instance (spec/kudu-webjobs 1.9).
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(6)]
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_name_cannot_lead_out_of_its_folder() {
        for bad in ["", ".", "..", "a/b", "a\\b", "a\0b", "a\nb"] {
            assert!(JobName::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["worker", "Xyz.WebJob", "daas(sitepinger)", "größe", "a b", "..."] {
            assert_eq!(JobName::parse(good).map(String::from).as_deref(), Ok(good));
        }
    }

    #[test]
    fn run_ids_are_eighteen_digits_and_grow_when_the_clock_does_not() {
        let wall: Wall = "2016-05-19T01:50:32.6541Z".parse().expect("a valid time");
        let first = RunId::at(wall, None);
        assert_eq!(first.to_string(), "201605190150326541");
        assert_eq!(RunId::at(wall, Some(first)).to_string(), "201605190150326542");
        assert_eq!(first.began(), wall);
        assert_eq!(RunId::parse("999999999999999999").map(RunId::began), Ok(Wall::UNIX_EPOCH));
        for bad in ["", "2016", "20160519015032654x", "2016051901503265411", "+20160519015032654"] {
            assert!(RunId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_instance_name_is_safe_as_a_file_name() {
        assert_eq!(Instance::new("web/../01").as_str(), "web-..-01");
        assert_eq!(Instance::new("..").as_str(), "host");
        assert_eq!(Instance::new("hostname-7").short(), "hostna");
        assert_eq!(Instance::new("übung").short(), "-bung");
    }
}
