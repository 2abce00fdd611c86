//! What people see: every renderer, on a terminal, in a pipe, in colour.

use insta::assert_snapshot;
use jiff::tz::TimeZone;

use super::samples::{
    broken, coming, comings, crashing, failed, jobs, missed, nightly, now, occurrences, running, runs, worker,
};
use crate::{
    cli::{
        list,
        look::{Look, Times, Width},
        next, show, status,
        words::{self, Whose},
    },
    model::run::Trigger,
};

fn terminal() -> Look {
    Look { width: Width::Normal, color: false, times: Times::Relative, now: now(), zone: TimeZone::UTC }
}

#[test]
fn a_list_says_at_a_glance_what_is_wrong() {
    let jobs = jobs(vec![worker(), crashing(), broken(), nightly()]);
    assert_snapshot!(list::render(&jobs, &terminal()), @"
    JOB      KIND        STATE    SINCE     LAST RUN         NEXT    NOTE
    worker   continuous  running  3 h ago   -                -       -
    größe    continuous  backoff  10 s ago  -                -       ended with exit code 1
    broken   triggered   problem  6 h ago   -                -       there is no script; add run.sh or run.py
    nightly  triggered   idle     15 h ago  failed 15 h ago  in 8 h  settings.job:3:4: `colour` is not a known key
    ");
}

#[test]
fn a_wide_list_in_a_pipe_has_every_column_and_exact_times() {
    let look = Look { width: Width::Wide, times: Times::Exact, ..terminal() };
    assert_snapshot!(list::render(&jobs(vec![worker(), nightly()]), &look), @"
    JOB      KIND        STATE    SINCE                 LAST RUN                     NEXT                  PID  RESTARTS  SCHEDULE      COMMAND  DESCRIPTION      NOTE
    worker   continuous  running  2026-11-22T14:48:00Z  -                            -                     42   2                       run.sh   -                -
    nightly  triggered   idle     2026-11-22T02:30:09Z  failed 2026-11-22T02:30:09Z  2026-11-23T02:30:00Z  -    -         0 30 2 * * *  run.py   Sums up the day  settings.job:3:4: `colour` is not a known key
    ");
}

#[test]
fn colours_stand_for_what_is_well_and_what_is_not() {
    let look = Look { color: true, ..terminal() };
    let text = list::render(&jobs(vec![worker(), broken()]), &look);
    assert_snapshot!(text.replace('\x1b', "^"), @"
    ^[2mJOB^[0m     ^[2mKIND^[0m        ^[2mSTATE^[0m    ^[2mSINCE^[0m    ^[2mNOTE^[0m
    worker  continuous  ^[32mrunning^[0m  3 h ago  ^[2m-^[0m
    broken  triggered   ^[31mproblem^[0m  6 h ago  ^[31mthere is no script; add run.sh or run.py^[0m
    ");
}

#[test]
fn an_empty_list_says_how_to_begin() {
    assert_snapshot!(list::render(&[], &terminal()), @"No jobs yet: put a folder with a script into jobs/triggered or jobs/continuous.");
}

#[test]
fn the_status_of_a_continuous_job_says_why_and_until_when() {
    let job = jobs(vec![crashing()]).remove(0);
    let shown = status::Shown { job, runs: Vec::new(), coming: Vec::new(), occurrences: Vec::new() };
    assert_snapshot!(status::render(&shown, &terminal()), @"
    größe (continuous)
      State     backoff
      Since     2026-11-22 17:59:50 +00:00 (10 s ago)
      Why       ended with exit code 1
      Until     in 12 s
      Restarts  7
      Command   run.py
    ");
}

#[test]
fn the_status_of_a_triggered_job_looks_back_and_ahead() {
    let shown = status::Shown {
        job: jobs(vec![nightly()]).remove(0),
        runs: runs(vec![running(), failed()]),
        coming: comings(vec![coming()]),
        occurrences: occurrences(vec![missed()]),
    };
    assert_snapshot!(status::render(&shown, &terminal()), @"
    nightly (triggered)
      About     Sums up the day
      State     idle
      Since     2026-11-22 02:30:09 +00:00 (15 h ago)
      Command   run.py
      Schedule  0 30 2 * * *
      Next      2026-11-23 02:30:00 +00:00 (in 8 h)
      Warning: settings.job:3:4: `colour` is not a known key

    Last runs
      RUN                 OUTCOME  EXIT  STARTED   TOOK     TRIGGER                REASON
      202611221755000000  running  -     5 m ago   5 m 0 s  request of curl/8      -
      202611220230000001  failed   3     15 h ago  9.2 s    schedule 0 30 2 * * *  ended with exit code 3

    Last due times
      DUE       OUTCOME  TIMES  REASON
      39 h ago  missed   3      no host ran

    Next due times
      DUE       LOCAL                                     UTC                   SCHEDULE      LABEL  NOTE
      in 125 d  2027-03-28T03:00:00+02:00[Europe/Berlin]  2027-03-28T01:00:00Z  0 30 2 * * *  night  moved: 02:30 does not exist on this day
    ");
}

#[test]
fn runs_of_many_jobs_say_whose_they_are() {
    let look = Look { width: Width::Wide, ..terminal() };
    assert_snapshot!(words::runs(&runs(vec![running(), failed()]), Whose::Many, &look), @r#"
    JOB                RUN                 OUTCOME  EXIT  STARTED   TOOK     TRIGGER                ENDED     ATTEMPT  ARGUMENTS          HOST   PID  REASON
    triggered/nightly  202611221755000000  running  -     5 m ago   5 m 0 s  request of curl/8      -         2        --all "two words"  alpha  77   -
    triggered/nightly  202611220230000001  failed   3     15 h ago  9.2 s    schedule 0 30 2 * * *  15 h ago  -        -                  alpha  -    ended with exit code 3
    "#);
}

#[test]
fn one_run_is_shown_whole() {
    assert_snapshot!(show::render(&runs(vec![failed()])[0], "nightly", &terminal()), @"
    Job        triggered/nightly
    Run        202611220230000001
    Outcome    failed
    Reason     ended with exit code 3
    Exit code  3
    Trigger    schedule 0 30 2 * * *
    Attempt    1
    Started    2026-11-22 02:30:00 +00:00 (15 h ago)
    Ended      2026-11-22 02:30:09 +00:00 (15 h ago)
    Took       9.2 s
    Host       alpha
    Content    00112233445566778899aabbccddeeff
    Output     webjobd logs nightly --run 202611220230000001
    ");
}

#[test]
fn coming_due_times_are_local_and_in_utc_with_a_mark_where_the_clocks_change() {
    assert_snapshot!(next::table(&comings(vec![coming()]), Whose::One, &terminal()), @"
    DUE       LOCAL                                     UTC                   SCHEDULE      LABEL  NOTE
    in 125 d  2027-03-28T03:00:00+02:00[Europe/Berlin]  2027-03-28T01:00:00Z  0 30 2 * * *  night  moved: 02:30 does not exist on this day
    ");
}

#[test]
fn why_a_run_began_is_said_in_few_words() {
    let mut run = runs(vec![running()]).remove(0);
    for (trigger, text) in [
        (Trigger::Startup, "start of the host"),
        (Trigger::Restart, "restart"),
        (Trigger::Change { what: "run.sh".to_owned() }, "change: run.sh"),
        (Trigger::Change { what: "it was started again".to_owned() }, "change: it was started again"),
    ] {
        run.trigger = trigger;
        assert_eq!(words::trigger(&run), text);
    }
}
