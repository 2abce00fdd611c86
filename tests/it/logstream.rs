//! Lines as they come, of all files below `LogFiles` and of one job, in Kudu's words.

use std::fs;

use crate::{
    stream::follow,
    world::{Root, eventually},
};

const WELCOME: &str = "  Welcome, you are now connected to log-streaming service. The default timeout is 2 hours. Change the \
                       timeout with the App Setting SCM_LOGSTREAM_TIMEOUT (in seconds). \n";

/// Prints one line for each file that appears in its data folder.
const ECHO: &str = "#!/bin/bash\ncd \"$WEBJOBS_DATA_PATH\"\nn=1\nwhile :; do\n\
                    until [ -e go$n ]; do sleep 0.05; done; echo \"line $n\"; n=$((n+1))\ndone\n";

fn go(root: &Root, n: u32) {
    root.write(&format!("data/jobs/continuous/web/go{n}"), "");
}

#[test]
fn the_application_log_is_written_while_somebody_follows_it() {
    let root = Root::new();
    root.job("continuous/web", &[("run.sh", ECHO)]);
    let host = root.host();
    go(&root, 1);
    eventually("a line nobody follows", || root.job_log("web").contains(": INFO] line 1").then_some(()));
    let all = follow(&root, &host, "/api/logstream");
    all.until(WELCOME);
    let app = follow(&root, &host, "/logstream/application?filter=LINE%203");
    app.until(WELCOME);
    go(&root, 2);
    all.until(": INFO] continuous/web: line 2\n");
    go(&root, 3);
    app.until(": INFO] continuous/web: line 3\n");
    assert!(!app.text().contains("line 2") && !all.text().contains("line 1"));
    fs::create_dir(root.path("data/LogFiles/mine")).expect("a folder");
    fs::write(root.path("data/LogFiles/mine/new.txt"), "by hand\n").expect("it is written");
    fs::write(root.path("data/LogFiles/mine/new.bin"), "not this\n").expect("it is written");
    all.until("by hand\n");
    let log = host.get("/api/vfs/LogFiles/Application/application.log").text();
    assert!(log.contains("continuous/web: line 2\n") && !log.contains("line 1"), "{log}");
    assert_eq!(host.stop().code(), Some(0));
    let text = all.all();
    assert!(text.contains("\n\n20"), "an empty line before the end: {text}");
    assert!(
        text.contains("  The log-streaming session has ended. Please reconnect to continue streaming logs.\n"),
        "{text}"
    );
    assert!(!text.contains("not this"), "{text}");
}

#[test]
fn the_log_of_one_job_is_followed() {
    let root = Root::new();
    root.job("continuous/web", &[("run.sh", ECHO)]);
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\necho \"ran $WEBJOBS_RUN_ID\"\n")]);
    let host = root.host();
    let (web, report) = (
        follow(&root, &host, "/api/logstream/jobs/continuous/WEB"),
        follow(&root, &host, "/logstream/jobs/triggered/report"),
    );
    web.until(WELCOME);
    report.until(WELCOME);
    go(&root, 1);
    web.until(": INFO] line 1\n");
    for _ in 0..2 {
        let run = host.run("report");
        report.until(&format!(": INFO] ran {run}\n"));
        host.until_ended("triggered/report", &run);
    }
    for path in ["jobs/continuous/nothing", "jobs/nightly/web", "jobs", "..%2f..", "%2e%2e/webjobd"] {
        assert_eq!(host.get(&format!("/api/logstream/{path}")).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(host.send(method, "/api/logstream", &[], b"").status, 400, "{method}");
    }
}

#[test]
fn a_stream_ends_at_its_time_limit() {
    let root = Root::new();
    let host = root.host_with(&[], &[("SCM_LOGSTREAM_TIMEOUT", "1")]);
    let text = follow(&root, &host, "/api/logstream").all();
    assert!(text.contains("  The log-streaming session has ended due to timeout 0 min(s).\n"), "{text}");
}

#[test]
fn the_application_log_is_written_all_the_time_where_it_is_wanted() {
    let root = Root::new();
    root.write("webjobd.toml", "application_log = true\nlog_triggered_to_app_logs = true\n");
    root.job("triggered/report", &[("run.sh", "#!/bin/sh\necho out\necho err >&2\n")]);
    let host = root.host();
    let run = host.run("report");
    host.until_ended("triggered/report", &run);
    eventually("both lines", || {
        let log = root.read("data/LogFiles/Application/application.log");
        (log.contains(": INFO] triggered/report: out\n") && log.contains(": ERR ] triggered/report: err\n"))
            .then_some(())
    });
}
