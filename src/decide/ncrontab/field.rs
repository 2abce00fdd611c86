//! The six fields of an expression, and sets of their values.
//!
//! A set is one bit per value, so that two expressions that mean the same are equal, whatever they look like.

use std::fmt;

/// One of the six fields, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// 0 to 59.
    Second,
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    Day,
    /// 1 to 12, or an English name.
    Month,
    /// 0 to 6 with 0 for Sunday, or an English name.
    Weekday,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Field {
    /// All fields, in the order in which they are written.
    pub const ALL: [Self; 6] = [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Weekday];

    /// Returns the smallest and the largest value.
    pub const fn bounds(self) -> (u32, u32) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Day => (1, 31),
            Self::Month => (1, 12),
            Self::Weekday => (0, 6),
        }
    }

    /// Returns what the field takes, for a message: `1-12 or a name such as Jan`.
    pub const fn allowed(self) -> &'static str {
        match self {
            Self::Second | Self::Minute => "0-59",
            Self::Hour => "0-23",
            Self::Day => "1-31",
            Self::Month => "1-12 or a name such as Jan",
            Self::Weekday => "0-6 with 0 for Sunday, or a name such as Mon",
        }
    }

    /// Returns the value that a name, or any beginning of it, stands for. Several may begin so: the first one counts.
    pub fn value_of_name(self, text: &str) -> Option<u32> {
        let names: &[&str] = match self {
            Self::Month => &MONTHS,
            Self::Weekday => &WEEKDAYS,
            Self::Second | Self::Minute | Self::Hour | Self::Day => &[],
        };
        let begins = |name: &&str| name.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
        (self.bounds().0..).zip(names).find(|(_, name)| begins(name)).map(|(value, _)| value)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Weekday => "weekday",
        })
    }
}

/// The values of one field at which an expression occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSet(u64);

impl FieldSet {
    /// Returns every value of a field.
    pub fn full(field: Field) -> Self {
        let (min, max) = field.bounds();
        (min..=max).collect()
    }

    /// Tells whether the set holds `value`.
    pub const fn contains(self, value: u32) -> bool {
        value < u64::BITS && self.0 & (1 << value) != 0
    }

    /// Returns the values that are in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the values in order.
    pub fn values(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |&value| self.contains(value))
    }

    /// Returns the longest stretches of consecutive values, as first and last of each.
    pub fn stretches(self) -> Vec<(u32, u32)> {
        let mut stretches: Vec<(u32, u32)> = Vec::new();
        for value in self.values() {
            match stretches.last_mut() {
                Some((_, last)) if *last + 1 == value => *last = value,
                Some(_) | None => stretches.push((value, value)),
            }
        }
        stretches
    }
}

impl FromIterator<u32> for FieldSet {
    /// Collects values below 64.
    fn from_iter<I: IntoIterator<Item = u32>>(values: I) -> Self {
        Self(values.into_iter().fold(0, |bits, value| bits | 1 << value))
    }
}
