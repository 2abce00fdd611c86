//! Downtime, suspend, clocks that jump: what is run, what is missed, what is next.

use proptest::{prelude::*, sample::select};

use super::*;
use crate::decide::{ncrontab::Expression, zone::Zone};

const NIGHTLY: &str = "0 0 2 * * *";
const MINUTELY: &str = "0 * * * * *";
const SECONDLY: &str = "* * * * * *";

fn schedule(expression: &str) -> Schedule {
    Schedule::new(Expression::parse(expression).expect("an expression"), Zone::parse("Europe/Berlin").expect("a zone"))
}

/// Reads a moment in Berlin's winter.
fn at(text: &str) -> Wall {
    format!("{text}+01:00").parse().unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

fn policy(catch_up: CatchUp, window_seconds: u64) -> CatchUpPolicy {
    CatchUpPolicy { catch_up, window: Duration::from_secs(window_seconds) }
}

/// Writes an answer as lines, after checking that it is sound.
fn transcript(expression: &str, last: Option<&str>, now: &str, policy: CatchUpPolicy) -> String {
    let (schedule, now, last) = (schedule(expression), at(now), last.map(at));
    let calendar = Calendar::Schedule(&schedule);
    let due = due(now, Past { last, ..Past::default() }, calendar, &policy);
    check_sound(now, last, calendar, &policy, &due);
    say(&due)
}

fn say(due: &Due) -> String {
    let tz = Zone::parse("Europe/Berlin").expect("a zone");
    let local = |at: Wall| at.to_zoned(tz.tz().clone()).strftime("%m-%d %H:%M:%S").to_string();
    let mut lines: Vec<String> = due.run.iter().map(|run| format!("{:?} {}", run.kind, local(run.due))).collect();
    if let Some(missed) = &due.missed {
        let mut whys: Vec<String> = missed.listed.iter().map(|missed| format!("{:?}", missed.why)).collect();
        whys.dedup();
        lines.push(format!("missed {}: {} to {}", missed.count, local(missed.first), local(missed.last)));
        lines.push(format!("because {}", whys.join(", ")));
    }
    lines.extend(due.reset.map(|reset| format!("reset: {reset}")));
    lines.push(format!("next {}", due.next.map_or("never".to_owned(), local)));
    lines.join("; ")
}

/// What holds for every answer.
fn check_sound(now: Wall, last: Option<Wall>, calendar: Calendar<'_>, policy: &CatchUpPolicy, answer: &Due) {
    let listed = || answer.missed.iter().flat_map(|missed| missed.listed.iter().map(|missed| missed.due));
    let mut all: Vec<Wall> = answer.run.iter().map(|run| run.due).chain(listed()).collect();
    all.sort();
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "each occurrence has one answer: {answer:?}");
    assert!(all.iter().all(|&due| due <= now), "nothing is run early: {answer:?}");
    assert!(all.iter().all(|&due| last.is_some_and(|last| due > last)), "nothing is served again: {answer:?}");
    assert!(answer.next.is_none_or(|next| next > now), "the next one lies ahead: {answer:?}");
    assert!(all.len() <= LISTED_MAX, "the answer is bounded");
    let again = due(now, Past { last: Some(answer.served), ..Past::default() }, calendar, policy);
    assert!(again.run.is_empty() && again.missed.is_none() && again.reset.is_none(), "{again:?}");
    assert_eq!(again.next, answer.next);
}

#[test]
fn an_occurrence_runs_when_it_is_due_and_not_before() {
    let once = policy(CatchUp::Once, 600);
    let last = Some("2026-01-10T02:00:00");
    assert_eq!(transcript(NIGHTLY, last, "2026-01-11T01:59:59.999", once), "next 01-11 02:00:00");
    for now in ["2026-01-11T02:00:00", "2026-01-11T02:00:04.999"] {
        assert_eq!(transcript(NIGHTLY, last, now, once), "OnTime 01-11 02:00:00; next 01-12 02:00:00");
    }
    assert_eq!(transcript(NIGHTLY, last, "2026-01-11T02:00:05", once), "CaughtUp 01-11 02:00:00; next 01-12 02:00:00");
}

