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
