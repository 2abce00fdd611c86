//! Probes and everybody else, before every job is known.

use super::*;

#[tokio::test]
async fn before_every_job_is_known_only_probes_are_answered() {
    let site = Site::unready();
    let open = |path| site.send(Method::GET, path, &[("authorization", "none")], "");
    assert_eq!(open("/healthz").await.status, 200);
    let readyz = open("/readyz").await;
    assert_eq!(readyz.status, 503);
    assert_eq!(readyz.body, "the job folders are being read for the first time\n");
    let jobs = site.get("/api/v1/jobs");
    tokio::pin!(jobs);
    // Whoever asks for jobs waits: many other answers come first.
    for _ in 0..10 {
        tokio::select! {
            biased;
            _ = &mut jobs => panic!("an answer came before the jobs were known"),
            probe = open("/healthz") => assert_eq!(probe.status, 200),
        }
    }
    site.api.handle.view().publish_ready();
    assert_eq!(jobs.await.status, 200);
}
