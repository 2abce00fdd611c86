//! Tables of folders: what runs in each, and what is said when nothing does.

use proptest::prelude::*;

use super::{
    content::{Change, is_output, what_changed},
    *,
};
use crate::model::{
    id::{JobId, JobKind, JobName},
    listing::{Entry, EntryKind, LinkTo},
};

const X: u32 = 0o755;
pub(super) const PLAIN: u32 = 0o644;

/// The rule of `run.*` first, then by kind, then by name.
#[test]
fn the_script_is_chosen_in_the_order_of_kinds() {
    for (files, expected) in [
        (&["run.sh"][..], "run.sh"),
        (&["RUN.SH"], "RUN.SH"),
        (&["a.sh", "run.py"], "run.py"),
        (&["run.py", "run.sh"], "run.sh"),
        (&["run.php", "run.py"], "run.py"),
        (&["run.js", "run.php"], "run.php"),
        (&["run.mjs", "run.js"], "run.js"),
        (&["run.jar", "run.mjs"], "run.mjs"),
        (&["run.rb", "run.jar"], "run.jar"),
        (&["run.pl", "run.rb"], "run.rb"),
        (&["run.ps1", "run.sh"], "run.ps1"),
        (&["z.sh", "B.sh", "a.py"], "B.sh"),
        (&["b.py", "a.js", "c.txt"], "b.py"),
        (&["run.cmd", "other.sh"], "other.sh"),
        (&["run.lua", "a.py"], "run.lua"),
        (&["x.lua", "a.pl"], "a.pl"),
        (&[".hidden.sh", "._run.sh", "run.sh~", "a.py"], "a.py"),
        (&["run.config", "a.py"], "a.py"),
        (&["app.dll", "app.runtimeconfig.json", "lib.dll"], "app.dll"),
        (&["run.dll", "app.dll", "app.runtimeconfig.json"], "app.dll"),
        (&["project.json", "a.sh"], "a.sh"),
    ] {
        let found = discover(&folder(files), &AROUND.all());
        assert_eq!(run_command(&found), expected, "{files:?}: {:?}", found.problems);
    }
}

#[test]
fn a_script_lies_at_the_end_of_a_chain_of_single_folders() {
    let found = discover(&folder(&["a/b/run.sh", "a/b/settings.job"]), &AROUND.all());
    let job = found.job.expect("a job");
    assert_eq!((job.script.run_command.as_str(), job.script.dir.to_str()), ("a/b/run.sh", Some("a/b")));
    assert_eq!(job.script.program, ["bash", "run.sh"]);
    let found = discover(&folder(&["inner/run.sh", "settings.job"]), &AROUND.all());
    assert_eq!(codes(&found), ["no_script"]);
    assert!(found.problems[0].message.contains("seen: inner/, settings.job"), "{}", found.problems[0]);
}

#[test]
fn each_kind_is_started_its_own_way() {
    for (file, mode, head, program, host) in [
        ("run.sh", PLAIN, "echo hi", &["bash", "run.sh"][..], "BashScriptHost"),
        ("run.sh", PLAIN, "#!/bin/sh -e\n", &["/bin/sh", "-e", "run.sh"], "BashScriptHost"),
        ("run.sh", PLAIN, "#! /usr/bin/env  bash\n", &["/usr/bin/env", "bash", "run.sh"], "BashScriptHost"),
        ("run.sh", X, "#!/bin/sh\n", &["./run.sh"], "BashScriptHost"),
        ("run.sh", X, "echo hi", &["bash", "run.sh"], "BashScriptHost"),
        ("-x.sh", PLAIN, "", &["bash", "./-x.sh"], "BashScriptHost"),
        ("run.py", X, "#!/usr/bin/env python2\r\n", &["python3", "run.py"], "PythonScriptHost"),
        ("my job.php", PLAIN, "", &["php", "my job.php"], "PhpScriptHost"),
        ("run.js", PLAIN, "", &["node", "run.js"], "NodeScriptHost"),
        ("run.ps1", PLAIN, "", &["pwsh", "-File", "run.ps1"], "PowerShellScriptHost"),
        ("run.jar", PLAIN, "", &["java", "-jar", "run.jar"], "JavaScriptHost"),
        ("run.lua", PLAIN, "", &["lua", "run.lua"], "OtherScriptHost"),
        ("run", X, "#!/usr/bin/env -S awk -f\n", &["./run"], "NativeScriptHost"),
        ("run.bin", X, "\x7fELF", &["./run.bin"], "NativeScriptHost"),
        ("worker", X, "\x7fELF", &["./worker"], "NativeScriptHost"),
    ] {
        let mut listing = folder(&[]);
        put(&mut listing, file, mode, head);
        let found = discover(&listing, &AROUND.all());
        let job = found.job.clone().unwrap_or_else(|| panic!("{file} {head:?}: {:?}", found.problems));
        assert_eq!((&job.script.program[..], job.script.script_host), (&own(program)[..], host), "{file} {head:?}");
        assert_eq!(job.script.in_place_default, host == "NodeScriptHost");
    }
}

