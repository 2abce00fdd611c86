//! The written rules, followed the slow way: second by second through real time, with jiff alone.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// Zones and a moment near which each changes its clock.
const CHANGES: [(&str, &str); 12] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00:00Z"),
    ("Asia/Pyongyang", "2015-08-14T15:00:00Z"),
    ("UTC", "2026-03-29T01:00:00Z"),
];

/// How far the oracle looks around a change, in steps.
const STEPS_MAX: i64 = 1_800;

/// A list of values as the text of a field; `None` for `*`.
type Values = Option<Vec<u32>>;

fn field(values: &Values) -> String {
    let list = |values: &Vec<u32>| values.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    values.as_ref().map_or("*".to_owned(), list)
}

fn holds(values: &Values, value: i8) -> bool {
    values.as_ref().is_none_or(|values| values.contains(&u32::try_from(value).expect("positive")))
}

/// What a proptest case is made of: six fields, a change, and where to begin and how to step around it.
#[derive(Clone, Debug)]
struct Case {
    fields: [Values; 6],
    change: (&'static str, &'static str),
    step: i64,
    begin: i64,
}

impl Case {
    fn matches(&self, local: civil::DateTime) -> bool {
        let parts = [
            local.second(),
            local.minute(),
            local.hour(),
            local.day(),
            local.month(),
            local.weekday().to_sunday_zero_offset(),
        ];
        self.fields.iter().zip(parts).all(|(values, part)| holds(values, part))
    }

    fn occurrences(&self, zone: &Zone) -> Vec<Wall> {
        let every_hour = (0..24).all(|hour| holds(&self.fields[2], hour));
        let second = |at: i64| Wall::from_second(at).expect("in range");
        let local = |at: i64| zone.tz().to_datetime(second(at));
        let occurs = |&at: &i64| {
            let (now, before) = (local(at), local(at - self.step));
            if every_hour {
                return self.matches(now);
            }
            let seen = zone.tz().to_ambiguous_timestamp(now).offset();
            let second_pass = matches!(seen, AmbiguousOffset::Fold { after, .. }
                if zone.tz().to_offset(second(at)) == after);
            let mut skipped = before.saturating_add(jiff::Span::new().seconds(self.step));
            while skipped < now {
                if self.matches(skipped) {
                    return true;
                }
                skipped = skipped.saturating_add(jiff::Span::new().seconds(self.step));
            }
            self.matches(now) && !second_pass
        };
        let begin = self.after().as_second();
        (1..=STEPS_MAX).map(|n| begin + n * self.step).filter(occurs).map(second).collect()
    }

    fn after(&self) -> Wall {
        let change: Wall = self.change.1.parse().expect("a moment");
        Wall::from_second(change.as_second() - self.begin * self.step).expect("in range")
    }

    fn end(&self) -> Wall {
        Wall::from_second(self.after().as_second() + STEPS_MAX * self.step).expect("in range")
    }
}

fn values(max: u32, first: u32) -> impl Strategy<Value = Values> {
    prop_oneof![Just(None), vec(first..=max, 1..6).prop_map(Some)]
}

/// Steps of a minute see whole days, steps of a second the half hour around the change.
fn case() -> impl Strategy<Value = Case> {
    let hours = prop_oneof![
        4 => Just(None),
        1 => Just(Some((0..24).collect())),
        5 => vec(0..=4_u32, 1..4).prop_map(Some),
        3 => vec(0..=23_u32, 1..12).prop_map(Some),
        1 => Just(Some(vec![0, 1, 2, 3, 22, 23])),
    ];
    let days = prop_oneof![4 => Just(None), 1 => vec(1..=31_u32, 8..16).prop_map(Some)];
    let weekdays = prop_oneof![4 => Just(None), 1 => vec(0..=6_u32, 2..6).prop_map(Some)];
    let months = prop_oneof![6 => Just(None), 1 => vec(1..=12_u32, 4..9).prop_map(Some)];
    let step = prop_oneof![3 => Just(60_i64), 1 => Just(1_i64)];
    (values(59, 0), values(59, 0), hours, days, months, weekdays, select(&CHANGES[..]), step, 1..STEPS_MAX).prop_map(
        |(second, minute, hour, day, month, weekday, change, step, begin)| Case {
            fields: [if step == 60 { Some(vec![0]) } else { second }, minute, hour, day, month, weekday],
            change,
            step,
            begin,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn next_times_are_those_of_the_oracle(case in case()) {
        let text = case.fields.each_ref().map(field).join(" ");
        let schedule = schedule(&text, case.change.0);
        let wanted = case.occurrences(schedule.zone());
        let found: Vec<Wall> = std::iter::successors(schedule.next_after(case.after()), |&at| schedule.next_after(at))
            .take_while(|&at| at <= case.end())
            .collect();
        prop_assert_eq!(found, wanted, "{}", text);
    }

    #[test]
    fn the_answer_is_the_same_from_any_moment_before_it(case in case(), parts in vec(0..1_000_i64, 1..8)) {
        let schedule = schedule(&case.fields.each_ref().map(field).join(" "), case.change.0);
        let after = case.after();
        let Some(next) = schedule.next_after(after) else { return Ok(()) };
        prop_assert!(next > after);
        let nanos = next.as_nanosecond() - after.as_nanosecond();
        for part in parts {
            let between = after.as_nanosecond() + nanos * i128::from(part) / 1_000;
            prop_assert_eq!(schedule.next_after(Wall::from_nanosecond(between).expect("in range")), Some(next));
        }
    }

    #[test]
    fn counting_back_leaves_enough(case in case(), count in 1..50_usize) {
        let schedule = schedule(&case.fields.each_ref().map(field).join(" "), case.change.0);
        let Some(start) = schedule.moment_before(case.end(), count) else { return Ok(()) };
        let found = std::iter::successors(schedule.next_after(start), |&at| schedule.next_after(at))
            .take_while(|&at| at <= case.end())
            .take(count)
            .count();
        prop_assert!(start <= case.end() && found >= count - 1, "{} for {}", found, count);
    }
}
