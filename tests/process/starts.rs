//! How a process is started, and what a user is told when it is not.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use webjobd::{model::exit::Exit, os::process::SpawnRequest};

use crate::world::{World, soon};

/// Tries to start `program` and checks the words the user sees.
async fn check(world: &World, program: impl AsRef<Path>, words: &str) {
    check_request(world, world.request(program.as_ref()), words).await;
}

async fn check_request(world: &World, request: SpawnRequest, words: &str) {
    let refusal = soon("the refusal", world.refusal(request)).await.to_string();
    assert!(refusal.contains(words), "`{refusal}` does not say `{words}`");
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let world = World::new().await;
    let plain = world.program("plain", "#!/bin/sh\n");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).expect("its mode");
    check(&world, plain, "is not executable; run `chmod +x`").await;
    check(&world, world.program("crlf", "#!/bin/sh\r\nexit 0\r\n"), "Windows line end").await;
    check(&world, world.program("bare", "echo no first line\n"), "a script with a `#!` line").await;
    check(&world, world.program("lost", "#!/opt/none/python9 -u\n"), "wants `/opt/none/python9`").await;
    check(&world, world.path("missing"), "was not found").await;
    check(&world, "no-such-command", "`no-such-command` was not found").await;
    check(&world, world.folder.path(), "is a folder").await;
}

#[tokio::test]
async fn a_missing_working_folder_is_not_blamed_on_the_program() {
    let world = World::new().await;
    let mut request = world.request(&world.program("run.sh", "#!/bin/sh\n"));
    request.cwd = world.path("gone");
    check_request(&world, request, "the working folder").await;
}

#[tokio::test]
async fn too_long_arguments_are_named() {
    let world = World::new().await;
    let mut request = world.request("true".as_ref());
    request.args.push("x".repeat(1 << 20).into());
    check_request(&world, request, "too long").await;
}

#[tokio::test]
async fn a_program_that_is_being_written_is_tried_again() {
    let world = World::new().await;
    let program = world.path("copy");
    fs::copy("/bin/true", &program).expect("a copy");
    let writer = fs::File::options().append(true).open(&program).expect("the copy");
    check(&world, &program, "still being written to").await;

    let (child, ()) = tokio::join!(world.spawn(world.request(&program)), async { drop(writer) });
    let child = child.expect("it starts");
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Code(0));
    child.finish().await;
}

#[tokio::test]
async fn a_child_has_the_given_environment_folder_and_marks_and_no_input() {
    let world = World::new().await;
    let child = world.start("cat; env > env; pwd > folder; echo done > ready").await;
    world.line_in("ready").await;
    let env = fs::read_to_string(world.path("env")).expect("the environment");
    let mut names: Vec<_> = env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    // The shell adds these by itself.
    names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    names.sort_unstable();
    let given = ["PATH", "WEBJOBD_INSTANCE", "WEBJOBS_DATA_PATH", "WEBJOBS_NAME", "WEBJOBS_RUN_ID", "WEBJOBS_TYPE"];
    assert_eq!(names, given);
    assert!(env.lines().any(|line| line == "WEBJOBS_TYPE=triggered"), "its own wins: {env}");
    let folder = fs::canonicalize(world.folder.path()).expect("a path");
    assert_eq!(world.line_in("folder").await, folder.to_string_lossy());
    child.finish().await;
}

#[tokio::test]
async fn a_command_is_looked_for_in_its_own_path() {
    let world = World::new().await;
    world.program("tool", "#!/bin/sh\nexit 7\n");
    let mut request = world.request("tool".as_ref());
    request.env.push(("PATH".into(), world.folder.path().into()));
    let child = world.spawn(request).await.expect("it starts");
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Code(7));
    child.finish().await;
}

#[tokio::test]
async fn a_command_is_found_beside_the_job_or_in_the_path() {
    let world = World::new().await;
    world.program("tool", "#!/bin/sh\nexit 7\n");
    for (program, code) in [("./tool", 7), ("false", 1)] {
        let child = world.spawn(world.request(program.as_ref())).await.expect("it starts");
        assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Code(code), "{program}");
        child.finish().await;
    }
}

#[tokio::test]
async fn a_child_whose_caller_has_given_up_does_not_stay() {
    let world = World::new().await;
    let program = world.program("run.sh", "#!/bin/bash\nsleep 1000\n");
    for _ in 0..20 {
        let spawn = world.spawn(world.request(&program));
        tokio::select! {
            biased;
            child = spawn => drop(child),
            () = tokio::task::yield_now() => {}
        }
    }
    // One that is answered comes after all that were given up.
    let last = world.spawn(world.request("true".as_ref())).await.expect("it starts");
    soon("the exit", last.exited()).await.expect("an exit");
    last.finish().await;
    crate::world::eventually("all to be gone", || world.living().is_empty().then_some(())).await;
}

#[tokio::test]
async fn those_who_start_have_none_of_the_files_that_the_host_has_open() {
    let world = World::new().await;
    let path = world.program("run.sh", "#!/bin/sh\n");
    let open: Vec<_> = (0..100).map(|_| fs::File::open(&path).expect("a file")).collect();
    let child = world.spawn(world.request(&path)).await.expect("it starts");
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Code(0));
    child.finish().await;
    let threads = fs::read_dir("/proc/self/task").expect("our threads").flatten().map(|thread| thread.path());
    let starts =
        |thread: &PathBuf| fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with("spawn-"));
    let mut n_starters = 0;
    for thread in threads.filter(starts) {
        // One that ends meanwhile has no files at all; one that begins, as many as we.
        let n_open = fs::read_dir(thread.join("fd")).map_or(0, Iterator::count);
        n_starters += usize::from(0 < n_open && n_open < open.len());
    }
    assert!(n_starters > 0, "at least those of this world stand apart");

    let child = world.start("grep SigBlk /proc/self/status").await;
    child.exited().await.expect("an exit");
    let printed = fs::read_to_string(world.path("output")).expect("what it printed");
    assert_eq!(printed, "SigBlk:\t0000000000000000\n", "its program is as any other");
    child.finish().await;
}

#[tokio::test]
async fn a_program_has_no_files_but_its_own_three() {
    let world = World::new().await;
    // The fourth is the list itself.
    let child = world.start("exec ls /proc/self/fd").await;
    assert_eq!(soon("the exit", child.exited()).await.expect("an exit"), Exit::Code(0));
    assert_eq!(fs::read_to_string(world.path("output")).expect("what it printed"), "0\n1\n2\n3\n");
    child.finish().await;
}
