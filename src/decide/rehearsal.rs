//! When a due time is rehearsed: what its run will need is looked at once, shortly before.
//!
//! What nobody touched for a second is far away. Its memory may have to be fetched first, on a virtual machine from outside of
//! it, and the processor sleeps. A run that is due then begins late by what it takes to come near; a look beforehand lets that
//! happen while nobody waits. It decides nothing and changes nothing that anybody is told of.

use jiff::SignedDuration;

use crate::model::time::Wall;

/// How long before a due time it is rehearsed. A look takes 4 ms where all is far away, 0.1 ms where nothing is.
pub const LEAD: SignedDuration = SignedDuration::from_millis(15);

/// Returns when to rehearse for what is `due`; `None` when it is too late for that.
pub fn begins_at(due: Option<Wall>, now: Wall) -> Option<Wall> {
    due.and_then(|due| due.checked_sub(LEAD).ok()).filter(|begin| *begin > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_time_is_rehearsed_once_and_not_late() {
        let at = |ms: i64| Wall::from_millisecond(1_800_000_000_000 + ms).expect("a time");
        let cases = [
            (Some(1000), 0, Some(985)),
            (Some(1000), 984, Some(985)),
            // The look begins now: from here on the due time itself is waited for.
            (Some(1000), 985, None),
            (Some(1000), 1000, None),
            (Some(1000), 5000, None),
            (None, 0, None),
        ];
        for (due, now, begins) in cases {
            assert_eq!(begins_at(due.map(at), at(now)), begins.map(at), "due {due:?}, now {now}");
        }
        assert_eq!(begins_at(Some(Wall::MIN), at(0)), None);
    }
}
