//! What is read, what is refused and how, what is remarked upon, and the normal form.

use proptest::{collection::vec, prelude::*};

use super::*;

fn normalised(text: &str) -> String {
    Expression::parse(text).unwrap_or_else(|error| panic!("`{text}`: {error}")).normalised()
}

#[test]
fn the_normal_form_lists_values_and_stretches() {
    for (text, normal) in [
        ("0 */15 * * * *", "0 0,15,30,45 * * * *"),
        ("*/10 * * * * *", "0,10,20,30,40,50 * * * * *"),
        ("0-59 0/1 */1 1-31 1-12 0-6", "* * * * * *"),
        ("0 30 2 * * *", "0 30 2 * * *"),
        ("00 030 02 * * *", "0 30 2 * * *"),
        ("0 0 9-17 * * Mon-Fri", "0 0 9-17 * * 1-5"),
        ("0 1,2 3,1,2,7 * * *", "0 1-2 1-3,7 * * *"),
        ("0 0 0 5-1 * *", "0 0 0 1-5 * *"),
        ("0 0 0 1 jan,Jun-aug,D *", "0 0 0 1 1,6-8,12 *"),
        ("0 0 0 * * 6,0", "0 0 0 * * 0,6"),
        ("5,*/30,5 * * * * *", "0,5,30 * * * * *"),
        ("1-10/3 50/4 20-10/5 * * *", "1,4,7,10 50,54,58 10,15,20 * * *"),
        ("*/5 2 * * *", "0 0,5,10,15,20,25,30,35,40,45,50,55 2 * * *"),
        ("@hourly", "0 0 * * * *"),
        ("@daily", "0 0 0 * * *"),
        ("@midnight", "0 0 0 * * *"),
        ("@weekly", "0 0 0 * * 0"),
        ("@monthly", "0 0 0 1 * *"),
        ("@yearly", "0 0 0 1 1 *"),
        (" @ANNUALLY ", "0 0 0 1 1 *"),
    ] {
        assert_eq!(normalised(text), normal, "{text}");
        assert_eq!(normalised(normal), normal, "{text}");
    }
}

#[test]
fn any_beginning_of_an_english_name_is_a_value() {
    for (field, at, first) in [(Field::Month, 4, 1), (Field::Weekday, 5, 0)] {
        let names = [
            "January February March April May June July August September October November December",
            "Sunday Monday Tuesday Wednesday Thursday Friday Saturday",
        ][at - 4];
        for (value, name) in (first..).zip(names.split(' ')) {
            let shortest = if matches!(name, "March" | "May" | "June" | "July") { name.len().min(4) } else { 3 };
            for length in shortest.min(name.len())..=name.len() {
                let mut fields = ["0", "0", "0", "*", "*", "*"];
                let part = name[..length].to_uppercase();
                fields[at] = &part;
                let expression = Expression::parse(&fields.join(" ")).expect("a name");
                assert_eq!(expression.set(field).values().collect::<Vec<_>>(), [value], "{part}");
            }
        }
    }
}

#[test]
fn what_is_refused_says_where_and_what_is_allowed() {
    for (text, message) in [
        ("", "the schedule is empty; write six fields, for example `0 30 2 * * *` for 02:30 every day (column 1)"),
        (" \t ", "the schedule is empty; write six fields, for example `0 30 2 * * *` for 02:30 every day (column 1)"),
        ("*", &count("one field", 1)),
        ("0 0 *", &count("3 fields", 5)),
        ("0 0 0 * * * 2026", &count("seven fields (years are not supported)", 13)),
        ("0 0 0 * * * * *", &count("8 fields", 13)),
        ("60 * * * * *", "second: `60` is out of range; it takes 0-59 (column 1)"),
        ("0 60 * * * *", "minute: `60` is out of range; it takes 0-59 (column 3)"),
        ("0 0 24 * * *", "hour: `24` is out of range; it takes 0-23 (column 5)"),
        ("0 0 22-24 * * *", "hour: `24` is out of range; it takes 0-23 (column 8)"),
        ("0 0 0 0 * *", "day: `0` is out of range; it takes 1-31 (column 7)"),
        ("0 0 0 32 * *", "day: `32` is out of range; it takes 1-31 (column 7)"),
        ("0 0 0 1 0 *", "month: `0` is out of range; it takes 1-12 or a name such as Jan (column 9)"),
        ("0 0 0 1 13 *", "month: `13` is out of range; it takes 1-12 or a name such as Jan (column 9)"),
        ("0 0 0 1 Janx *", "month: `Janx` is not a value; it takes 1-12 or a name such as Jan (column 9)"),
        ("0 0 0 1 Januaryy *", "month: `Januaryy` is not a value; it takes 1-12 or a name such as Jan (column 9)"),
        ("0 0 0 1 Mon *", "month: `Mon` is not a value; it takes 1-12 or a name such as Jan (column 9)"),
        ("0 0 0 * * 7", "weekday: `7` is out of range; Sunday is 0 (it takes 0-6, or a name such as Sun) (column 11)"),
        (
            "0 0 0 * * 1-7",
            "weekday: `7` is out of range; Sunday is 0 (it takes 0-6, or a name such as Sun) (column 13)",
        ),
        (
            "0 0 0 * * 8",
            "weekday: `8` is out of range; it takes 0-6 with 0 for Sunday, or a name such as Mon (column 11)",
        ),
        (
            "0 0 0 * * Jan",
            "weekday: `Jan` is not a value; it takes 0-6 with 0 for Sunday, or a name such as Mon (column 11)",
        ),
    ] {
        refused(text, message);
    }
}

