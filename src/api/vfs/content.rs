//! The bytes of a file as an answer: whole or a part of them, in pieces, or none when the client has them.

use std::io::{self, Seek, SeekFrom};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::BytesMut;
use futures_util::stream;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::{fs::File, io::AsyncReadExt};

use super::range::{self, Wanted};
use crate::{
    api::{answer, etag},
    model::time::Wall,
    store::beneath::Opened,
};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 128 * 1024;

/// .NET's ticks, of 100 ns, from its first moment to the epoch.
const TICKS_TO_EPOCH: i128 = 621_355_968_000_000_000;

/// Media types by extension, where a browser or Kudu's clients make something of them.
const MEDIA: [(&str, &str); 17] = [
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpg", "image/jpeg"),
    ("js", "application/javascript"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("md", "text/plain"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("xml", "text/xml"),
    ("zip", "application/zip"),
];

/// A file that is to be sent.
#[derive(Debug)]
pub struct Content {
    opened: Opened,
    media: &'static str,
    tag: String,
    changed: String,
}

impl Content {
    /// Takes an open file, known to the client as `path`.
    pub fn new(opened: Opened, path: &str) -> Self {
        let changed = DateTimePrinter::new().timestamp_to_rfc9110_string(&opened.modified);
        // Moments before the year 1 have no such form; no file has them.
        let changed = changed.unwrap_or_default();
        Self { media: media_type(path), tag: tag(opened.modified), changed, opened }
    }

    /// Answers a request with these headers.
    pub fn answer(self, headers: &HeaderMap) -> Response {
        let size = self.opened.size;
        let common = [
            (header::ETAG, self.tag.clone()),
            (header::LAST_MODIFIED, self.changed.clone()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
        ];
        if etag::has(headers, &self.tag) {
            return with(answer::empty(StatusCode::NOT_MODIFIED), common);
        }
        let (status, part) = match self.wanted(headers) {
            Wanted::Whole => (StatusCode::OK, 0..size),
            Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            Wanted::Nothing => {
                let response = with(answer::empty(StatusCode::RANGE_NOT_SATISFIABLE), common);
                return with(response, [(header::CONTENT_RANGE, format!("bytes */{size}"))]);
            }
        };
        let of_type = [
            (header::CONTENT_TYPE, self.media.to_owned()),
            (header::CONTENT_LENGTH, (part.end - part.start).to_string()),
        ];
        let range = match status {
            StatusCode::PARTIAL_CONTENT => Some(format!("bytes {}-{}/{size}", part.start, part.end - 1)),
            _ => None,
        };
        let mut response = Response::new(pieces(self.opened.file, part.start, part.end - part.start));
        *response.status_mut() = status;
        with(with(with(response, common), of_type), range.map(|range| (header::CONTENT_RANGE, range)))
    }

    /// Which bytes are asked for. A range of another version than this is not what the client means.
    fn wanted(&self, headers: &HeaderMap) -> Wanted {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let is_of_this = text(header::IF_RANGE).is_none_or(|version| version == self.tag || version == self.changed);
        match text(header::RANGE) {
            Some(range) if is_of_this => range::parse(range, self.opened.size),
            Some(_) | None => Wanted::Whole,
        }
    }
}

/// Returns the media type of a file by its name.
pub fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = MEDIA.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map_or("application/octet-stream", |(_, media)| media)
}

/// The tag of a file as Kudu makes it: its time of change in ticks, as the hexadecimal digits of the bytes, lowest first.
pub fn tag(modified: Wall) -> String {
    let ticks = i64::try_from(modified.as_nanosecond() / 100 + TICKS_TO_EPOCH).unwrap_or(0);
    let digits: String = ticks.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

fn with(mut response: Response, headers: impl IntoIterator<Item = (HeaderName, String)>) -> Response {
    for (name, value) in headers {
        let value = HeaderValue::from_str(&value).expect("made of digits, and of words that stand in this file");
        response.headers_mut().insert(name, value);
    }
    response
}

/// Reads `n_bytes` of a file from `start` on, a piece at a time, only as fast as the client takes them.
fn pieces(file: std::fs::File, start: u64, n_bytes: u64) -> Body {
    let begin = (Source::Unread(file, start), n_bytes);
    Body::from_stream(stream::try_unfold(begin, |(source, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut file = source.ready().await?;
        let mut piece = BytesMut::with_capacity(PIECE_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX)));
        let n = (&mut file).take(left).read_buf(&mut piece).await? as u64;
        if n == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(Some((piece.freeze(), (Source::Reading(file), left - n))))
    }))
}

/// A file on its way to the client.
enum Source {
    Unread(std::fs::File, u64),
    Reading(File),
}

impl Source {
    async fn ready(self) -> io::Result<File> {
        match self {
            // A seek only sets a number: it does not wait for the disk.
            Self::Unread(mut file, start) => file.seek(SeekFrom::Start(start)).map(|_| File::from_std(file)),
            Self::Reading(file) => Ok(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_made_as_kudu_makes_it() {
        // 621355968000000000 ticks are 0x089f7ff5f7b58000.
        assert_eq!(tag(Wall::UNIX_EPOCH), "\"0080b5f7f57f9f08\"");
        assert_eq!(tag(Wall::from_nanosecond(150).expect("a moment")), "\"0180b5f7f57f9f08\"");
    }

    #[test]
    fn media_types_go_by_extension() {
        for (name, media) in [
            ("a.js", "application/javascript"),
            ("a.b/settings.JSON", "application/json"),
            ("readme.md", "text/plain"),
            ("output_log.txt", "text/plain"),
            ("status", "application/octet-stream"),
            ("run.sh", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name), media, "{name}");
        }
    }
}