#[test]
fn what_keeps_a_script_from_running_is_said_with_the_way_out() {
    let installed = &["bash", "/bin/sh", "/usr/bin/env"][..];
    for (file, mode, head, code, words) in [
        ("run.sh", X, "#!/bin/sh\r\necho", "crlf_first_line", "sed -i 's/\\r$//' run.sh"),
        ("run.sh", PLAIN, "#!/bin/bash\r\n", "crlf_first_line", "Windows line ends"),
        ("run.sh", X, "\u{feff}#!/bin/sh\n", "bom_first_line", "byte order mark"),
        ("run.sh", X, "#!/bin/zsh\n", "missing_interpreter", "`/bin/zsh`"),
        ("run.sh", X, "#!/usr/bin/env zsh\n", "missing_interpreter", "`zsh`"),
        ("run.py", X, "", "missing_interpreter", "[interpreters] py"),
        ("run", PLAIN, "\x7fELF", "missing_execute_bit", "chmod +x run"),
        ("my worker", PLAIN, "#!/bin/sh\n", "missing_execute_bit", "chmod +x 'my worker'"),
        ("run", X, "echo hi", "no_first_line", "#!/bin/sh"),
        ("run.cmd", PLAIN, "", "no_script", "runs on Windows only"),
        ("job.ps1", PLAIN, "", "no_script", "`pwsh` is not installed"),
        ("readme.md", X, "hello", "no_script", "seen: readme.md"),
        ("lib.so", X, "\x7fELF", "no_script", "seen: lib.so"),
        ("lib.dll", X, "MZ", "no_script", "seen: lib.dll"),
    ] {
        let mut listing = folder(&[]);
        put(&mut listing, file, mode, head);
        let found = discover(&listing, &AROUND.of(installed));
        assert!(found.job.is_none());
        assert_eq!(codes(&found), [code], "{file} {head:?}");
        assert!(found.problems[0].to_string().contains(words), "{}", found.problems[0]);
    }
    let found = discover(&folder(&[]), &AROUND.all());
    assert!(found.problems[0].message.contains("it is empty"), "{}", found.problems[0]);
}

#[test]
fn what_only_may_hurt_is_a_warning() {
    let mut listing = folder(&["run.cmd"]);
    put(&mut listing, "x.sh", PLAIN, "echo a\r\necho b\r\n");
    put(&mut listing, "pipe", 0, "");
    listing.entries.get_mut("pipe").expect("just put").kind = EntryKind::Other;
    put(&mut listing, "out", 0, "");
    listing.entries.get_mut("out").expect("just put").kind = EntryKind::Link(LinkTo::Outside);
    listing.odd_names.push("\u{fffd}".to_owned());
    let found = discover(&listing, &AROUND.all());
    assert_eq!(run_command(&found), "x.sh");
    assert_eq!(codes(&found), ["name_not_utf8", "link_outside", "not_a_file", "crlf", "script_passed_over"]);
    assert!(found.problems.iter().all(|problem| !problem.fatal));
}

