//! What a PUT of a job says of its body: a zip, or one file of a name (spec/kudu-webjobs 8.3).

use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

/// Tells whether the body is a zip: by its media type alone, whatever parameters it has.
pub fn is_zip(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/zip"))
}

/// Returns the file name of `Content-Disposition`, without folders; `None` when there is none.
pub fn file_name(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(header::CONTENT_DISPOSITION)?.as_bytes()).into_owned();
    let parts = parameters(&value);
    let of = |name: &str| parts.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let name = match of("filename*").and_then(extended) {
        Some(name) => name,
        None => of("filename")?.to_owned(),
    };
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let is_name = !matches!(last, "" | "." | "..") && !last.chars().any(char::is_control);
    is_name.then(|| last.to_owned())
}

/// Takes `; key=value; key="va\"lue"` apart; what stands before the first `;` is passed over.
fn parameters(value: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_start_matches(|c: char| c == ';' || c.is_whitespace()).trim().to_owned();
        let (value, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => {
                let (value, next) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), next)
            }
        };
        found.push((key, value));
        rest = next;
    }
    found
}

/// Reads up to the closing quote. A backslash escapes a quote only: some clients send Windows paths.
fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                value.push('"');
                chars.next();
            }
            '"' => return (value, &text[at + 1..]),
            c => value.push(c),
        }
    }
    (value, "")
}

/// Reads `UTF-8''na%20me` (RFC 8187).
fn extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, encoded) = (parts.next()?, parts.nth(1)?);
    let is_utf8 = charset.eq_ignore_ascii_case("utf-8");
    is_utf8.then(|| percent_decode_str(encoded).decode_utf8().ok().map(String::from)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_read_as_clients_send_it() {
        for (value, name) in [
            ("attachment; filename=run.cmd", Some("run.cmd")),
            ("attachment; filename=\"my job.zip\"", Some("my job.zip")),
            ("Attachment; size=3; FileName = \"a;b.sh\" ; x=y", Some("a;b.sh")),
            ("attachment; filename=\"C:\\dir\\run.sh\"", Some("run.sh")),
            ("attachment; filename=../../run.sh", Some("run.sh")),
            ("attachment; filename=\"a\\\"b.sh\"", Some("a\"b.sh")),
            ("attachment; filename=x.sh; filename*=UTF-8''gr%C3%B6%C3%9Fe.sh", Some("größe.sh")),
            ("attachment; filename=x.sh; filename*=latin1''y.sh", Some("x.sh")),
            ("attachment; filename*=utf-8'de'..%2Frun.sh", Some("run.sh")),
            ("attachment", None),
            ("attachment; filename=", None),
            ("attachment; filename=..", None),
            ("attachment; filename=dir/", None),
            ("filename=run.sh", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_DISPOSITION, value.parse().expect(value));
            assert_eq!(file_name(&headers).as_deref(), name, "{value}");
        }
        assert_eq!(file_name(&HeaderMap::new()), None);
    }

    #[test]
    fn a_zip_is_known_by_its_media_type() {
        for (value, zip) in [
            ("application/zip", true),
            ("Application/ZIP; charset=x", true),
            ("application/zip-compressed", false),
            ("application/octet-stream", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect(value));
            assert_eq!(is_zip(&headers), zip, "{value}");
        }
        assert!(!is_zip(&HeaderMap::new()));
    }
}