#[test]
fn a_first_start_owes_nothing() {
    for catch_up in [CatchUp::None, CatchUp::Once, CatchUp::All] {
        let policy = policy(catch_up, 1_000_000);
        assert_eq!(transcript(MINUTELY, None, "2026-01-10T12:00:30", policy), "next 01-10 12:01:00");
        assert_eq!(transcript(NIGHTLY, None, "2026-01-10T02:00:00", policy), "next 01-11 02:00:00");
    }
}

#[test]
fn one_run_stands_for_all_that_were_missed() {
    let (last, now) = (Some("2026-01-10T12:00:00"), "2026-01-10T12:05:30");
    assert_eq!(
        transcript(MINUTELY, last, now, policy(CatchUp::Once, 600)),
        "CaughtUp 01-10 12:05:00; missed 4: 01-10 12:01:00 to 01-10 12:04:00; because Covered; next 01-10 12:06:00"
    );
    assert_eq!(
        transcript(MINUTELY, last, "2026-01-10T12:05:01", policy(CatchUp::Once, 600)),
        "OnTime 01-10 12:05:00; missed 4: 01-10 12:01:00 to 01-10 12:04:00; because Covered; next 01-10 12:06:00"
    );
    assert_eq!(
        transcript(MINUTELY, last, "2026-01-10T12:20:30", policy(CatchUp::Once, 600)),
        "CaughtUp 01-10 12:20:00; missed 19: 01-10 12:01:00 to 01-10 12:19:00; because TooOld, Covered; \
         next 01-10 12:21:00"
    );
}

#[test]
fn all_that_were_missed_run_in_order() {
    assert_eq!(
        transcript(MINUTELY, Some("2026-01-10T12:00:00"), "2026-01-10T12:03:02", policy(CatchUp::All, 600)),
        "CaughtUp 01-10 12:01:00; CaughtUp 01-10 12:02:00; OnTime 01-10 12:03:00; next 01-10 12:04:00"
    );
    assert_eq!(
        transcript(MINUTELY, Some("2026-01-10T12:00:00"), "2026-01-10T12:03:30", policy(CatchUp::All, 90)),
        "CaughtUp 01-10 12:02:00; CaughtUp 01-10 12:03:00; missed 1: 01-10 12:01:00 to 01-10 12:01:00; \
         because TooOld; next 01-10 12:04:00"
    );
}

#[test]
fn nothing_is_caught_up_where_nobody_wants_it() {
    assert_eq!(
        transcript(NIGHTLY, Some("2026-01-10T02:00:00"), "2026-01-11T02:00:30", policy(CatchUp::None, 600)),
        "missed 1: 01-11 02:00:00 to 01-11 02:00:00; because NoCatchUp; next 01-12 02:00:00"
    );
    assert_eq!(
        transcript(NIGHTLY, Some("2026-01-10T02:00:00"), "2026-01-11T02:00:01", policy(CatchUp::None, 0)),
        "OnTime 01-11 02:00:00; next 01-12 02:00:00"
    );
}

#[test]
fn the_window_ends_where_it_says() {
    let last = Some("2026-01-10T02:00:00");
    for (now, wanted) in [
        ("2026-01-11T02:10:00", "CaughtUp 01-11 02:00:00; next 01-12 02:00:00"),
        ("2026-01-11T02:10:00.001", "missed 1: 01-11 02:00:00 to 01-11 02:00:00; because TooOld; next 01-12 02:00:00"),
    ] {
        assert_eq!(transcript(NIGHTLY, last, now, policy(CatchUp::Once, 600)), wanted);
    }
}