#[test]
fn an_unreadable_entry_keeps_the_job_from_running() {
    let mut listing = folder(&["run.sh"]);
    listing.unreadable.insert("key.pem".to_owned(), "permission denied".to_owned());
    let found = discover(&listing, &AROUND.all());
    assert_eq!((found.job, codes_of(&found.problems)), (None, vec!["unreadable"]));
}

#[test]
fn a_command_in_the_settings_wins() {
    let tool = |listing: &mut FolderListing| put(listing, "bin/tool", X, "\x7fELF");
    for (command, expected) in [
        (&["./bin/tool", "-v"][..], Ok(&["./bin/tool", "-v"][..])),
        (&["bin/tool"], Ok(&["./bin/tool"])),
        (&["node", "run.sh"], Ok(&["node", "run.sh"])),
        (&["/usr/bin/env"], Ok(&["/usr/bin/env"])),
        (&["./run.sh"], Err("missing_execute_bit")),
        (&["nothing"], Err("command_missing")),
        (&["./nothing"], Err("command_missing")),
        (&["../other/run"], Err("command_outside")),
    ] {
        let mut listing = folder(&["run.sh"]);
        tool(&mut listing);
        let text = serde_json::json!({ "command": command }).to_string();
        listing.settings.insert("settings.job".to_owned(), text);
        let found = discover(&listing, &AROUND.of(&["node", "/usr/bin/env"]));
        let got = match &found.job {
            Some(job) => Ok(job.script.program.clone()),
            None => Err(found.problems[0].code.as_str()),
        };
        assert_eq!(got, expected.map(own), "{command:?}: {:?}", found.problems);
    }
}

#[test]
fn settings_are_found_in_any_case_and_their_defects_carry_the_file() {
    let mut listing = folder(&["run.sh"]);
    listing.settings.insert("Settings.JOB".to_owned(), "bad".to_owned());
    let found = discover(&listing, &AROUND.all());
    assert_eq!(found.problems[0].file.as_deref(), Some("Settings.JOB"));
    assert!(found.job.is_none());
    listing.settings.insert("settings.job".to_owned(), "{}".to_owned());
    let found = discover(&listing, &AROUND.all());
    assert_eq!((codes(&found), found.job.is_some()), (vec!["settings_twice"], true));
}

#[test]
fn an_env_file_must_lie_in_the_folder() {
    for (name, code) in [(".env", None), ("x", Some("env_file_missing")), ("../x", Some("env_file_outside"))] {
        let mut listing = folder(&["run.sh", ".env"]);
        let text = serde_json::json!({ "env_file": name }).to_string();
        listing.settings.insert("settings.job".to_owned(), text);
        let found = discover(&listing, &AROUND.all());
        assert_eq!(codes(&found).first().copied(), code, "{name}");
    }
}

