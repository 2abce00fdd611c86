//! Reads one field: a comma list of `*`, `n` and `a-b`, each with an optional `/step`.

use super::{
    field::{Field, FieldSet},
    message::{Fault, Notice},
};

/// What is wrong, and how many bytes into the field.
pub(super) type Refusal = (usize, Fault);

/// Reads a whole field and adds what its author should know to `notices`.
///
/// # Errors
/// When an item of the list is not a value, a range or a step.
pub(super) fn parse_field(field: Field, text: &str, notices: &mut Vec<Notice>) -> Result<FieldSet, Refusal> {
    let mut set = FieldSet::default();
    let mut offset = 0;
    for item in text.split(',') {
        let values = parse_item(field, item, notices).map_err(|(inner, fault)| (offset + inner, fault))?;
        set = set.union(values);
        offset += item.len() + 1;
    }
    Ok(set)
}

fn parse_item(field: Field, item: &str, notices: &mut Vec<Notice>) -> Result<FieldSet, Refusal> {
    if let Some(refusal) = unsupported_sign(item) {
        return Err(refusal);
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some((range.len() + 1, step))),
        None => (item, None),
    };
    let (min, max) = field.bounds();
    let (first, last) = if range == "*" {
        (min, max)
    } else if let Some((from, to)) = range.split_once('-') {
        let (a, b) = (parse_value(field, from, 0)?, parse_value(field, to, from.len() + 1)?);
        if a > b {
            notices.push(Notice::ReversedRange { field, text: range.to_owned() });
        }
        (a.min(b), a.max(b))
    } else {
        let value = parse_value(field, range, 0)?;
        (value, if step.is_some() { max } else { value })
    };
    let step = match step {
        None => 1,
        Some((at, text)) => parse_step(text).ok_or_else(|| (at, Fault::Step(text.to_owned())))?,
    };
    if step < 1 {
        notices.push(Notice::StepBelowOne { field, text: item.to_owned() });
    } else if first < last && step > i64::from(last - first) {
        notices.push(Notice::StepTooLong { field, text: item.to_owned(), only: first });
    }
    let step = usize::try_from(step.clamp(1, 60)).expect("from 1 to 60");
    Ok((first..=last).step_by(step).collect())
}

fn parse_value(field: Field, text: &str, at: usize) -> Result<u32, Refusal> {
    if text.is_empty() {
        return Err((at, Fault::Missing(field)));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let (min, max) = field.bounds();
        return match text.parse::<u32>() {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            Ok(7) if field == Field::Weekday => Err((at, Fault::Seven)),
            Ok(_) | Err(_) => Err((at, Fault::OutOfRange { field, text: text.to_owned() })),
        };
    }
    field.value_of_name(text).ok_or_else(|| {
        let fault = last_or_nearest(text).unwrap_or_else(|| Fault::NotAValue { field, text: text.to_owned() });
        (at, fault)
    })
}

/// Reads a whole number of any size and sign; beyond 60 its size does not matter.
fn parse_step(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| text.parse().unwrap_or(if digits == text { i64::MAX } else { i64::MIN }))
}

fn unsupported_sign(item: &str) -> Option<Refusal> {
    let at = item.find(['?', '#'])?;
    let (sign, instead) = if item[at..].starts_with('?') {
        ("?", "write `*` for any value")
    } else {
        ("#", "for the second Monday write the days too: day `8-14` and weekday `Mon`")
    };
    Some((at, Fault::Unsupported { sign, instead }))
}

/// Recognises `L`, `5L`, `W`, `15W` and `LW`.
fn last_or_nearest(text: &str) -> Option<Fault> {
    match text.trim_start_matches(|c: char| c.is_ascii_digit()).to_ascii_uppercase().as_str() {
        "L" => Some(Fault::Unsupported {
            sign: "L",
            instead: "let the job run on days 28-31 and check for the last one itself",
        }),
        "W" | "LW" => Some(Fault::Unsupported { sign: "W", instead: "name the weekdays, for example `Mon-Fri`" }),
        _ => None,
    }
}
