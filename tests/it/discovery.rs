//! From folders to jobs: what runs, what is wrong with what does not, and how folders may come, change and go.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    ask::{encode, run_with, text, until_problem},
    world::{Host, Root, eventually},
};

const FOREVER: &str = "#!/bin/bash\necho up\nexec sleep 1000\n";

/// Names and texts.
type Files<'a> = &'a [(&'a str, &'a str)];

fn output(root: &Root, name: &str, run: &Value) -> String {
    root.read(&format!("data/jobs/triggered/{name}/{}/output_log.txt", text(&run["id"])))
}

fn mode(root: &Root, below: &str, mode: u32) {
    fs::set_permissions(root.path(below), fs::Permissions::from_mode(mode)).expect("its mode is set");
}

#[test]
fn the_file_that_runs_is_chosen_as_kudu_does() {
    let root = Root::new();
    let say = |what: &str| format!("#!/bin/bash\necho \"says {what}\"\n");
    let (run_sh, other_sh) = (say("sh"), say("other"));
    let python = "print('says py')\n";
    let look = "#!/bin/bash\necho \"says $(cat beside.txt) $ONE\"\n";
    let cases: &[(&str, Files, &str, &str)] = &[
        ("run-first", &[("a.sh", other_sh.as_str()), ("run.py", python)], "run.py", "py"),
        ("by-kind", &[("b.sh", run_sh.as_str()), ("a.py", python)], "b.sh", "sh"),
        ("by-name", &[("z.sh", other_sh.as_str()), ("A.sh", run_sh.as_str())], "A.sh", "sh"),
        (
            "descent",
            &[
                ("in/deep/run.sh", look),
                ("in/deep/beside.txt", "near"),
                ("in/deep/settings.job", r#"{"env": {"ONE": "1"}}"#),
            ],
            "in/deep/run.sh",
            "near 1",
        ),
        ("native", &[("tool", run_sh.as_str()), ("notes.txt", "")], "tool", "sh"),
        ("windows", &[("run.cmd", "echo"), ("go.sh", run_sh.as_str())], "go.sh", "sh"),
        ("case", &[("Run.SH", run_sh.as_str()), ("a.sh", other_sh.as_str())], "Run.SH", "sh"),
        (
            "command",
            &[
                ("run.sh", other_sh.as_str()),
                ("settings.job", r#"{"command": ["bash", "-c", "echo says $0 $1", "own"], "args": ["x y"]}"#),
            ],
            "bash -c echo says $0 $1 own",
            "own x y",
        ),
    ];
    for (name, files, ..) in cases {
        root.job(&format!("triggered/{name}"), files);
    }
    let host = root.host();
    for (name, _, command, said) in cases {
        assert_eq!(host.job(&format!("triggered/{name}"))["run_command"], *command, "{name}");
        let run = run_with(&host, name, "");
        let log = output(&root, name, &run);
        assert!(log.contains(&format!(": INFO] says {said}\n")), "{name}: {log}");
    }
    until_problem(&host, "triggered/windows", "script_passed_over");
}

#[test]
fn a_folder_that_cannot_run_is_listed_with_what_is_wrong() {
    let root = Root::new();
    let good = "#!/bin/bash\n";
    let cases: &[(&str, &str, Files)] = &[
        ("empty", "no_script", &[("notes.md", "")]),
        ("stray", "no_script", &[("settings.job", "{}"), ("inner/run.sh", good)]),
        ("windows", "no_script", &[("run.cmd", "echo")]),
        ("returns", "crlf_first_line", &[("run.sh", "#!/bin/bash\r\necho\r\n")]),
        ("nobody", "missing_interpreter", &[("run.sh", "#!/usr/bin/no-such-shell\n")]),
        ("through-env", "missing_interpreter", &[("run.sh", "#!/usr/bin/env no-such-shell\n")]),
        ("no-mode", "missing_execute_bit", &[("tool", good)]),
        ("no-env", "env_file_missing", &[("run.sh", good), ("settings.job", r#"{"env_file": "x.env"}"#)]),
        ("far-env", "env_file_outside", &[("run.sh", good), ("settings.job", r#"{"env_file": "../../x.env"}"#)]),
        ("far", "command_outside", &[("run.sh", good), ("settings.job", r#"{"command": ["../../x"]}"#)]),
        ("broken", "bad_syntax", &[("run.sh", good), ("settings.job", "{\n\"args\": [\n}")]),
    ];
    for (name, _, files) in cases {
        root.job(&format!("triggered/{name}"), files);
    }
    mode(&root, "jobs/triggered/no-mode/tool", 0o644);
    let host = root.host();
    let listed = host.get("/api/triggeredwebjobs").json();
    let listed = listed.as_array().expect("jobs");
    assert_eq!(listed.len(), cases.len());
    for (name, code, _) in cases {
        let problem = until_problem(&host, &format!("triggered/{name}"), code);
        assert_eq!(problem["fatal"], true, "{problem}");
        let kudu = listed.iter().find(|job| job["name"] == *name).expect("it is listed");
        assert!(text(&kudu["error"]).contains(text(&problem["message"])), "{name}: {kudu}");
        assert_eq!(host.job(&format!("triggered/{name}"))["state"], "problem", "{name}");
        assert_eq!(host.post(&format!("/api/triggeredwebjobs/{name}/run")).status, 409, "{name}");
    }
    // What is mended runs.
    mode(&root, "jobs/triggered/no-mode/tool", 0o755);
    root.write("jobs/triggered/returns/run.sh", good);
    for name in ["no-mode", "returns"] {
        host.until_state(&format!("triggered/{name}"), "idle");
        assert_eq!(run_with(&host, name, "")["outcome"], "succeeded");
    }
}

#[test]
fn keys_that_are_unknown_are_warned_of_and_planned_ones_refused() {
    let root = Root::new();
    let settings = |text: &str| [("run.sh", FOREVER.to_owned()), ("settings.job", text.to_owned())];
    for (name, text) in [("unknown", r#"{"colour": "red"} // why not"#), ("planned", r#"{"user": "nobody"}"#)] {
        let files = settings(text);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        root.job(&format!("continuous/{name}"), &files);
    }
    let host = root.host();
    let unknown = host.until_state("continuous/unknown", "running");
    assert_eq!(unknown["problems"][0]["fatal"], false);
    assert!(text(&unknown["problems"][0]["message"]).contains("colour"), "{unknown}");
    assert_eq!(host.get("/api/continuouswebjobs/unknown/settings").json()["colour"], "red");
    let planned = host.until_state("continuous/planned", "problem");
    assert!(text(&planned["problems"][0]["message"]).contains("not supported yet"), "{planned}");
    let kudu = host.get("/api/continuouswebjobs/planned").json();
    assert_eq!(kudu["status"], "Stopped");
    assert!(text(&kudu["error"]).contains("not supported yet"), "{kudu}");
}

#[test]
fn any_name_is_a_job_and_one_name_may_be_two() {
    let root = Root::new();
    let script = "#!/bin/bash\necho \"i am $WEBJOBS_NAME in $PWD\"\n";
    let names = ["with space", "daas(sitepinger)", "größe-日本", "Xyz.WebJob", "a'b\"c$d"];
    for name in names {
        root.job(&format!("triggered/{name}"), &[("run.sh", script)]);
    }
    root.job("continuous/Xyz.WebJob", &[("run.sh", FOREVER)]);
    let host = root.host();
    for name in names {
        let run = run_with(&host, name, "");
        assert_eq!(run["outcome"], "succeeded", "{name}: {run}");
        assert!(output(&root, name, &run).contains(&format!("i am {name} in ")), "{name}");
        let kudu = host.get(&format!("/api/triggeredwebjobs/{}", encode(name))).json();
        assert_eq!(kudu["name"], name);
        let url = text(&kudu["latest_run"]["output_url"]).to_owned();
        let path = url.split_once(&host.address).expect("a link to here").1.to_owned();
        assert!(host.get(&path).text().contains("i am "), "{url}");
    }
    host.until_state("continuous/Xyz.WebJob", "running");
    assert_eq!(host.get("/api/webjobs").json().as_array().map(Vec::len), Some(names.len() + 1));
}

#[test]
fn a_job_that_is_dropped_file_by_file_is_not_started_half() {
    let root = Root::new();
    let host = root.host();
    let whole = (0..20).find_map(|n| drop_slowly(&root, &host, &format!("slow{n}")));
    let log = whole.expect("one of many is written without a pause");
    assert!(!log.contains("half"), "{log}");
}

/// Writes a job piece by piece, and gives its log; `None` when the machine made a longer pause than a copy makes.
fn drop_slowly(root: &Root, host: &Host, name: &str) -> Option<String> {
    let folder = root.path(&format!("jobs/continuous/{name}"));
    let script = "#!/bin/bash\n[ -e last ] && [ $(cat big | wc -l) = 30 ] && echo whole || echo half\nsleep 1000\n";
    let mut gaps = Gaps::start();
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("run.sh"), script).expect("the script");
    let mut big = fs::File::create(folder.join("big")).expect("a file");
    for _ in 0..30 {
        writeln!(big, "one more").expect("a line");
        gaps.wait(Duration::from_millis(40));
    }
    drop(big);
    fs::write(folder.join("last"), "").expect("the last file");
    gaps.note();
    host.until_state(&format!("continuous/{name}"), "running");
    let log = eventually("whole", || Some(root.job_log(name)).filter(|log| log.contains(": INFO] whole")));
    (gaps.longest < Duration::from_millis(120)).then_some(log)
}

/// The pauses of a writer.
struct Gaps {
    last: Instant,
    longest: Duration,
}

#[expect(clippy::disallowed_methods, reason = "it measures whether the writer itself was held up")]
impl Gaps {
    fn start() -> Self {
        Self { last: Instant::now(), longest: Duration::ZERO }
    }

    fn note(&mut self) {
        self.longest = self.longest.max(self.last.elapsed());
        self.last = Instant::now();
    }

    fn wait(&mut self, pause: Duration) {
        eventually("a pause", || (self.last.elapsed() >= pause).then_some(()));
        self.note();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a copy as people make it")]
fn a_copied_folder_of_many_files_runs_whole() {
    let root = Root::new();
    let host = root.host();
    for n in 0..200 {
        root.write(&format!("stage/lib/part-{n}.txt"), "text");
    }
    root.write("stage/run.sh", "#!/bin/bash\necho \"files=$(ls lib | wc -l)\"\nexec sleep 1000\n");
    let copied = Command::new("cp").arg("-r").arg(root.path("stage")).arg(root.path("jobs/continuous/copied")).status();
    assert!(copied.expect("cp runs").success());
    eventually("all files", || root.job_log("copied").contains(": INFO] files=200").then_some(()));
    host.until_state("continuous/copied", "running");
}

#[test]
fn three_hundred_folders_that_come_at_once_all_run() {
    let root = Root::new();
    let host = root.host();
    for n in 0..300 {
        root.job(
            &format!("triggered/job-{n}"),
            &[("run.sh", "#!/bin/bash\n"), ("settings.job", r#"{"run_on_start": true}"#)],
        );
    }
    let ended = |jobs: &Value| {
        let all = jobs.as_array().expect("jobs");
        all.iter().filter(|job| job["latest"]["outcome"] == "succeeded").count()
    };
    eventually("all are known", || (host.get("/api/v1/jobs").json().as_array()?.len() == 300).then_some(()));
    for n in 0..300 {
        if host.job(&format!("triggered/job-{n}"))["latest"].is_null() {
            host.run(&format!("job-{n}"));
        }
    }
    eventually("all have run", || (ended(&host.get("/api/v1/jobs").json()) == 300).then_some(()));
}

#[test]
fn the_folder_of_jobs_may_go_and_come_back() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", FOREVER)]);
    let host = root.host();
    let first = host.until_state("continuous/worker", "running")["copies"][0]["run"].clone();
    fs::rename(root.path("jobs"), root.path("away")).expect("it is moved away");
    eventually("no job", || (host.get("/api/v1/jobs").json() == Value::Array(Vec::new())).then_some(()));
    root.write("jobs/continuous/other/run.sh", FOREVER);
    host.until_state("continuous/other", "running");
    fs::rename(root.path("away/continuous/worker"), root.path("jobs/continuous/worker")).expect("it is moved back");
    assert_ne!(host.until_state("continuous/worker", "running")["copies"][0]["run"], first);
    fs::remove_dir_all(root.path("jobs/continuous/other")).expect("it is removed");
    eventually("it is gone", || (host.get("/api/v1/jobs/continuous/other").status == 404).then_some(()));
}

#[test]
fn links_stay_links_and_a_linked_folder_is_a_job() {
    let root = Root::new();
    root.write("outside/secret.txt", "secret");
    root.write("outside/whole/run.sh", "#!/bin/bash\necho whole\n");
    root.write("stage/run.sh", "#!/bin/bash\ncat near.txt\nreadlink far.txt\n");
    root.write("stage/text.txt", "near\n");
    symlink("text.txt", root.path("stage/near.txt")).expect("a link");
    symlink(root.path("outside/secret.txt"), root.path("stage/far.txt")).expect("a link");
    fs::rename(root.path("stage"), root.path("jobs/triggered/links")).expect("it is moved in");
    let host = root.host();
    let problem = until_problem(&host, "triggered/links", "link_outside");
    assert_eq!((&problem["fatal"], &problem["file"]), (&false.into(), &"far.txt".into()));
    let log = output(&root, "links", &run_with(&host, "links", ""));
    assert!(log.contains(": INFO] near\n") && log.contains("/outside/secret.txt\n"), "{log}");
    for path in ["/api/vfs/jobs/triggered/links/far.txt", "/vfs/jobs/triggered/links/far.txt"] {
        assert!(!host.get(path).text().contains("secret"), "{path}");
    }
    symlink(root.path("outside/whole"), root.path("jobs/triggered/linked")).expect("a link");
    host.until_state("triggered/linked", "idle");
    assert!(output(&root, "linked", &run_with(&host, "linked", "")).contains(": INFO] whole"));
    root.write("outside/whole/run.sh", "#!/bin/bash\necho other\n");
    eventually("its change is seen", || {
        output(&root, "linked", &run_with(&host, "linked", "")).contains(": INFO] other").then_some(())
    });
}

#[test]
fn a_run_sees_its_variables_and_its_place() {
    let root = Root::new();
    let script = "#!/bin/bash\necho \"A=$A B=$B C=$C\"\necho \"in $PWD of $WEBJOBS_PATH\"\n";
    let settings = |in_place: bool| {
        format!(r#"{{"env_file": "conf/my.env", "env": {{"B": "settings"}}, "is_in_place": {in_place}}}"#)
    };
    for (name, in_place) in [("here", true), ("copy", false)] {
        let files = [
            ("run.sh", script),
            ("conf/my.env", "# mine\nA=file\nB=file\nexport C=\"two words\"\n"),
            ("settings.job", &settings(in_place)),
        ];
        root.job(&format!("triggered/{name}"), &files);
    }
    let host = root.host();
    for (name, in_place) in [("here", true), ("copy", false)] {
        let log = output(&root, name, &run_with(&host, name, ""));
        assert!(log.contains("A=file B=settings C=two words\n"), "{log}");
        let place = root.path(&format!("jobs/triggered/{name}"));
        let own = format!("in {0} of {0}\n", place.display());
        assert_eq!(log.contains(&own), in_place, "{log}");
    }
}

#[test]
fn a_broken_change_does_not_end_the_good_version() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\necho one\nexec sleep 1000\n")]);
    let host = root.host();
    let run = |host: &Host| host.job("continuous/worker")["copies"][0]["run"].clone();
    host.until_state("continuous/worker", "running");
    let first = run(&host);
    root.write("jobs/continuous/worker/settings.job", r#"{"is_singleton": "yes"}"#);
    eventually("a problem", || {
        host.job("continuous/worker")["problems"].as_array()?.iter().any(|one| one["fatal"] == true).then_some(())
    });
    assert_eq!(host.job("continuous/worker")["state"], "running");
    assert_eq!(run(&host), first);
    assert!(host.get("/api/continuouswebjobs/worker").json()["error"].is_string());
    root.write("jobs/continuous/worker/run.sh", "#!/bin/bash\necho two\nexec sleep 1000\n");
    root.write("jobs/continuous/worker/settings.job", "{}");
    eventually("the new version", || root.job_log("worker").contains(": INFO] two").then_some(()));
    assert!(root.job_log("worker").contains("refreshing WebJob: "));
    host.until_state("continuous/worker", "running");
    assert_eq!(host.get("/api/continuouswebjobs/worker").json()["error"], Value::Null);
}