#[test]
fn a_path_of_the_job_itself_is_not_second_guessed() {
    let mut listing = folder(&["run.py"]);
    listing.settings.insert("settings.job".to_owned(), r#"{"env": {"PATH": "/opt/python/bin"}}"#.to_owned());
    assert!(discover(&listing, &AROUND.of(&[])).job.is_some());
}

#[test]
fn markers_are_carried_and_do_not_change_the_content() {
    let plain = job_of(&folder(&["run.sh"]));
    let marked = job_of(&folder(&["run.sh", "Disable.job", "settings.job", ".run.sh.swp", ".git/HEAD"]));
    assert!(marked.disable_marker && !plain.disable_marker);
    assert_eq!(marked.content, plain.content);
    assert_eq!(what_changed(&plain, &marked), None);
}

/// Else it would go on running on every host.
#[test]
fn a_job_that_becomes_a_singleton_starts_anew() {
    let plain = job_with(&["run.sh"], "{}");
    let mut single = (*plain).clone();
    Arc::make_mut(&mut single.settings).is_singleton = true;
    assert_eq!(what_changed(&plain, &single), Some(Change::Setting("is_singleton")));
    assert_eq!(what_changed(&single, &plain), None);
}

#[test]
fn a_restart_names_the_first_thing_that_changed() {
    let base = job_with(&["a.txt", "run.sh"], r#"{"env": {"A": "1"}}"#);
    for (files, settings, expected) in [
        (&["a.txt", "b.txt", "run.sh"][..], r#"{"env": {"A": "1"}}"#, Some(Change::Added("b.txt".to_owned()))),
        (&["run.sh"], r#"{"env": {"A": "1"}}"#, Some(Change::Removed("a.txt".to_owned()))),
        (&["a.txt", "run.sh"], r#"{"env": {"A": "2"}}"#, Some(Change::Setting("env"))),
        (&["a.txt", "run.sh"], r#"{"env": {"A": "1"}, "args": ["x"]}"#, Some(Change::Setting("args"))),
        (&["a.txt", "run.sh"], r#"{"env": {"A": "1"}, "is_in_place": true}"#, Some(Change::Setting("is_in_place"))),
        (&["a.txt", "run.sh"], r#"{"env": {"A": "1"}, "command": ["node"]}"#, Some(Change::Script("node".to_owned()))),
        (&["a.txt", "run.sh"], r#"{"env": {"A": "1"}, "description": "x"}"#, None),
    ] {
        let new = job_with(files, settings);
        assert_eq!(what_changed(&base, &new), expected, "{files:?} {settings}");
        assert_eq!(base.content == new.content, expected.is_none(), "{files:?} {settings}");
    }
    let mut listing = folder(&["a.txt", "run.sh"]);
    listing.settings.insert("settings.job".to_owned(), r#"{"env": {"A": "1"}}"#.to_owned());
    put(&mut listing, "a.txt", PLAIN, "new");
    put(&mut listing, "run.sh", X, "");
    assert_eq!(what_changed(&base, &job_of(&listing)), Some(Change::Mode("run.sh".to_owned())));
    put(&mut listing, "run.sh", PLAIN, "new");
    let change = what_changed(&base, &job_of(&listing)).expect("a change");
    assert_eq!(change.to_string(), "`run.sh` changed");
}

#[test]
fn a_job_that_writes_into_its_own_folder_is_not_restarted_by_it() {
    let mut listing = folder(&["run.js", "count", "app.log", "config.json"]);
    let before = job_of(&listing);
    for path in ["count", "app.log", "new.json", "logs/a.json", "started.txt"] {
        put(&mut listing, path, PLAIN, "written");
        assert_eq!(what_changed(&before, &job_of(&listing)), None, "{path}");
    }
    put(&mut listing, "config.json", PLAIN, "deployed");
    assert_eq!(what_changed(&before, &job_of(&listing)), Some(Change::Changed("config.json".to_owned())));
    assert!(!is_output("lib/index.js") && !is_output("views/mail.html") && is_output(".last_run"));
}

proptest! {
    #[test]
    fn discovery_never_fails_and_never_says_nothing(
        files in prop::collection::btree_map("[a-c]{0,2}(/|run)?\\.?(sh|py|js|cmd|dll|exe|job|so|[a-zß ]{0,3})?", (any::<u16>(), any::<Vec<u8>>(), 0_u8..6), 0..8),
        settings in prop::option::of("[{}a-z\":]{0,10}"),
    ) {
        let mut listing = folder(&[]);
        for (path, (mode, head, kind)) in files {
            put(&mut listing, &path, u32::from(mode), "");
            let entry = listing.entries.get_mut(&path).expect("just put");
            entry.kind = match kind {
                0 => EntryKind::Folder,
                1 => EntryKind::Other,
                2 => EntryKind::Link(LinkTo::Outside),
                3 => EntryKind::Link(LinkTo::File),
                _ => EntryKind::File,
            };
            listing.heads.insert(path, head);
        }
        listing.settings.extend(settings.map(|text| ("settings.job".to_owned(), text)));
        let found = discover(&listing, &AROUND.all());
        prop_assert_eq!(found.job.is_some(), !found.problems.iter().any(|problem| problem.fatal));
        prop_assert!(found.job.is_none_or(|job| !job.script.program.is_empty()));
        let fatal: Vec<_> = found.problems.iter().map(|problem| problem.fatal).collect();
        prop_assert!(fatal.is_sorted_by_key(|fatal| !fatal));
    }
}

struct Around;
const AROUND: Around = Around;

impl Around {
    fn all(&self) -> Surroundings<'static> {
        Surroundings { exists: &|_| true, ..self.of(&[]) }
    }

    fn of(&self, installed: &'static [&'static str]) -> Surroundings<'static> {
        let mut interpreters = Interpreters { windows: false, ..Interpreters::default() };
        interpreters.by_extension.insert("lua".to_owned(), vec!["lua".to_owned()]);
        let interpreters: &'static Interpreters = Box::leak(Box::new(interpreters));
        let exists: &'static dyn Fn(&str) -> bool = Box::leak(Box::new(|program: &str| installed.contains(&program)));
        Surroundings { interpreters, exists, hash: &hash, read_settings: &read_settings, share: &Arc::new }
    }
}

/// Not a good hash, but equal bytes are equal and these tests' contents differ.
fn hash(bytes: &[u8]) -> ContentHash {
    let mix = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
    ContentHash(bytes.iter().fold(0x6c62_272e, mix).to_be_bytes())
}

fn read_settings(text: &str, _: JobKind) -> ReadSettings {
    let Ok(Value::Object(map)) = serde_json::from_str(text) else {
        let problem = problem("settings_syntax", None, "not an object".to_owned(), true);
        return (Settings::default(), Map::new(), vec![problem]);
    };
    let words = |key: &str| map.get(key).and_then(|value| serde_json::from_value::<Vec<String>>(value.clone()).ok());
    let settings = Settings {
        command: words("command"),
        args: words("args").unwrap_or_default(),
        env: map.get("env").and_then(|env| serde_json::from_value(env.clone()).ok()).unwrap_or_default(),
        env_file: map.get("env_file").and_then(Value::as_str).map(str::to_owned),
        is_in_place: map.get("is_in_place").and_then(Value::as_bool),
        ..Settings::default()
    };
    (settings, map, Vec::new())
}

pub(super) fn folder(files: &[&str]) -> FolderListing {
    let id = JobId { kind: JobKind::Continuous, name: JobName::parse("j").expect("a name") };
    let mut listing = FolderListing::empty(id, Path::new("/jobs/continuous/j").into());
    for file in files {
        put(&mut listing, file, PLAIN, "");
        for (slash, _) in file.match_indices('/') {
            let entry = Entry { kind: EntryKind::Folder, size: 0, mode: X, hash: ContentHash([0; 16]) };
            listing.entries.insert(file[..slash].to_owned(), entry);
        }
        if listing::is_settings(file.rsplit('/').next().expect("a name")) {
            listing.settings.insert((*file).to_owned(), "{}".to_owned());
        }
    }
    listing
}

pub(super) fn put(listing: &mut FolderListing, path: &str, mode: u32, text: &str) {
    let mut hash = [0; 16];
    hash.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    let entry = Entry { kind: EntryKind::File, size: text.len() as u64, mode, hash: ContentHash(hash) };
    listing.entries.insert(path.to_owned(), entry);
    listing.heads.insert(path.to_owned(), text.as_bytes().to_vec());
}

pub(super) fn job_of(listing: &FolderListing) -> Arc<Job> {
    let found = discover(listing, &AROUND.all());
    found.job.unwrap_or_else(|| panic!("{:?}", found.problems))
}

fn job_with(files: &[&str], settings: &str) -> Arc<Job> {
    let mut listing = folder(files);
    listing.settings.insert("settings.job".to_owned(), settings.to_owned());
    job_of(&listing)
}

fn run_command(found: &Found) -> &str {
    found.job.as_ref().map_or("", |job| job.script.run_command.as_str())
}

fn codes(found: &Found) -> Vec<&str> {
    codes_of(&found.problems)
}

fn codes_of(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.code.as_str()).collect()
}

fn own(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
