//! What hosts tell hooks of by themselves: failures, problems, missed runs, and by how many of them.

use serde_json::json;

use crate::{
    ask::text,
    hooks::hooked,
    receiver::Receiver,
    world::{Root, eventually},
};

const SAY: &str = "#!/bin/bash\necho said\n";

/// Writes a file at once, so that nobody sees a part of it.
fn replace(root: &Root, below: &str, text: &str) {
    root.write("replacement", text);
    std::fs::rename(root.path("replacement"), root.path(below)).expect("it is moved in");
}

#[test]
fn failed_lives_broken_folders_and_missed_runs_are_told() {
    let root = Root::new();
    let receiver = Receiver::start();
    let host = root.host();
    for event in ["ContinuousJobFailed", "JobProblem", "RunMissed"] {
        hooked(&host, &receiver.url("", &format!("/{event}")), event);
    }
    let told = |event: &str| {
        let line = format!("POST /{event} HTTP/1.1");
        receiver.got().into_iter().filter(|got| got.line() == line).map(|got| got.json()).collect::<Vec<_>>()
    };
    root.job(
        "continuous/bad",
        &[("run.sh", "#!/bin/bash\nexit 7\n"), ("settings.job", r#"{"restart":{"policy":"never"}}"#)],
    );
    host.refresh("continuous/bad");
    let failed = eventually("a failure is told", || told("ContinuousJobFailed").first().cloned());
    let base = format!("http://{}", host.address);
    assert_eq!(
        (&failed["job_name"], &failed["status"], &failed["exit_code"]),
        (&json!("bad"), &json!("Failed"), &json!(7))
    );
    assert_eq!(failed["url"], format!("{base}/api/continuouswebjobs/bad"));
    assert_eq!(failed["log_url"], format!("{base}/vfs/data/jobs/continuous/bad/job_log.txt"));
    root.job("triggered/empty", &[("readme.txt", "nothing runs here")]);
    host.refresh("triggered/empty");
    let problem = eventually("a problem is told", || told("JobProblem").first().cloned());
    assert_eq!((&problem["job_name"], &problem["job_type"]), (&json!("empty"), &json!("triggered")));
    assert_eq!(problem["problems"][0]["code"], "no_script");
    assert!(host.stop().success());
    root.job("triggered/late", &[("run.sh", SAY), ("settings.job", r#"{"schedule":"0 0 3 * * *","catch_up":"none"}"#)]);
    let served = json!({"served": "2020-01-01T00:00:00Z"}).to_string() + "\n";
    root.write("data/jobs/triggered/late/occurrences.jsonl", &served);
    let host = root.host();
    let missed = eventually("a missed run is told", || told("RunMissed").first().cloned());
    assert_eq!(missed["job_name"], "late");
    assert!(missed["count"].as_u64().is_some_and(|count| count > 1) && text(&missed["due"]).ends_with("Z"), "{missed}");
    // A problem is told once, over restarts too, until it is another.
    root.write("jobs/triggered/empty/run.sh", SAY);
    host.refresh("triggered/empty");
    host.until_state("triggered/empty", "idle");
    replace(&root, "jobs/triggered/empty/settings.job", r#"{"schedule": 7}"#);
    host.refresh("triggered/empty");
    let all = eventually("the next problem is told", || Some(told("JobProblem")).filter(|all| all.len() > 1));
    assert_eq!(all.len(), 2, "{all:?}");
}

#[test]
fn one_of_several_hosts_makes_a_delivery() {
    let root = Root::new();
    let host = |name: &str| {
        let temp = root.path(&format!("tmp-{name}"));
        root.host_with(&["--instance", name, "--temp", temp.to_str().expect("a path")], &[])
    };
    root.job("triggered/say", &[("run.sh", SAY)]);
    let (a, b) = (host("a"), host("b"));
    let receiver = Receiver::start();
    for event in ["JobProblem", "TriggeredJobFinished"] {
        hooked(&a, &receiver.url("", &format!("/{event}")), event);
    }
    let told = |line: &str| receiver.got().iter().filter(|got| got.line().contains(line)).count();
    for (n, text) in ["one", "two", "three"].iter().enumerate() {
        // Each time another problem.
        replace(&root, "jobs/triggered/say/settings.job", &format!("{{\"timeout\": \"{text}\"}}"));
        for host in [&a, &b] {
            host.refresh("triggered/say");
        }
        eventually("a problem is told", || (told("/JobProblem") > n).then_some(()));
        assert_eq!(told("/JobProblem"), n + 1);
    }
    let run = b.run("say");
    b.until_ended("triggered/say", &run);
    eventually("the run is told", || (told("/TriggeredJobFinished") == 1).then_some(()));
    eventually("both hosts show the same", || {
        let [a, b] = [&a, &b].map(|host| host.get("/api/hooks").json());
        (a == b && a.as_array().is_some_and(|all| all.len() == 2)).then_some(())
    });
}
