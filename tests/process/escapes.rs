//! Those who leave their group, and that they are found all the same.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use webjobd::{
    model::{
        exit::{Exit, StopSignal},
        id::Instance,
    },
    os::process::{self, Cgroups, OrphanReaper},
};

use crate::world::{World, eventually, is_alive, soon};

/// Leaves the group and loses its parent: what a daemon does.
const DAEMON: &str = "(setsid bash -c 'echo $$ > daemon; exec sleep 1000' &)";

/// The same, and takes off the marks; after it was told to, since a machine that is busy enough lets a program do all that
/// before its host gets to put the number on it.
const NAKED_DAEMON: &str =
    "until [ -e go ]; do sleep 0.01; done; (env -i setsid bash -c 'echo $$ > daemon; exec sleep 1000' &)";

#[tokio::test]
async fn a_child_in_a_session_of_its_own_ends_with_its_run() {
    let world = World::new().await;
    let child = world.start("setsid sleep 1000 & echo $! > escapee; until [ -e go ]; do sleep 0.01; done").await;
    let escapee = world.pid_in("escapee").await;
    world.go();
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Code(0));
    assert!(is_alive(escapee));
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed, ended.left), (1, 0));
    assert!(!is_alive(escapee));
}

#[tokio::test]
async fn a_daemon_ends_with_its_run() {
    let world = World::new().await;
    let child = world.start(&format!("{DAEMON}; until [ -e daemon ]; do sleep 0.01; done")).await;
    let daemon = world.pid_in("daemon").await;
    soon("the exit", child.exited()).await.expect("an exit");
    assert!(is_alive(daemon) && child.group().is_alive());
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed, ended.left), (1, 0));
    assert!(!is_alive(daemon));
    assert!(!fs::exists(format!("/proc/{daemon}")).expect("an answer"), "it was reaped, too");
}

#[tokio::test]
async fn a_descendant_without_marks_is_remembered_when_its_run_is_stopped() {
    let world = World::new().await;
    let child = world.start("(trap '' TERM; exec env -i setsid sleep 1000) & echo $! > escapee; wait").await;
    let escapee = world.pid_in("escapee").await;
    let has_left = || fs::read(format!("/proc/{escapee}/cmdline")).ok().filter(|line| line.starts_with(b"sleep"));
    eventually("the new session", has_left).await;
    child.group().signal(StopSignal::TERM).expect("sent");
    soon("the exit", child.exited()).await.expect("an exit");
    assert!(is_alive(escapee));
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed, ended.left), (1, 0));
    assert!(!is_alive(escapee));
}

#[tokio::test]
async fn a_stop_reaches_those_who_left_the_group_and_nobody_twice() {
    let world = World::new().await;
    let trap = "trap 'echo told >> told-$0; exit' TERM; touch up-$0; while :; do sleep 0.02; done";
    world.program("told.sh", &format!("#!/bin/bash\n{}\n", trap.replace("$0", "$1")));
    let child = world.start("setsid ./told.sh away & (setsid ./told.sh orphan &); ./told.sh near").await;
    for name in ["away", "orphan", "near"] {
        eventually("it is up", || world.path(&format!("up-{name}")).exists().then_some(())).await;
    }
    child.group().signal(StopSignal::TERM).expect("sent");
    soon("everybody to go", child.group().emptied()).await;
    for name in ["away", "orphan", "near"] {
        assert_eq!(fs::read_to_string(world.path(&format!("told-{name}"))).expect("it was told"), "told\n");
    }
    child.finish().await;
}

#[tokio::test]
async fn a_run_that_starts_itself_anew_for_ever_is_caught() {
    let world = World::new().await;
    // Bounded, so that a failing test comes to an end as well.
    let storm = "#!/bin/bash\necho $$ > stormy\n[ $1 -gt 0 ] && setsid ./storm.sh $(($1 - 1)) &\nexit 0\n";
    world.program("storm.sh", storm);
    let child = world.start("./storm.sh 20000 & ./storm.sh 20000 & ./storm.sh 20000 & exit 0").await;
    soon("the exit", child.exited()).await.expect("an exit");
    world.line_in("stormy").await;
    let ended = soon("the end", child.finish()).await;
    assert_eq!(ended.left, 0);
    assert!(world.living().is_empty());
}