#[test]
fn what_is_no_value_or_not_supported_says_what_to_write() {
    for (text, message) in [
        ("Mon 0 0 * * *", "second: `Mon` is not a value; it takes 0-59 (column 1)"),
        ("0 x * * * *", "minute: `x` is not a value; it takes 0-59 (column 3)"),
        ("0 1,,2 * * * *", "minute: a value is missing; it takes 0-59 (column 5)"),
        ("0 1,2, * * * *", "minute: a value is missing; it takes 0-59 (column 7)"),
        ("0 , * * * *", "minute: a value is missing; it takes 0-59 (column 3)"),
        ("0 5- * * * *", "minute: a value is missing; it takes 0-59 (column 5)"),
        ("0 -5 * * * *", "minute: a value is missing; it takes 0-59 (column 3)"),
        ("0 /5 * * * *", "minute: a value is missing; it takes 0-59 (column 3)"),
        ("0 1-2-3 * * * *", "minute: `2-3` is not a value; it takes 0-59 (column 5)"),
        ("0 *-5 * * * *", "minute: `*` is not a value; it takes 0-59 (column 3)"),
        ("0 ** * * * *", "minute: `**` is not a value; it takes 0-59 (column 3)"),
        ("0 +5 * * * *", "minute: `+5` is not a value; it takes 0-59 (column 3)"),
        ("0 5.5 * * * *", "minute: `5.5` is not a value; it takes 0-59 (column 3)"),
        ("0 99999999999999999999 * * * *", "minute: `99999999999999999999` is out of range; it takes 0-59 (column 3)"),
        ("0 ٣ * * * *", "minute: `٣` is not a value; it takes 0-59 (column 3)"),
        ("0 */ * * * *", "minute: `` is not a step; write a whole number after the `/` (column 5)"),
        ("0 */x * * * *", "minute: `x` is not a step; write a whole number after the `/` (column 5)"),
        ("0 */5/2 * * * *", "minute: `5/2` is not a step; write a whole number after the `/` (column 5)"),
        ("0 1,*/- * * * *", "minute: `-` is not a step; write a whole number after the `/` (column 7)"),
        ("0 0 0 ? * *", "day: `?` is not supported; write `*` for any value (column 7)"),
        ("0 0 0 * * ?", "weekday: `?` is not supported; write `*` for any value (column 11)"),
        ("0 0 0 L * *", &last("day", 7)),
        ("0 0 0 * * 5L", &last("weekday", 11)),
        ("0 0 0 15W * *", "day: `W` is not supported; name the weekdays, for example `Mon-Fri` (column 7)"),
        ("0 0 0 LW * *", "day: `W` is not supported; name the weekdays, for example `Mon-Fri` (column 7)"),
        (
            "0 0 0 * * 1#2",
            "weekday: `#` is not supported; \
             for the second Monday write the days too: day `8-14` and weekday `Mon` (column 12)",
        ),
        ("ä 0 0 x * *", "second: `ä` is not a value; it takes 0-59 (column 1)"),
        ("  0  0 0 \t 99 * *", "day: `99` is out of range; it takes 1-31 (column 12)"),
        ("99 * * * *", "minute: `99` is out of range; it takes 0-59 (column 1)"),
        (
            "@fortnightly",
            "`@fortnightly` is not known; \
             use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually (column 1)",
        ),
        (" @reboot", "`@reboot` is not a schedule; use the setting \"run_on_start\": true (column 2)"),
    ] {
        refused(text, message);
    }
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(Expression::parse(text).expect_err(text).to_string(), message, "{text}");
}

fn count(fields: &str, column: usize) -> String {
    format!(
        "{fields} where a schedule has six: second minute hour day month weekday (five without second) \
         (column {column})"
    )
}

