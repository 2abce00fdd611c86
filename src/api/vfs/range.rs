//! Which bytes of a file a request wants (RFC 9110, 14): one range; several at once are answered with the whole.

use std::ops::Range;

/// What a `Range` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that are not there.
    Nothing,
}

/// Reads the value of a `Range` header for a file of `size` bytes.
pub fn parse(value: &str, size: u64) -> Wanted {
    let one = value.strip_prefix("bytes=").map(str::trim).filter(|spec| !spec.contains(','));
    let Some((first, last)) = one.and_then(|spec| spec.split_once('-')) else { return Wanted::Whole };
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number with more digits than any file has bytes is one that lies beyond its end.
        true if !text.is_empty() => Some(text.parse().unwrap_or(u64::MAX)),
        _ => None,
    };
    let (start, end) = match (number(first), number(last)) {
        (Some(start), Some(last)) if last < start => return Wanted::Whole,
        (Some(start), Some(last)) => (start, size.min(last.saturating_add(1))),
        (Some(start), None) if last.is_empty() => (start, size),
        (None, Some(n_last)) if first.is_empty() => (size.saturating_sub(n_last), size),
        (Some(_) | None, Some(_) | None) => return Wanted::Whole,
    };
    if start < end { Wanted::Part(start..end) } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_written() {
        for (value, wanted) in [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=0-", Wanted::Part(0..10)),
            ("bytes=9-9", Wanted::Part(9..10)),
            ("bytes=5-99999999999999999999999", Wanted::Part(5..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=10-20", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=3-1", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=1-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=0-3", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(parse(value, 10), wanted, "{value}");
        }
        assert_eq!(parse("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(parse("bytes=-5", 0), Wanted::Nothing);
    }
}
