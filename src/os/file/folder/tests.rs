//! A folder with traps in it.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn nothing_is_done_through_a_link_or_a_path() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(dir.path().join("in/deep")).expect("a folder");
    fs::create_dir(dir.path().join("out")).expect("a folder");
    fs::write(dir.path().join("out/secret"), "x").expect("it is written");
    symlink("../out", dir.path().join("in/link")).expect("a link");
    symlink("../out/secret", dir.path().join("in/file")).expect("a link");
    let folder = || Folder::open(&dir.path().join("in")).expect("it is there");
    assert!(folder().down(["deep"]).is_ok());
    assert!(folder().down(["link"]).is_err() && folder().down_or_make(["link", "new"]).is_err());
    for name in ["", ".", "..", "../out/secret", "link/secret"] {
        assert!(folder().file(name).is_err() && folder().make(name).is_err(), "{name:?}");
        assert!(folder().remove_file(name).is_err(), "{name:?}");
    }
    assert!(folder().file("file").is_err());
    fs::write(dir.path().join("sent"), "new").expect("it is written");
    folder().take(&dir.path().join("sent"), "file").expect("the link is replaced");
    assert_eq!(fs::read(dir.path().join("in/file")).expect("a file"), b"new");
    assert_eq!(fs::read(dir.path().join("out/secret")).expect("a file"), b"x");
}

#[test]
fn a_folder_is_removed_with_its_links_and_not_with_what_they_lead_to() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(dir.path().join("in/gone/deep")).expect("a folder");
    fs::create_dir(dir.path().join("out")).expect("a folder");
    fs::write(dir.path().join("out/kept"), "x").expect("it is written");
    fs::write(dir.path().join("in/gone/deep/file"), "x").expect("it is written");
    symlink("../../../out", dir.path().join("in/gone/deep/link")).expect("a link");
    let folder = Folder::open(&dir.path().join("in")).expect("it is there");
    assert!(folder.remove_folder("gone").is_err(), "it is not empty");
    folder.remove_all("gone").expect("it goes");
    assert_eq!(folder.names().expect("it is read"), Vec::<OsString>::new());
    assert!(dir.path().join("out/kept").exists());
    assert!(folder.remove_all("gone").is_err(), "there is none");
}

#[test]
fn a_pipe_is_not_opened() {
    let dir = tempfile::tempdir().expect("a folder");
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::Mode::from_raw_mode(0o600))
        .expect("a pipe");
    let folder = Folder::open(dir.path()).expect("it is there");
    assert!(folder.file("pipe").is_err());
}