#[test]
fn a_year_of_downtime_costs_no_more_than_a_bounded_look_back() {
    for (catch_up, wanted) in [
        (
            CatchUp::None,
            "missed more than 995: 01-10 12:00:01 to 01-10 11:59:55; because NoCatchUp; next 01-10 12:00:01",
        ),
        (CatchUp::Once, "missed more than 995: 01-10 12:00:01 to 01-10 11:59:55; because Covered; next 01-10 12:00:01"),
        (CatchUp::All, "missed more than 495: 01-10 12:00:01 to 01-10 11:51:35; because TooMany; next 01-10 12:00:01"),
    ] {
        let text =
            transcript(SECONDLY, Some("2025-01-10T12:00:00"), "2026-01-10T12:00:00", policy(catch_up, 40_000_000));
        let (runs, rest): (Vec<&str>, Vec<&str>) = text.split("; ").partition(|line| line.contains("OnTime"));
        let rest: Vec<&str> = rest.into_iter().filter(|line| !line.starts_with("CaughtUp")).collect();
        assert_eq!((runs.len(), rest.join("; ").as_str()), (5, wanted));
    }
}

#[test]
fn a_clock_put_back_serves_nothing_twice() {
    let once = policy(CatchUp::Once, 600);
    let last = Some("2026-01-10T12:00:00");
    assert_eq!(transcript(MINUTELY, last, "2026-01-10T11:00:30", once), "next 01-10 12:01:00");
    assert_eq!(transcript(MINUTELY, last, "2026-01-09T12:00:00", once), "next 01-10 12:01:00");
}

#[test]
fn a_clock_put_back_by_more_than_a_day_was_wrong_before() {
    assert_eq!(
        transcript(MINUTELY, Some("2027-01-10T12:00:00"), "2026-01-10T12:00:30", policy(CatchUp::All, 600)),
        "reset: the clock was put back: the last occurrence, 2027-01-10T11:00:00Z, lies 8759 hours ahead \
         and is given up; \
         next 01-10 12:01:00"
    );
}

#[test]
fn a_single_moment_is_served_once() {
    let moment = at("2026-01-10T12:00:00");
    let since = Some(at("2026-01-10T11:00:00"));
    let once = policy(CatchUp::Once, 600);
    let ask = |now: &str, last| {
        let answer = due(at(now), Past { last, ..Past::default() }, Calendar::Once(moment), &once);
        check_sound(at(now), last, Calendar::Once(moment), &once, &answer);
        (say(&answer), answer.served)
    };
    assert_eq!(ask("2026-01-10T11:59:59", since).0, "next 01-10 12:00:00");
    assert_eq!(ask("2026-01-10T12:00:00", since), ("OnTime 01-10 12:00:00; next never".to_owned(), moment));
    assert_eq!(ask("2026-01-10T12:09:00", since).0, "CaughtUp 01-10 12:00:00; next never");
    assert_eq!(ask("2026-01-10T13:00:00", Some(moment)).0, "next never");
    assert_eq!(
        ask("2026-01-10T13:00:00", since).0,
        "missed 1: 01-10 12:00:00 to 01-10 12:00:00; because TooOld; next never"
    );
}

#[test]
fn a_schedule_that_never_occurs_is_never_due() {
    let all = policy(CatchUp::All, 600);
    assert_eq!(transcript("0 0 0 31 2 *", Some("2020-01-10T12:00:00"), "2026-01-10T12:00:00", all), "next never");
}

#[test]
fn what_was_due_while_no_host_was_there_goes_by_the_policy_however_fresh_it_is() {
    let schedule = schedule(SECONDLY);
    let ask = |away_until: &str, catch_up| {
        let past = Past { last: Some(at("2026-01-10T12:00:00")), away_until: Some(at(away_until)), ..Past::default() };
        say(&due(at("2026-01-10T12:00:03"), past, Calendar::Schedule(&schedule), &policy(catch_up, 600)))
    };
    let rest = "next 01-10 12:00:04";
    assert_eq!(
        ask("2026-01-10T12:00:03", CatchUp::None),
        format!("missed 3: 01-10 12:00:01 to 01-10 12:00:03; because NoCatchUp; {rest}")
    );
    assert_eq!(
        ask("2026-01-10T12:00:03", CatchUp::Once),
        format!("CaughtUp 01-10 12:00:03; missed 2: 01-10 12:00:01 to 01-10 12:00:02; because Covered; {rest}")
    );
    assert_eq!(
        ask("2026-01-10T12:00:02.5", CatchUp::None),
        format!("OnTime 01-10 12:00:03; missed 2: 01-10 12:00:01 to 01-10 12:00:02; because NoCatchUp; {rest}")
    );
}