#[tokio::test]
async fn the_daemons_of_another_run_are_left_alone() {
    let world = World::new().await;
    let other = world.start(&format!("{DAEMON}; sleep 1000")).await;
    let daemon = world.pid_in("daemon").await;
    let child = world.start("exit 0").await;
    soon("the exit", child.exited()).await.expect("an exit");
    assert!(soon("the end", child.finish()).await.was_alone());
    assert!(is_alive(daemon) && other.group().is_alive());
    other.finish().await;
    assert!(!is_alive(daemon));
}

#[tokio::test]
async fn orphans_that_end_by_themselves_are_reaped() {
    // The end of any other run would reap them as well.
    let world = World::alone().await;
    let reaper = tokio::spawn(OrphanReaper::listen().expect("a handler").run());
    let child =
        world.start("(setsid bash -c 'echo $$ > orphan; until [ -e go ]; do sleep 0.01; done' &); sleep 1000").await;
    let orphan = world.pid_in("orphan").await;
    world.go();
    let is_gone = || (!fs::exists(format!("/proc/{orphan}")).expect("an answer")).then_some(());
    eventually("the orphan to be reaped", is_gone).await;
    // And nobody took the exit of a leader.
    child.group().kill().expect("sent");
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Signal(9));
    child.finish().await;
    reaper.abort();
}

#[tokio::test]
async fn what_a_crashed_host_has_left_is_found_by_its_marks_and_ended() {
    let world = World::new().await;
    let child = world.start(&format!("{DAEMON}; setsid env -i sleep 1000 & echo $! > naked; wait")).await;
    let (daemon, naked) = (world.pid_in("daemon").await, world.pid_in("naked").await);
    // The daemon tells its number and then becomes another program, and in that moment it has no environment.
    let lost = eventually("both are found", || {
        let lost = process::lost_processes(world.folder.path(), &world.instance);
        let has = |pid| lost.iter().any(|lost| lost.process.pid == pid);
        (has(daemon) && has(child.pid())).then_some(lost)
    })
    .await;
    assert!(lost.iter().all(|lost| lost.process.pid != std::process::id()));
    assert!(lost.iter().all(|lost| lost.job.to_string() == "triggered/a job"), "{lost:?}");
    assert_eq!(process::lost_processes(&world.path("elsewhere"), &world.instance), []);
    assert_eq!(process::lost_processes(world.folder.path(), &Instance::new("another")), []);

    let (root, instance, grace) = (world.folder.path().to_owned(), world.instance.clone(), Duration::from_secs(20));
    let end = tokio::spawn(async move { process::end_lost(&root, &instance, &[], None, grace).await });
    let ended = soon("the end", end).await.expect("a task");
    assert_eq!(ended.left, 0);
    assert!(!is_alive(daemon) && !is_alive(naked));
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Signal(15), "it was asked first");
    child.finish().await;
}

#[tokio::test]
async fn a_daemon_with_an_empty_environment_ends_with_its_run() {
    let world = World::new().await;
    let child = world.start(&format!("{NAKED_DAEMON}; until [ -e daemon ]; do sleep 0.01; done")).await;
    world.go();
    let daemon = world.pid_in("daemon").await;
    soon("the exit", child.exited()).await.expect("an exit");
    assert!(is_alive(daemon) && child.group().is_alive());
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed, ended.left), (1, 0));
    assert!(!is_alive(daemon));
}

#[tokio::test]
async fn a_cgroup_is_used_where_one_can_be_had() {
    let cgroups = Cgroups::open(&format!("test-{}", std::process::id()));
    let world = World::with_cgroups(cgroups.as_ref().ok().cloned()).await;
    let child = world.start(&format!("{NAKED_DAEMON}; until [ -e daemon ]; do sleep 0.01; done")).await;
    child.contain().await;
    world.go();
    let daemon = world.pid_in("daemon").await;
    let place = fs::read_to_string(format!("/proc/{daemon}/cgroup")).expect("its place");
    match &cgroups {
        Ok(_) => assert!(place.contains(&format!("/webjobd.test-{}/", std::process::id())), "{place}"),
        Err(error) => eprintln!("no cgroup can be had here ({error}): only the fallback is tested"),
    }
    soon("the exit", child.exited()).await.expect("an exit");
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed, ended.left), (1, 0));
    assert!(!is_alive(daemon));
}

