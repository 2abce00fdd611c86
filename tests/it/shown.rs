//! What is shown of runs and due times: of other hosts' too, and of the version that is in use.

use crate::world::{Host, Root, eventually};

const DONE: &str = "#!/bin/sh\necho done\n";

fn host(root: &Root, name: &str) -> Host {
    let temp = root.path(&format!("tmp-{name}"));
    root.host_with(&["--instance", name, "--temp", temp.to_str().expect("a path")], &[])
}

/// Waits until every way to see a job's newest run shows this one.
#[track_caller]
fn until_latest(host: &Host, name: &str, run: &str) {
    eventually(&format!("{run} is the newest"), || {
        let kudu = host.get(&format!("/api/triggeredwebjobs/{name}")).json()["latest_run"]["id"].clone();
        let list = host.get("/api/triggeredwebjobs").json()[0]["latest_run"]["id"].clone();
        let own = host.job(&format!("triggered/{name}"))["latest"]["id"].clone();
        let owns = host.get("/api/v1/jobs").json()[0]["latest"]["id"].clone();
        [kudu, list, own, owns].iter().all(|id| id == run).then_some(())
    });
}

#[test]
fn a_run_on_one_host_is_the_last_run_on_all() {
    let root = Root::new();
    root.job("triggered/report", &[("run.sh", DONE)]);
    let (a, b) = (host(&root, "a"), host(&root, "b"));
    let first = a.run("report");
    a.until_ended("triggered/report", &first);
    until_latest(&b, "report", &first);
    let tag = b.get("/api/triggeredwebjobs").header("etag").map(str::to_owned);
    let second = a.run("report");
    a.until_ended("triggered/report", &second);
    until_latest(&b, "report", &second);
    assert_ne!(b.get("/api/triggeredwebjobs").header("etag").map(str::to_owned), tag);
    assert!(a.stop().success());
    let third = b.run("report");
    b.until_ended("triggered/report", &third);
    let a = host(&root, "a");
    let fourth = b.run("report");
    b.until_ended("triggered/report", &fourth);
    assert!(b.stop().success());
    // The other one is gone; its last run is not.
    until_latest(&a, "report", &fourth);
}
