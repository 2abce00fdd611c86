//! Time zones by name: IANA (`Europe/Berlin`) or Windows (`W. Europe Standard Time`, as Azure has them).
//!
//! The rules of all zones are compiled in, so that a name means the same on every host, a bare container included, and
//! so that nothing here reads a file. The machine's own zone is not known here: the host finds it out and passes it in
//! with [`Zone::from_tz`]. An unknown name is an error that names its neighbours; it is never silently UTC.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use jiff::tz::{TimeZone, TimeZoneDatabase};
use strum::IntoEnumIterator as _;
use windows_timezones::WindowsTimezone;

/// A time zone and the name by which people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: Arc<str>,
    tz: TimeZone,
}

/// A name that no time zone has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a time zone; {}", hint(.near))]
pub struct ZoneError {
    /// What was asked for.
    pub name: String,
    /// Names that look like it, the most similar first.
    pub near: Vec<String>,
}

/// How many similar names an error offers.
const NEAR_MAX: usize = 3;

impl Zone {
    /// Finds a zone by its IANA or Windows name, in any case.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        let wanted = name.trim();
        let database = TimeZoneDatabase::bundled();
        let windows = || WindowsTimezone::iter().find(|zone| zone.name().eq_ignore_ascii_case(wanted));
        let tz = match database.get(wanted) {
            Ok(tz) => Some(tz),
            Err(_) => windows().and_then(|zone| database.get(zone.tzdb_id()).ok()),
        };
        match tz.filter(|tz| !tz.is_unknown()) {
            Some(tz) => Ok(Self::from_tz(tz)),
            None => Err(ZoneError { name: wanted.to_owned(), near: near(wanted, &database) }),
        }
    }

    /// Returns UTC.
    pub fn utc() -> Self {
        Self::from_tz(TimeZone::UTC)
    }

    /// Takes a zone that the caller has found, such as the machine's own.
    pub fn from_tz(tz: TimeZone) -> Self {
        let name = match (tz.iana_name(), tz.to_fixed_offset()) {
            (Some(name), _) => name.into(),
            (None, Ok(offset)) => format!("UTC{offset}").into(),
            (None, Err(_)) => "local time".into(),
        };
        Self { name, tz }
    }

    /// Returns the IANA name, also of a zone that was asked for by its Windows name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rules of the zone.
    pub const fn tz(&self) -> &TimeZone {
        &self.tz
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn hint(near: &[String]) -> String {
    match near {
        [] => "use an IANA name such as Europe/Berlin or a Windows name such as W. Europe Standard Time".to_owned(),
        _ => format!("did you mean {}?", near.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")),
    }
}

/// Finds the names that differ from `wanted` in few letters, or whose city does.
fn near(wanted: &str, database: &TimeZoneDatabase) -> Vec<String> {
    let wanted = wanted.to_ascii_lowercase().replace(' ', "_");
    if wanted.is_empty() || wanted.len() > 64 {
        return Vec::new();
    }
    let iana = database.available().map(|name| name.to_string());
    let windows = WindowsTimezone::iter().map(|zone| zone.name().to_owned());
    let mut found: Vec<(usize, String)> = iana
        .chain(windows)
        .map(|name| {
            let plain = name.to_ascii_lowercase().replace(' ', "_");
            let city = plain.rsplit('/').next().unwrap_or(&plain);
            (letters_changed(&wanted, &plain).min(letters_changed(&wanted, city)), name)
        })
        .filter(|(changed, _)| *changed <= 2 && *changed * 3 <= wanted.len())
        .collect();
    found.sort();
    found.into_iter().map(|(_, name)| name).take(NEAR_MAX).collect()
}

/// Counts the letters to insert, remove or replace to get from one word to the other.
fn letters_changed(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