#[tokio::test]
async fn whoever_came_before_the_cgroup_is_moved_into_it() {
    let cgroups = Cgroups::open(&format!("test-before-{}", std::process::id()));
    let world = World::with_cgroups(cgroups.as_ref().ok().cloned()).await;
    let child = world.start(&format!("{NAKED_DAEMON}; sleep 1000")).await;
    world.go();
    let daemon = world.pid_in("daemon").await;
    child.contain().await;
    let place = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its place");
    match &cgroups {
        Ok(_) => assert!(place(daemon).contains("/webjobd.test-before-"), "{}", place(daemon)),
        Err(error) => eprintln!("no cgroup can be had here ({error}): only the fallback is tested"),
    }
    assert_eq!(place(daemon), place(child.pid()));
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed >= 2, ended.left), (true, 0), "{ended:?}");
    assert!(!is_alive(daemon));
}

#[tokio::test]
async fn a_run_that_ends_while_it_gets_its_cgroup_leaves_none() {
    let name = format!("test-late-{}", std::process::id());
    let world = World::with_cgroups(Cgroups::open(&name).ok()).await;
    // Some end before their move, some in it, some after it.
    for hundredths in 0..10 {
        let child = world.start(&format!("sleep 0.0{hundredths}; exit 3")).await;
        // Given up in the middle, a move goes on by itself.
        let exit = tokio::select! {
            biased;
            exit = child.exited() => Some(exit),
            () = child.contain() => None,
        };
        let exit = match exit {
            Some(exit) => exit,
            None => child.exited().await,
        };
        assert_eq!(exit.expect("an exit"), Exit::Code(3));
        assert_eq!(soon("the end", child.finish()).await.left, 0);
    }
    let inside = cgroup_place(&name).map(|place| fs::read_dir(place).expect("its place"));
    let inside = inside.into_iter().flatten().flatten();
    let left: Vec<_> = inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn whoever_was_put_elsewhere_stays_there() {
    let name = format!("test-elsewhere-{}", std::process::id());
    let cgroups = Cgroups::open(&name);
    let world = World::with_cgroups(cgroups.as_ref().ok().cloned()).await;
    let child = world.start("sleep 1000 & echo $! > inner; wait").await;
    let inner = world.pid_in("inner").await;
    let place = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its place");
    // As a container's runtime does.
    let elsewhere = cgroup_place(&name).map(|place| place.with_file_name(format!("inner-{inner}")));
    if let Some(elsewhere) = &elsewhere {
        fs::create_dir(elsewhere).expect("a cgroup");
        fs::write(elsewhere.join("cgroup.procs"), inner.to_string()).expect("it is moved");
        child.contain().await;
        assert!(place(inner).contains("/inner-"), "{}", place(inner));
        assert!(place(child.pid()).contains("/webjobd.test-elsewhere-"), "{}", place(child.pid()));
    } else {
        eprintln!("no cgroup can be had here");
    }
    let ended = soon("the end", child.finish()).await;
    assert_eq!((ended.killed >= 1, ended.left), (true, 0), "{ended:?}");
    if let Some(elsewhere) = elsewhere {
        eventually("its cgroup goes", || fs::remove_dir(&elsewhere).ok()).await;
    }
}

/// Finds the place of that name, wherever the second version of cgroups is mounted; it goes while nobody is inside.
fn cgroup_place(name: &str) -> Option<PathBuf> {
    let memberships = fs::read_to_string("/proc/self/cgroup").expect("our place");
    let own = memberships.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let places = mounts.map(|mount| mount.join(own).join(format!("webjobd.{name}")));
    places.into_iter().find(|place| place.exists())
}

#[tokio::test]
async fn cgroups_of_a_crashed_host_are_emptied_and_removed() {
    let name = format!("test-lost-{}", std::process::id());
    let Ok(cgroups) = Cgroups::open(&name) else {
        eprintln!("no cgroup can be had here");
        return;
    };
    let world = World::with_cgroups(Some(cgroups)).await;
    let child = world.start(&format!("{NAKED_DAEMON}; sleep 1000")).await;
    child.contain().await;
    world.go();
    let daemon = world.pid_in("daemon").await;
    let ended = soon("the end", Cgroups::open(&name).expect("it is there").end_leftovers()).await;
    assert!(ended.killed >= 2 && ended.left == 0, "{ended:?}");
    assert!(!is_alive(daemon));
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Signal(9));
    child.finish().await;
}

#[tokio::test]
async fn a_stopping_host_leaves_no_child_at_all() {
    let world = World::alone().await;
    let child = world.start(&format!("{NAKED_DAEMON}; sleep 1000")).await;
    world.go();
    let daemon = world.pid_in("daemon").await;
    let ended = soon("the end", process::end_all_children()).await;
    assert!(ended.killed >= 2 && ended.left == 0, "{ended:?}");
    assert!(!is_alive(daemon));
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Signal(9));
    child.finish().await;
}