#[test]
fn what_is_owed_is_answered_anew_together_with_what_passed_since() {
    let schedule = schedule(MINUTELY);
    let owed = [at("2026-01-10T11:58:00"), at("2026-01-10T12:00:00")];
    let ask = |catch_up, window| {
        let past = Past { last: Some(at("2026-01-10T12:00:00")), away_until: None, owed: &owed };
        let due = due(at("2026-01-10T12:01:30"), past, Calendar::Schedule(&schedule), &policy(catch_up, window));
        let given_up: Vec<String> = due.given_up.iter().map(|one| format!("{:?}", one.why)).collect();
        (say(&due), given_up.join(", "))
    };
    let all = "CaughtUp 01-10 11:58:00; CaughtUp 01-10 12:00:00; CaughtUp 01-10 12:01:00; next 01-10 12:02:00";
    assert_eq!(ask(CatchUp::All, 600), (all.to_owned(), String::new()));
    let one = "CaughtUp 01-10 12:01:00; next 01-10 12:02:00";
    assert_eq!(ask(CatchUp::Once, 120), (one.to_owned(), "TooOld, Covered".to_owned()));
    let none = "missed 1: 01-10 12:01:00 to 01-10 12:01:00; because NoCatchUp; next 01-10 12:02:00";
    assert_eq!(ask(CatchUp::None, 600), (none.to_owned(), "NoCatchUp, NoCatchUp".to_owned()));
}

const EXPRESSIONS: [&str; 8] = [
    SECONDLY,
    MINUTELY,
    NIGHTLY,
    "0 30 2 * * *",
    "*/7 * 0-3 * * *",
    "0 */15 1-3 * * Sat,Sun",
    "0 0 0 29 2 *",
    "* * * 1 1 *",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Asks at rising times, as a host does that is now quick, now asleep, and counts what it was told.
    #[test]
    fn every_occurrence_has_one_answer(
        expression in select(&EXPRESSIONS[..]),
        pauses in proptest::collection::vec(prop_oneof![1..10_000_i64, 1..5_000_000_i64, 1..200_000_000_i64], 1..6),
        catch_up in select(&[CatchUp::None, CatchUp::Once, CatchUp::All][..]),
        window in 0..100_000_u64,
    ) {
        let (schedule, policy) = (schedule(expression), policy(catch_up, window));
        let begin = at("2026-03-28T20:00:00");
        let (mut now, mut last, mut answered, mut counted) = (begin, begin, 0, true);
        for pause in pauses {
            now = now.saturating_add(jiff::SignedDuration::from_millis(pause)).expect("in range");
            let answer = due(now, Past { last: Some(last), ..Past::default() }, Calendar::Schedule(&schedule), &policy);
            check_sound(now, Some(last), Calendar::Schedule(&schedule), &policy, &answer);
            prop_assert!(answer.served >= last);
            last = answer.served;
            answered += answer.run.len();
            match answer.missed.map(|missed| missed.count) {
                Some(MissedCount::Exactly(count)) => answered += count,
                Some(MissedCount::MoreThan(_)) => counted = false,
                None => {}
            }
        }
        let occurred = std::iter::successors(schedule.next_after(begin), |&at| schedule.next_after(at))
            .take_while(|&at| counted && at <= now)
            .count();
        prop_assert!(!counted || answered == occurred, "{} of {}", answered, occurred);
    }
}
