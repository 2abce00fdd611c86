//! What the audit log says: queries without secrets, and how many lines strangers may cause.

use std::{fmt::Write, time::Duration};

use crate::model::time::Mono;

/// Longest text of a path or query that is kept, in characters.
pub const TEXT_CHARS_MAX: usize = 2000;

/// Lines about strangers, at once and then a minute.
const LINES: u32 = 60;
const LINES_EACH: Duration = Duration::from_secs(60);

/// What stands in place of a secret.
const MASK: &str = "***";

/// Parts of names that secrets go by.
const SECRET_WORDS: [&str; 12] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "apikey",
    "api_key",
    "api-key",
    "credential",
    "authorization",
    "signature",
];

/// Names that are too short to be looked for inside of others.
const SECRET_NAMES: [&str; 8] = ["key", "sig", "code", "auth", "pass", "pin", "sas", "jwt"];

/// Returns a query with everything that looks like a secret masked. `pairs` is the query taken apart and decoded.
pub fn masked<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let value = if is_secret_name(name) || speaks_of_secrets(value) { MASK } else { value };
        let between = if text.is_empty() { "" } else { "&" };
        // Writing to a text cannot fail.
        let _ = write!(text, "{between}{name}={value}");
    }
    short(&text)
}

/// Cuts a text that is too long, and marks that.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    SECRET_WORDS.iter().any(|word| name.contains(word)) || parts.any(|part| SECRET_NAMES.contains(&part))
}

/// Arguments of a run are a command line, and some command lines hold secrets. One word about them hides all.
fn speaks_of_secrets(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| value.contains(word)) || value.contains("://") && value.contains('@')
}

/// Bounds the lines that strangers cause: they must not fill the disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quota {
    since: Mono,
    written: u32,
    left_out: u64,
}

impl Quota {
    /// Asks for a line: `None` when it is left out, else how many were left out before it.
    pub fn take(&mut self, now: Mono) -> Option<u64> {
        if now.since(self.since) >= LINES_EACH {
            (self.since, self.written) = (now, 0);
        }
        if self.written >= LINES {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        for (name, value, shown) in [
            ("arguments", "a b", "arguments=a b"),
            ("arguments", "--password=hunter2", "arguments=***"),
            ("arguments", "--API-Key hunter2", "arguments=***"),
            ("arguments", "postgres://ada:hunter2@db/x", "arguments=***"),
            ("arguments", "https://example.com/x", "arguments=https://example.com/x"),
            ("Code", "hunter2", "Code=***"),
            ("x-functions-key", "hunter2", "x-functions-key=***"),
            ("access_token", "hunter2", "access_token=***"),
            ("ClientSecret", "hunter2", "ClientSecret=***"),
            ("monkey", "business", "monkey=business"),
            ("sig", "", "sig=***"),
            ("job", "triggered/report", "job=triggered/report"),
        ] {
            assert_eq!(masked([(name, value)]), shown);
        }
        assert_eq!(masked([("a", "1"), ("key", "2"), ("b", "")]), "a=1&key=***&b=");
        assert_eq!(masked([("a", "ü".repeat(5000).as_str())]).chars().count(), TEXT_CHARS_MAX + 1);
    }

    #[test]
    fn strangers_cause_so_many_lines_and_the_rest_is_counted() {
        let mut quota = Quota::default();
        let at = |seconds| Mono::at(Duration::from_secs(seconds));
        let written = (0..1000).filter(|_| quota.take(at(10)).is_some()).count();
        assert_eq!(written, 60);
        assert_eq!(quota.take(at(59)), None);
        assert_eq!(quota.take(at(60)), Some(941));
        assert_eq!(quota.take(at(60)), Some(0));
    }
}
