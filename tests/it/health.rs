//! How the host is, for those who watch it: probes, numbers, the service manager.

use std::{fs, os::unix::net::UnixDatagram, time::Duration};

use crate::world::{Root, eventually, request};

#[test]
fn probes_need_no_login_and_nothing_else_is_served_without_one() {
    let root = Root::new();
    let host = root.host();
    for (path, status, body) in [("/healthz", 200, "ok\n"), ("/readyz", 200, "ready\n"), ("/metrics", 401, "")] {
        let answer = request(&host.address, "GET", path, &[], b"");
        assert_eq!(answer.status, status, "{path}");
        assert!(body.is_empty() || answer.text() == body, "{path}: {}", answer.text());
    }
}

#[test]
fn a_host_with_nothing_to_do_gives_back_the_pages_of_its_program() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\nexec sleep 1000\n")]);
    let host = root.host();
    host.until_state("continuous/worker", "running");
    let mappings = format!("/proc/{}/smaps", host.pid());
    eventually("most of the code is unmapped", || {
        let text = fs::read_to_string(&mappings).expect("it lives");
        let (size, resident) = code_kib(&text);
        (resident * 2 < size).then_some(())
    });
    // It is all there when it is needed.
    assert_eq!(host.get("/api/webjobs").status, 200);
    assert_eq!(host.stop().code(), Some(0));
}

/// Adds up how large the code of the program is, and how much of it is in memory, in KiB.
fn code_kib(mappings: &str) -> (u64, u64) {
    let mut is_code = false;
    let mut sums = (0, 0);
    for line in mappings.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["Size:", size, "kB"] if is_code => sums.0 += size.parse::<u64>().expect("a number"),
            ["Rss:", size, "kB"] if is_code => sums.1 += size.parse::<u64>().expect("a number"),
            // The path may have blanks.
            [_, rights, _, _, _, .., path] => is_code = rights == "r-xp" && path.ends_with("/webjobd"),
            _ => {}
        }
    }
    assert!(sums.0 > 0, "no code in\n{mappings}");
    sums
}

#[test]
fn numbers_are_open_to_this_machine_where_the_settings_say_so() {
    let root = Root::new();
    let host = root.host_with(&[], &[("WEBJOBD_OPEN_METRICS", "1")]);
    let status = |method: &str, path: &str| request(&host.address, method, path, &[], b"").status;
    assert_eq!(status("GET", "/metrics"), 200);
    assert_eq!((status("POST", "/metrics"), status("GET", "/api/webjobs")), (401, 401));
}

#[test]
fn a_data_folder_that_takes_no_file_is_not_ready_and_alive_all_the_same() {
    let root = Root::new();
    let host = root.host_with(&["--instance", "a"], &[]);
    // Something else in the place of its file: a folder that is only missing may be made anew, as for the index.
    let probe = root.path("data/webjobd/hosts/a/probe");
    let _ = fs::remove_file(&probe);
    fs::create_dir(&probe).expect("the place is free");
    let answer = request(&host.address, "GET", "/readyz", &[], b"");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), "the data folder takes no file: Is a directory (os error 21)\n");
    assert_eq!(request(&host.address, "GET", "/healthz", &[], b"").status, 200);
    fs::remove_dir(&probe).expect("it goes");
    assert_eq!(request(&host.address, "GET", "/readyz", &[], b"").status, 200);
}

#[test]
fn numbers_tell_of_runs_and_of_what_runs() {
    let root = Root::new();
    root.job("continuous/worker", &[("run.sh", "#!/bin/bash\necho up\nexec sleep 1000\n")]);
    root.job("triggered/report", &[("run.sh", "#!/bin/bash\necho done\nexit 3\n")]);
    let host = root.host();
    host.until_state("continuous/worker", "running");
    let run = host.run("report");
    host.until_ended("triggered/report", &run);
    let answer = host.get("/metrics");
    let media = answer.header("content-type").expect("a type");
    assert_eq!(media, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text();
    for line in [
        r#"webjobd_job_state{job="worker",kind="continuous",state="running"} 1"#,
        r#"webjobd_job_state{job="report",kind="triggered",state="idle"} 1"#,
        r#"webjobd_run_total{job="report",kind="triggered",outcome="failed",trigger="api"} 1"#,
        "webjobd_runs_running 1",
        "webjobd_survivors_total 0",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is missing in\n{text}");
    }
    let number = |name: &str, labels: &str| -> f64 {
        let begin = format!("{name}{{{labels}}} ");
        let line = text.lines().find(|line| line.starts_with(&begin)).expect(name);
        line[begin.len()..].parse().expect("a number")
    };
    assert!(number("webjobd_job_memory_bytes", r#"job="worker",kind="continuous""#) > 10_000.0);
    assert!(number("webjobd_log_bytes_total", r#"job="report",kind="triggered""#) > 5.0);
    fs::remove_dir_all(root.path("jobs/triggered/report")).expect("it goes");
    eventually("its numbers go", || (!host.get("/metrics").text().contains("\"report\"")).then_some(()));
}

#[test]
fn restarts_without_delay_are_counted_by_the_end_that_they_follow() {
    let root = Root::new();
    let script = "#!/bin/bash\ncd \"$WEBJOBS_DATA_PATH\"\necho >> lives\n\
                  [ $(wc -l < lives) -gt 3 ] && exec sleep 1000\nexit 3\n";
    root.job("continuous/loop", &[("run.sh", script)]);
    let host = root.host_with(&[], &[("WEBJOBS_RESTART_TIME", "0")]);
    let counted = eventually("three restarts", || {
        let text = host.get("/metrics").text();
        let lines = text.lines().filter(|line| line.starts_with("webjobd_job_restarts_total{"));
        let counted: Vec<_> = lines.map(str::to_owned).collect();
        counted.iter().any(|line| line.ends_with(" 3")).then_some(counted)
    });
    assert_eq!(counted, [r#"webjobd_job_restarts_total{job="loop",kind="continuous",reason="failed"} 3"#]);
    let ended = || host.runs("continuous/loop").iter().filter(|run| run["outcome"] == "failed").count();
    eventually("three lives are closed", || (ended() == 3).then_some(()));
}

#[test]
fn a_host_has_room_for_many_open_files_from_the_start() {
    let root = Root::new();
    let host = root.host();
    let number = |file: &str, name: &str| -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", host.pid())).expect("what the kernel tells");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        let number = line.split_whitespace().next().expect("a number");
        // No limit at all is told by a word.
        number.parse().unwrap_or(u64::MAX)
    };
    let (room, limit) = (number("status", "FDSize:"), number("limits", "Max open files"));
    assert!(room >= limit.min(8192), "{room} of {limit}");
}

#[test]
fn a_service_manager_hears_when_the_host_is_ready_alive_reads_again_and_stops() {
    let root = Root::new();
    let heard = root.path("notify");
    let socket = UnixDatagram::bind(&heard).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a bound");
    let heard = heard.to_str().expect("a path").to_owned();
    let host = root.host_with(&[], &[("NOTIFY_SOCKET", &heard), ("WATCHDOG_USEC", "200000")]);
    let until = |word: &str| {
        let mut buffer = [0; 4096];
        loop {
            let n = socket.recv(&mut buffer).expect("a message in time");
            if String::from_utf8_lossy(&buffer[..n]).lines().any(|line| line.starts_with(word)) {
                return;
            }
        }
    };
    until("READY=1");
    until("WATCHDOG=1");
    host.signal("HUP");
    until("RELOADING=1");
    until("READY=1");
    host.signal("TERM");
    until("STOPPING=1");
    assert!(host.stop().success());
}
