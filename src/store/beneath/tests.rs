//! A tree with traps in it.

use std::io::Read;

use super::*;

fn data(folder: &Path) -> Beneath {
    for inner in ["data/jobs/continuous/a", "data/webjobd/hosts", "outside"] {
        fs::create_dir_all(folder.join(inner)).expect("a folder");
    }
    for file in ["data/jobs/continuous/a/job_log.txt", "data/webjobd/credentials", "outside/x"] {
        fs::write(folder.join(file), file).expect("it is written");
    }
    Beneath::new(folder.join("data"), folder.join("data/webjobd"))
}

fn look(beneath: &Beneath, path: &str) -> Option<String> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    match beneath.open(&parts)? {
        Node::File(mut opened) => {
            let mut text = String::new();
            opened.file.read_to_string(&mut text).expect("it is read");
            Some(text)
        }
        Node::Folder(entries) => Some(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(" ")),
    }
}

#[test]
fn files_and_folders_are_opened_but_the_hidden_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = data(folder.path());
    for (path, shown) in [
        ("", Some("jobs")),
        ("jobs/continuous/a", Some("job_log.txt")),
        ("jobs/continuous/a/job_log.txt", Some("data/jobs/continuous/a/job_log.txt")),
        ("jobs/continuous/a/job_log.txt/x", None),
        ("nothing", None),
        ("webjobd", None),
        ("webjobd/credentials", None),
        ("webjobd/hosts", None),
    ] {
        assert_eq!(look(&data, path).as_deref(), shown, "{path}");
    }
    assert_eq!(data.as_entry("home").map(|entry| (entry.name, entry.is_folder)), Some(("home".to_owned(), true)));
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_inside_only() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let folder = tempfile::tempdir().expect("a folder");
    let data = data(folder.path());
    let inside = folder.path().join("data/jobs/continuous/a");
    for (target, name) in [
        ("job_log.txt", "good"),
        ("../../../../outside/x", "bad"),
        ("../../../../outside", "bad_folder"),
        ("/etc", "absolute"),
        ("../../../webjobd", "secrets"),
        ("../../../webjobd/credentials", "secret"),
        ("nowhere", "broken"),
        ("loop", "loop"),
    ] {
        symlink(target, inside.join(name)).expect("a link");
    }
    let _socket = UnixListener::bind(inside.join("socket")).expect("a socket");
    assert_eq!(look(&data, "jobs/continuous/a").as_deref(), Some("good job_log.txt"));
    assert!(look(&data, "jobs/continuous/a/good").is_some());
    for name in
        ["bad", "bad_folder", "bad_folder/x", "absolute/passwd", "secrets/credentials", "secret", "loop", "socket"]
    {
        assert_eq!(look(&data, &format!("jobs/continuous/a/{name}")), None, "{name}");
    }
}

fn parts(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn a_spot_lies_beneath_whatever_links_are_above_it() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let data = data(folder.path());
    let jobs = folder.path().join("data/jobs");
    for (target, name) in [("continuous", "alias"), ("../../outside", "out"), ("../webjobd", "own"), ("gone", "broken")]
    {
        symlink(target, jobs.join(name)).expect("a link");
    }
    fs::write(folder.path().join("sent"), "new").expect("it is written");
    let spot = data.spot(&parts("jobs/alias/a/new/file")).expect("it is inside");
    assert_eq!(spot.below().join("/"), "jobs/continuous/a/new/file");
    assert_eq!(spot.facts().expect("it is asked"), None);
    spot.take(&folder.path().join("sent")).expect("it is taken");
    assert_eq!(fs::read(jobs.join("continuous/a/new/file")).expect("a file"), b"new");
    for path in ["jobs/out/x", "jobs/own/x", "webjobd/x", "webjobd", "jobs/out/new/x"] {
        assert!(data.spot(&parts(path)).is_err(), "{path}");
    }
    assert!(data.spot(&[]).is_err());
    // A link that leads nowhere is no folder to make.
    fs::write(folder.path().join("sent"), "new").expect("it is written");
    let broken = data.spot(&parts("jobs/broken/x")).expect("nothing is there");
    assert!(broken.take(&folder.path().join("sent")).is_err() && !jobs.join("gone").exists());
}

#[cfg(unix)]
#[test]
fn a_link_put_in_the_way_meanwhile_leads_nowhere() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let data = data(folder.path());
    let a = folder.path().join("data/jobs/continuous/a");
    fs::write(folder.path().join("sent"), "new").expect("it is written");
    let (open, missing) = (parts("jobs/continuous/a/file"), parts("jobs/continuous/a/new/file"));
    let (open, missing) = (data.spot(&open).expect("inside"), data.spot(&missing).expect("inside"));
    fs::rename(&a, a.with_file_name("moved")).expect("it is moved");
    symlink("../../../outside", &a).expect("a link");
    symlink("../../../outside", a.with_file_name("moved").join("new")).expect("a link");
    assert!(missing.take(&folder.path().join("sent")).is_err());
    open.take(&folder.path().join("sent")).expect("it goes where the folder went");
    assert!(a.with_file_name("moved").join("file").exists());
    assert_eq!(fs::read_dir(folder.path().join("outside")).expect("a folder").count(), 1);
}
