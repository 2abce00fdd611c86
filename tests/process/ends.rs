//! How a run ends: exits, signals, groups.

use std::{fs, io::Read};

use webjobd::{
    model::exit::{Exit, StopSignal},
    os::process::Outputs,
};

use crate::world::{FILE_LIMIT, World, eventually, is_alive, soon};

#[tokio::test]
async fn an_exit_code_is_reported_as_often_as_asked() {
    let world = World::new().await;
    let child = world.start("exit 3").await;
    for _ in 0..2 {
        assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Code(3));
    }
    let ended = soon("the end", child.finish()).await;
    assert!(ended.was_alone() && !ended.cpu.is_zero(), "a shell takes more than a microsecond: {ended:?}");
}

#[tokio::test]
async fn death_by_a_signal_is_told_from_an_exit_code() {
    let world = World::new().await;
    for (script, exit) in [("kill -SEGV $$", Exit::Signal(11)), ("exit 139", Exit::Code(139))] {
        let child = world.start(script).await;
        assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), exit);
        child.finish().await;
    }
}

#[tokio::test]
async fn terminate_reaches_the_whole_group() {
    let world = World::new().await;
    let child = world
        .start("bash -c 'trap \"echo told > told; exit\" TERM; echo $$ > inner; while :; do sleep 0.01; done' & wait")
        .await;
    world.pid_in("inner").await;
    assert!(child.group().signal(StopSignal::TERM).expect("sent"));
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Signal(15));
    assert_eq!(world.line_in("told").await, "told");
    child.finish().await;
}

#[tokio::test]
async fn a_process_that_ignores_terminate_is_killed() {
    let world = World::new().await;
    let child = world.start("trap '' TERM; echo $$ > ready; while :; do sleep 0.01; done").await;
    let pid = world.pid_in("ready").await;
    assert!(child.group().signal(StopSignal::TERM).expect("sent"));
    assert!(child.group().is_alive() && is_alive(pid));
    assert!(child.group().kill().expect("sent"));
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Signal(9));
    child.finish().await;
    assert!(world.living().is_empty());
}

#[tokio::test]
async fn a_group_of_zombies_is_not_alive_and_is_not_signalled_once_reaped() {
    let world = World::new().await;
    let child = world.start("exit 0").await;
    let group = child.group();
    soon("the exit", child.exited()).await.expect("an exit");
    assert!(fs::exists(format!("/proc/{}", group.id())).expect("an answer"), "the zombie keeps the pid");
    assert!(!group.is_alive());
    child.finish().await;
    assert!(!group.is_alive());
    assert!(!group.signal(StopSignal::TERM).expect("an answer"));
    assert!(!group.kill().expect("an answer"));
    assert_eq!(group.cpu_time(), None);
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_ends_with_its_run() {
    let world = World::new().await;
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let program = world.program("run.sh", "#!/bin/bash\nsleep 1000 &\necho $! > grandchild\necho out\n");
    let outputs = Outputs { stdout: writer.try_clone().expect("a copy").into(), stderr: writer.into() };
    let child = world.spawner.spawn(world.request(&program), outputs).await.expect("it starts");
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Code(0));

    let grandchild = world.pid_in("grandchild").await;
    assert!(is_alive(grandchild));
    assert!(child.group().is_alive(), "the leader is dead, the group is not");
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed, ended.left), (1, 0));
    assert!(!is_alive(grandchild));

    // Nobody has the other end any more, we neither: it comes to its end.
    let mut output = String::new();
    let read = tokio::task::spawn_blocking(move || reader.read_to_string(&mut output).map(|_| output));
    assert_eq!(soon("end of file", read).await.expect("a thread").expect("output"), "out\n");
}

#[tokio::test]
async fn finishing_a_run_that_goes_on_kills_it() {
    let world = World::new().await;
    let child = world.start("sleep 1000 & sleep 1000 & echo $$ > ready; wait").await;
    world.pid_in("ready").await;
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed, ended.left), (2, 0));
    assert!(world.living().is_empty());
}

#[tokio::test]
async fn whoever_is_started_after_a_look_at_the_run_ends_with_it() {
    let world = World::new().await;
    let child = world
        .start("echo > ready; while [ ! -e go ]; do sleep 0.01; done; sleep 1000 > log 2>&1 & echo $! > left")
        .await;
    world.line_in("ready").await;
    soon("nobody but the leader", child.group().emptied()).await;
    world.go();
    let left = world.pid_in("left").await;
    soon("the exit", child.exited()).await.expect("an exit");
    assert_eq!(soon("the end", child.finish()).await.killed, 1);
    assert!(!is_alive(left));
}

#[tokio::test]
async fn a_run_that_nobody_is_left_of_ends_at_once() {
    let world = World::new().await;
    let child = world.start("sleep 1000 > log 2>&1 & echo $! > left").await;
    let (group, left) = (child.group(), world.pid_in("left").await);
    soon("the exit", child.exited()).await.expect("an exit");
    let pid = rustix::process::Pid::from_raw(left.try_into().expect("a pid")).expect("not zero");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    soon("an empty group", group.emptied()).await;
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed, ended.left), (0, 0));
    assert!(!group.signal(StopSignal::TERM).expect("an answer"), "it is reaped");
}

#[tokio::test]
async fn a_child_that_is_dropped_takes_its_group_with_it() {
    let world = World::new().await;
    let child = world.start("sleep 1000 & echo $! > grandchild; wait").await;
    let grandchild = world.pid_in("grandchild").await;
    drop(child);
    eventually("the grandchild to be gone", || (!is_alive(grandchild)).then_some(())).await;
}

#[tokio::test]
async fn processor_time_of_the_whole_run_is_counted() {
    let world = World::new().await;
    let child = world.start("(while :; do :; done) & wait").await;
    let group = child.group();
    eventually("processor time", || group.cpu_time().filter(|time| time.as_millis() >= 50)).await;
    child.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_children_need_no_thousand_threads() {
    const CHILDREN: usize = 1000;
    let world = World::alone().await;
    let count = |folder: &str| fs::read_dir(folder).expect("a list").count();
    let threads = count("/proc/self/task");
    let mut children = Vec::new();
    for _ in 0..CHILDREN {
        let mut request = world.request("sleep".as_ref());
        request.args.push("1000".into());
        children.push(world.spawn(request).await.expect("it starts"));
    }
    assert!(count("/proc/self/task") < threads + 50, "{} threads", count("/proc/self/task"));
    assert!(count("/proc/self/fd") < CHILDREN + 200, "{} descriptors", count("/proc/self/fd"));
    for child in &children {
        child.group().signal(StopSignal::TERM).expect("sent");
    }
    for child in children {
        assert_eq!(soon("an exit", child.exited()).await.expect("an exit"), Exit::Signal(15));
        assert!(child.finish().await.was_alone());
    }
    assert!(count("/proc/self/fd") < 200, "{} descriptors", count("/proc/self/fd"));
    assert!(world.living().is_empty());
}

#[tokio::test]
async fn jobs_have_the_file_limit_that_the_host_was_started_with() {
    let world = World::new().await;
    let child = world.start("until [ -e go ]; do sleep 0.01; done; ulimit -n > limit").await;
    world.go();
    assert_eq!(world.line_in("limit").await, FILE_LIMIT.to_string());
    child.finish().await;
}
