//! Lines from bytes, against a slow oracle.

use proptest::prelude::*;

use super::*;

/// Says how a whole text is split, in the plainest way.
fn lines_of(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut lines, mut line, mut at) = (Vec::new(), Vec::new(), 0);
    while at < text.len() {
        match text[at] {
            b'\n' => lines.push(mem::take(&mut line)),
            b'\r' => {
                lines.push(mem::take(&mut line));
                at += usize::from(text.get(at + 1) == Some(&b'\n'));
            }
            byte => line.push(byte),
        }
        at += 1;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn fed(blocks: &[&[u8]]) -> Vec<u8> {
    let (mut framer, mut out) = (LineFramer::default(), Vec::new());
    for block in blocks {
        framer.feed(block, b"> ", &mut out);
        assert!(framer.rest.len() <= LINE_BYTES_MAX);
    }
    framer.finish(b"> ", &mut out);
    out
}

fn check(text: &[u8], expected: &str) {
    assert_eq!(String::from_utf8(fed(&[text])).as_deref(), Ok(expected));
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(String::from_utf8(fed(&bytes)).as_deref(), Ok(expected), "byte by byte");
}

#[test]
fn lines_end_at_lf_crlf_and_lone_cr_and_empty_ones_are_kept() {
    check(b"a\nb\r\nc\rd\n", "> a\n> b\n> c\n> d\n");
    check(b"\n\n\r\r\n\n", "> \n> \n> \n> \n> \n");
    check(b"\r\n\r\nx", "> \n> \n> x\n");
    check(b"no end", "> no end\n");
    check(b"", "");
}

#[test]
fn text_that_is_not_utf8_stays_readable_and_a_cut_character_whole() {
    check("größe €\n".as_bytes(), "> größe €\n");
    check(b"gr\xfc\xdfe\nok\n\xe2\x82", "> gr\u{FFFD}\u{FFFD}e\n> ok\n> \u{FFFD}\n");
    check(b"nul \0 and bell \x07\n", "> nul \0 and bell \x07\n");
}

#[test]
fn a_line_over_the_bound_is_split_between_characters_and_marked() {
    let line = "x".repeat(LINE_BYTES_MAX);
    check(format!("{line}\n").as_bytes(), &format!("> {line}\n"));
    check(format!("{line}y\nz\n").as_bytes(), &format!("> {line}{SPLIT_MARK}\n> y\n> z\n"));
    check(format!("{line}{line}").as_bytes(), &format!("> {line}{SPLIT_MARK}\n> {line}\n"));
    let almost = "x".repeat(LINE_BYTES_MAX - 2);
    check(format!("{almost}€!\n").as_bytes(), &format!("> {almost}{SPLIT_MARK}\n> €!\n"));
}

#[test]
fn a_stamp_is_written_once_a_second_and_says_the_time_of_each() {
    let style = LineStyle { instance: "host01".into(), format: Default::default() };
    let mut stamps = Stamps::new(Arc::new(style));
    stamps.set("2026-01-02T03:04:05.9Z".parse().expect("a time"));
    assert_eq!(stamps.prefix(Stream::Stdout), b"[01/02/2026 03:04:05 > host01: INFO] ");
    stamps.set("2026-01-02T03:04:06.1Z".parse().expect("a time"));
    assert_eq!(stamps.prefix(Stream::Stderr), b"[01/02/2026 03:04:06 > host01: ERR ] ");
}

#[test]
fn lines_cost_no_allocation_once_the_first_of_them_have_come() {
    let (mut framer, mut out) = (LineFramer::default(), Vec::new());
    let style = LineStyle { instance: "host01".into(), format: Default::default() };
    let mut stamps = Stamps::new(Arc::new(style));
    let mut rooms = Vec::new();
    for n in 0..1000 {
        let time = format!("2026-01-02T03:04:{:02}Z", n % 60);
        stamps.set(time.parse().expect("a time"));
        // Whole lines, a line in two pieces with a wait between, and one that goes on after a pause.
        for block in ["one\ntwo\nthr", "ee\n", "four, which goes on", " here\r\nfive\n"] {
            framer.feed(block.as_bytes(), stamps.prefix(Stream::Stdout), &mut out);
            framer.relax();
            if block.starts_with("four") {
                framer.pause(stamps.prefix(Stream::Stdout), &mut out);
            }
        }
        let made = &stamps.made.as_ref().expect("it is made").prefixes[0];
        let memory = [&framer.rest, &out, made].map(|room| (room.as_ptr(), room.capacity()));
        rooms.push(memory);
        out.clear();
    }
    rooms.dedup();
    assert_eq!(rooms.len(), 1, "{rooms:?}");
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["\n", "\r", "\r\n", "word", "€", "🙂", "\0"]).prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => (LINE_BYTES_MAX - 3..LINE_BYTES_MAX * 2 + 3).prop_map(|n| vec![b'x'; n]),
    ];
    let mixed = prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    let plain = prop::collection::vec(prop::sample::select(vec!["\n", "word", "€"]), 0..64);
    prop_oneof![3 => mixed, 1 => plain.prop_map(|pieces| pieces.concat().into_bytes())]
}

fn cut<'a>(text: &'a [u8], at: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = at.iter().map(|index| index.index(text.len() + 1)).collect();
    cuts.sort_unstable();
    let ends = cuts.iter().copied().chain([text.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    starts.zip(ends).map(|(start, end)| &text[start..end]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_cutting_into_blocks_gives_the_same_lines(
        text in any_text(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        prop_assert!(fed(&cut(&text, &cuts)) == fed(&[&text]));
    }

    #[test]
    fn nothing_is_lost(text in any_text()) {
        let out = String::from_utf8(fed(&[&text])).expect("the output is UTF-8");
        let joined = out.replace(&format!("{SPLIT_MARK}\n> "), "");
        let expected: String = lines_of(&text)
            .iter()
            .map(|line| format!("> {}\n", String::from_utf8_lossy(line)))
            .collect();
        prop_assert!(joined == expected);
    }
}

#[test]
fn a_line_that_does_not_end_is_written_in_marked_pieces() {
    let (mut framer, mut out) = (LineFramer::default(), Vec::new());
    framer.pause(b"> ", &mut out);
    for piece in ["one", " two \u{20ac}", "", " three\nfour\n", "five", "\n", "six"] {
        framer.feed(piece.as_bytes(), b"> ", &mut out);
        framer.pause(b"> ", &mut out);
        assert!(!framer.is_waiting());
    }
    // Half a character waits for the other half.
    framer.feed(&"\u{20ac}".as_bytes()[..2], b"> ", &mut out);
    framer.pause(b"> ", &mut out);
    framer.feed(&"\u{20ac}".as_bytes()[2..], b"> ", &mut out);
    framer.finish(b"> ", &mut out);
    let expected = "> one [line continues]\n> [line continued]  two \u{20ac} [line continues]\n\
        > [line continued]  three\n> four\n> five [line continues]\n> [line continued] \n> six [line continues]\n\
        > [line continued] \u{20ac}\n";
    assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
}
