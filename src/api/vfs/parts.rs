//! The names in the path of a file: decoded once, and refused where one is no plain name.

use percent_encoding::percent_decode_str;

/// Takes a path apart and decodes each part once; `None` when a part is no plain name of a file or folder.
pub fn parts(raw: &str) -> Option<Vec<String>> {
    let parts = raw.split('/').filter(|part| !part.is_empty());
    parts
        .map(|part| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned()).filter(|name| is_name(name)))
        .collect()
}

/// Tells whether a text is a plain name: of one file or folder, in this folder, on every system.
pub fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_decoded_once_and_hostile_ones_are_none() {
        for (raw, shown) in [
            ("data/jobs/a%20b/x.txt", Some("data|jobs|a b|x.txt")),
            ("Data//jobs/", Some("Data|jobs")),
            ("jobs/triggered/%E2%82%AC", Some("jobs|triggered|€")),
            // Once decoded, these are odd names of files, and nothing more.
            ("data/%252e%252e/%252e%252e", Some("data|%2e%2e|%2e%2e")),
            ("data/.../..a", Some("data|...|..a")),
            ("", Some("")),
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
            assert_eq!(parts(raw).map(|parts| parts.join("|")).as_deref(), shown, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_out_is_a_name(raw in "(%2[eEfF]|%5[cC]|%00|%25|[./a%\\\\]|\\PC){0,24}") {
            for name in parts(&raw).unwrap_or_default() {
                prop_assert!(is_name(&name) && std::path::Path::new(&name).components().count() == 1, "{raw:?}: {name:?}");
            }
        }

        #[test]
        fn every_name_is_read_back(names in prop::collection::vec("\\PC{1,12}", 1..5)) {
            prop_assume!(names.iter().all(|name| is_name(name)));
            let raw: Vec<String> = names.iter().map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()).collect();
            prop_assert_eq!(parts(&raw.join("/")), Some(names));
        }
    }
}
