//! The tree of files as clients name it: which path is which folder of the host.

use percent_encoding::percent_decode_str;

/// A folder that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Logs, records, the jobs' own data.
    Data,
    /// The job folders.
    Jobs,
}

/// Other names of the job folders: those of Azure (spec/kudu-webjobs 1.1).
const ALIASES: [(&[&str], Shown); 4] = [
    (&["data"], Shown::Data),
    (&["jobs"], Shown::Jobs),
    (&["site", "jobs"], Shown::Jobs),
    (&["site", "wwwroot", "app_data", "jobs"], Shown::Jobs),
];

/// Takes a path apart and decodes each part once; `None` when a part is no plain name of a file or folder.
pub fn parts(raw: &str) -> Option<Vec<String>> {
    let parts = raw.split('/').filter(|part| !part.is_empty());
    parts
        .map(|part| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned()).filter(|name| is_name(name)))
        .collect()
}

fn is_name(name: &str) -> bool {
    !matches!(name, "." | "..") && !name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
}

/// Returns the folder that a path lies in, and the rest of the path.
pub fn resolve(parts: &[String]) -> Option<(Shown, &[String])> {
    ALIASES.iter().find_map(|(alias, shown)| {
        let head = parts.get(..alias.len())?;
        let is_it = head.iter().zip(*alias).all(|(part, word)| part.eq_ignore_ascii_case(word));
        is_it.then(|| (*shown, &parts[alias.len()..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once_and_hostile_ones_are_none() {
        for (raw, shown) in [
            ("data/jobs/a%20b/x.txt", Some((Shown::Data, "jobs|a b|x.txt"))),
            ("Data//jobs/", Some((Shown::Data, "jobs"))),
            ("jobs/triggered/%E2%82%AC", Some((Shown::Jobs, "triggered|€"))),
            ("site/wwwroot/App_Data/jobs/continuous", Some((Shown::Jobs, "continuous"))),
            ("SITE/Jobs", Some((Shown::Jobs, ""))),
            // Once decoded, these are odd names of files, and nothing more.
            ("data/%252e%252e/%252e%252e", Some((Shown::Data, "%2e%2e|%2e%2e"))),
            ("data/.../..a", Some((Shown::Data, "...|..a"))),
            ("", None),
            ("site/wwwroot/web.config", None),
            ("etc/passwd", None),
            ("data/../etc", None),
            ("data/./x", None),
            ("data/%2e%2e/x", None),
            ("data/%2E%2e%2fx", None),
            ("data/..%5cx", None),
            ("data/a\\b", None),
            ("data/a%00b", None),
            ("data/a%0ab", None),
            ("data/%ff", None),
            ("%2e%2e/data", None),
        ] {
            let parts = parts(raw);
            let found = parts.as_deref().and_then(resolve).map(|(shown, rest)| (shown, rest.join("|")));
            assert_eq!(found.as_ref().map(|(shown, rest)| (*shown, rest.as_str())), shown, "{raw}");
        }
    }
}
