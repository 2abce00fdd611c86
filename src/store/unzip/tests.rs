//! Zips that behave, and zips that do not.

use std::io::Cursor;

use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::*;

const SMALL: ZipBounds = ZipBounds { entries_max: 8, bytes_max: 32 * 1024 * 1024, ratio_max: 10 };

type Build<'a> = &'a dyn Fn(&mut ZipWriter<Cursor<Vec<u8>>>);

fn plain() -> SimpleFileOptions {
    SimpleFileOptions::default()
}

fn add(zip: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, options: SimpleFileOptions, content: &[u8]) {
    zip.start_file(name, options).expect("an entry");
    zip.write_all(content).expect("memory takes it");
}

/// Zips what `build` adds, and takes it apart into `dir/into`.
fn check(build: Build<'_>) -> (tempfile::TempDir, Result<(), UnzipError>) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    build(&mut zip);
    let bytes = zip.finish().expect("a zip").into_inner();
    let done = check_bytes(dir.path(), &bytes);
    (dir, done)
}

fn check_bytes(dir: &Path, bytes: &[u8]) -> Result<(), UnzipError> {
    fs::write(dir.join("job.zip"), bytes).expect("it is written");
    fs::create_dir(dir.join("into")).expect("a folder");
    unzip(&dir.join("job.zip"), &dir.join("into"), &SMALL)
}

fn refusal(build: Build<'_>) -> String {
    let (dir, done) = check(build);
    let error = done.expect_err("it is refused");
    assert!(error.is_the_zips_fault(), "{error}");
    let beside: Vec<_> =
        fs::read_dir(dir.path()).expect("a folder").filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    assert_eq!(beside.len(), 2, "{error}: {beside:?}");
    error.to_string()
}

#[test]
fn files_and_folders_come_out_as_they_went_in() {
    let time = DateTime::from_date_and_time(2020, 2, 3, 4, 5, 6).expect("a time");
    let (dir, done) = check(&|zip| {
        zip.add_directory("empty/", plain()).expect("an entry");
        add(zip, "run.sh", plain().unix_permissions(0o4755).last_modified_time(time), b"#!/bin/sh\n");
        add(zip, "./lib//a.txt", plain().unix_permissions(0o200), b"a");
        add(zip, "win\\dows.txt", plain(), b"w");
    });
    done.expect("it behaves");
    let into = dir.path().join("into");
    assert_eq!(fs::read(into.join("run.sh")).expect("a file"), b"#!/bin/sh\n");
    assert_eq!(fs::read(into.join("lib/a.txt")).expect("a file"), b"a");
    assert_eq!(fs::read(into.join("win/dows.txt")).expect("a file"), b"w");
    assert!(into.join("empty").is_dir());
    let modified = fs::metadata(into.join("run.sh")).and_then(|metadata| metadata.modified()).expect("a time");
    assert_eq!(jiff::Timestamp::try_from(modified).expect("a time").to_string(), "2020-02-03T04:05:06Z");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name| fs::metadata(into.join(name)).expect("a file").permissions().mode() & 0o7777;
        let modes = ["run.sh", "lib/a.txt", "lib", "empty"].map(mode);
        assert_eq!(modes.map(|mode| format!("{mode:o}")), ["755", "644", "755", "755"]);
    }
}

#[test]
fn no_entry_leaves_the_folder() {
    for (name, why) in [
        ("../evil", "leads out"),
        ("a/../../evil", "leads out"),
        ("a/..", "leads out"),
        ("..\\evil", "leads out"),
        ("/etc/evil", "absolute"),
        ("\\evil", "absolute"),
        ("C:\\evil", "drive"),
        ("c:evil", "drive"),
        ("a\0b", "control"),
        ("a\nb", "control"),
    ] {
        let error = refusal(&|zip| add(zip, name, plain(), b"x"));
        let shown: String = name.escape_debug().collect();
        assert!(error.contains(why) && error.contains(&shown), "{name:?}: {error}");
    }
}

#[test]
fn names_that_no_disk_takes_are_refused_in_few_words() {
    let broad = format!("{}/", "w".repeat(200)).repeat(11);
    for (name, why) in [
        ("n".repeat(256), "name that is too long"),
        (format!("a/{}/b", "ä".repeat(128)), "name that is too long"),
        (format!("{broad}x"), "path that is too long"),
        (format!("{}x", "d/".repeat(128)), "too deep"),
    ] {
        let error = refusal(&|zip| add(zip, &name, plain(), b"x"));
        assert!(error.contains(why) && error.contains('…') && error.len() < 400, "{error}");
    }
    let (_dir, done) = check(&|zip| {
        add(zip, &"n".repeat(255), plain(), b"x");
        add(zip, &format!("{}x", "d/".repeat(127)), plain(), b"x");
    });
    done.expect("these are taken");
}