fn last(field: &str, column: usize) -> String {
    let instead = "let the job run on days 28-31 and check for the last one itself";
    format!("{field}: `L` is not supported; {instead} (column {column})")
}

#[test]
fn what_an_author_may_not_expect_is_remarked_upon() {
    for (text, wanted) in [
        ("0 */15 * * * *", &[][..]),
        ("@weekly", &[]),
        ("0 0 0 29 2 *", &[]),
        ("*/15 * * * *", &["five fields are read as minute hour day month weekday, at second 0"]),
        (
            "0 50-10 * * * *",
            &["minute: `50-10` runs backwards and is read the other way round; it does not wrap around"],
        ),
        (
            "0 0 0 * * fri-Mon",
            &["weekday: `fri-Mon` runs backwards and is read the other way round; it does not wrap around"],
        ),
        ("0 */0 * * * *", &["minute: the step of `*/0` is read as 1"]),
        ("0 */-99999999999999999999 * * * *", &["minute: the step of `*/-99999999999999999999` is read as 1"]),
        ("0 */90 * * * *", &["minute: the step of `*/90` leads past the end, so it means `0` alone"]),
        ("0 5-9/5 * * * *", &["minute: the step of `5-9/5` leads past the end, so it means `5` alone"]),
        ("0 59/5 * * * *", &[]),
        ("0 0 0 13 * Fri", &["day and weekday are both limited: a date must match both"]),
        ("0 0 0 31 2 *", &["no date matches day and month: the schedule never occurs"]),
        ("0 0 0 30-31 2 Mon", &["no date matches day and month: the schedule never occurs"]),
        ("0 0 0 31 2,4,6,9,11 *", &["no date matches day and month: the schedule never occurs"]),
        ("0 0 0 31 2,3 *", &[]),
    ] {
        let expression = Expression::parse(text).expect(text);
        let notices: Vec<String> = expression.notices().iter().map(ToString::to_string).collect();
        assert_eq!(notices, wanted, "{text}");
    }
}

#[test]
fn expressions_are_equal_when_they_mean_the_same() {
    assert_eq!(Expression::parse("*/30 2 * * *"), Expression::parse("0 0,30 02 1-31 * Sun-Sat"));
    assert_ne!(Expression::parse("0 0 0 * * *"), Expression::parse("0 0 1 * * *"));
    assert_eq!(Expression::parse("  0 0 0  * * * ").expect("six fields").text(), "0 0 0  * * *");
}

/// One item of a list: its text, and the values that the grammar gives it, written down independently.
fn item(min: u32, max: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    let steps = 0..=(max + 5);
    prop_oneof![
        Just(("*".to_owned(), (min..=max).collect())),
        (min..=max).prop_map(|n| (n.to_string(), vec![n])),
        (min..=max, min..=max).prop_map(|(a, b)| (format!("{a}-{b}"), (a.min(b)..=a.max(b)).collect())),
        (min..=max, steps.clone()).prop_map(move |(n, step)| (format!("{n}/{step}"), every(n, max, step))),
        steps.clone().prop_map(move |step| (format!("*/{step}"), every(min, max, step))),
        (min..=max, min..=max, steps)
            .prop_map(|(a, b, step)| (format!("{a}-{b}/{step}"), every(a.min(b), a.max(b), step))),
    ]
}

fn every(first: u32, last: u32, step: u32) -> Vec<u32> {
    (first..=last).filter(|value| (value - first).is_multiple_of(step.max(1))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_list_means_its_values_and_survives_its_normal_form(items in Field::ALL.map(|field| {
        let (min, max) = field.bounds();
        vec(item(min, max), 1..4)
    })) {
        let text = items.each_ref().map(|list| {
            list.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",")
        });
        let expression = Expression::parse(&text.join(" ")).expect("written by the grammar");
        for (field, list) in Field::ALL.into_iter().zip(&items) {
            let values: FieldSet = list.iter().flat_map(|(_, values)| values.iter().copied()).collect();
            prop_assert_eq!(expression.set(field), values, "{}", field);
        }
        let normal = expression.normalised();
        let again = Expression::parse(&normal).expect("the normal form is an expression");
        prop_assert_eq!(&again, &expression);
        prop_assert_eq!(again.normalised(), normal);
    }

    #[test]
    fn no_text_breaks_the_parser(text in "\\PC{0,40}", signs in "[-0-9*/,?#LWa-y@ ]{0,40}") {
        for text in [text, signs] {
            if let Err(error) = Expression::parse(&text) {
                prop_assert!(error.column <= text.chars().count() + 1, "{}", error);
            }
        }
    }
}