#[test]
fn no_path_stands_for_two_things() {
    for names in [["a", "./a"], ["a/b", "a\\b"], ["a", "a/b"], ["a/b", "a"], ["a/b/c", "a/b"]] {
        let error = refusal(&|zip| names.into_iter().for_each(|name| add(zip, name, plain(), b"x")));
        assert!(error.contains("two things") || error.contains("lies below"), "{names:?}: {error}");
    }
    let (_dir, done) = check(&|zip| {
        zip.add_directory("a", plain()).expect("an entry");
        add(zip, "a/b", plain(), b"x");
    });
    done.expect("a folder may be named before what lies in it");
}

#[cfg(unix)]
#[test]
fn a_link_may_lead_inside_only() {
    let link = |name: &'static str, target: &'static str| {
        check(&move |zip: &mut ZipWriter<Cursor<Vec<u8>>>| {
            zip.add_symlink("first/down", "deep/deeper", plain()).expect("an entry");
            add(zip, "first/deep/deeper/file", plain(), b"x");
            zip.add_symlink(name, target, plain()).expect("an entry");
        })
    };
    let (dir, done) = link("link", "first/deep/deeper/file");
    done.expect("it leads inside");
    assert_eq!(fs::read(dir.path().join("into/link")).expect("a file"), b"x");
    // `first/down/../../../..` is inside by its letters, and outside by where `down` leads.
    for target in ["/etc/passwd", "../job.zip", "nowhere", "first/down/../../../..", "first/down/../../../../job.zip"] {
        let (dir, done) = link("link", target);
        let error = done.expect_err(target).to_string();
        assert!(error.contains("`link`"), "{target}: {error}");
        drop(dir);
    }
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link() {
    let error = refusal(&|zip| {
        zip.add_symlink("out", "..", plain()).expect("an entry");
        add(zip, "out/evil", plain(), b"x");
    });
    assert!(error.contains("`out/evil`"), "{error}");
}

#[test]
fn sizes_are_bounded_whatever_the_zip_says() {
    let zeroes = vec![0; 1024 * 1024];
    let error = refusal(&|zip| {
        zip.start_file("bomb", plain()).expect("an entry");
        (0..17).for_each(|_| zip.write_all(&zeroes).expect("memory takes it"));
    });
    assert!(error.contains("larger than 16777216 bytes"), "{error}");
    let stored = plain().compression_method(CompressionMethod::Stored);
    let error =
        refusal(&|zip| (0..33).for_each(|n| add(zip, &format!("{}", n % 8).repeat(n / 8 + 1), stored, &zeroes)));
    assert!(error.contains("33 entries; 8 are allowed"), "{error}");
    let five: Vec<u8> = zeroes.repeat(5);
    let error = refusal(&|zip| (0..7).for_each(|n| add(zip, &format!("{n}"), stored, &five)));
    assert!(error.contains("larger than 33554432 bytes"), "{error}");
}

#[test]
fn a_zip_that_says_it_is_too_large_is_not_begun_with() {
    let (dir, done) = check(&|zip| {
        add(zip, "run.sh", plain(), b"#!/bin/sh\n");
        add(zip, "bomb", plain(), &vec![0; 17 * 1024 * 1024]);
    });
    assert!(matches!(done, Err(UnzipError::TooLarge { bytes_max: 16_777_216 })), "{done:?}");
    assert_eq!(fs::read_dir(dir.path().join("into")).expect("a folder").count(), 0);
}

#[test]
fn what_is_damaged_or_no_zip_is_said_to_be() {
    let dir = tempfile::tempdir().expect("a folder");
    let error = check_bytes(dir.path(), b"PK\x03\x04 and nothing more").expect_err("no zip");
    assert!(matches!(error, UnzipError::NotZip(_)), "{error}");

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut zip, "run.sh", plain().compression_method(CompressionMethod::Stored), b"echo damaged");
    let mut bytes = zip.finish().expect("a zip").into_inner();
    let at = bytes.windows(4).position(|four| four == b"echo").expect("it is stored as it is");
    bytes[at] = b'x';
    let dir = tempfile::tempdir().expect("a folder");
    let error = check_bytes(dir.path(), &bytes).expect_err("it is damaged").to_string();
    assert!(error.contains("`run.sh` that is damaged"), "{error}");
}

#[test]
fn an_encrypted_entry_is_refused_by_name() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut zip, "secret.txt", plain(), b"x");
    let mut bytes = zip.finish().expect("a zip").into_inner();
    // The first of the general purpose flags, in the local header and in the directory.
    for (mark, offset) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = bytes.windows(4).position(|four| four == mark).expect("a header");
        bytes[at + offset] |= 1;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let error = check_bytes(dir.path(), &bytes).expect_err("it is encrypted").to_string();
    assert!(error.contains("`secret.txt` that is encrypted"), "{error}");
}
