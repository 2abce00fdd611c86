//! The word by which other hosts know what a job does here: written when it has lasted for a moment.
//!
//! A job that crashes in a loop changes its word several times in a millisecond, and each time costs as much as a record.

use std::time::Duration;

use crate::model::{status::StateWord, time::Mono};

/// How long a word lasts before it is written. Other hosts show it to people.
const LASTS_AFTER: Duration = Duration::from_millis(100);

/// What is written and what is to be.
#[derive(Debug, Default)]
pub struct Word {
    /// As a state that other hosts are told of by the same word.
    written: Option<StateWord>,
    now: Option<StateWord>,
    due: Option<Mono>,
}

impl Word {
    /// Takes the word as it is now.
    pub fn set(&mut self, state: StateWord, now: Mono) {
        self.now = Some(state);
        self.due = match self.due {
            _ if !self.is_news() => None,
            None => Some(now + LASTS_AFTER),
            due @ Some(_) => due,
        };
    }

    /// Returns when [`Self::take`] has something to write.
    pub fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Returns what is to be written, now that it is due or nothing follows any more.
    pub fn take(&mut self) -> Option<&'static str> {
        self.due = None;
        let news = self.now.filter(|_| self.is_news());
        self.written = self.now;
        news.map(StateWord::kudu)
    }

    fn is_news(&self) -> bool {
        self.now.map(StateWord::kudu) != self.written.map(StateWord::kudu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_lasts_is_written_once_and_those_on_the_way_are_not() {
        let at = |ms| Mono::at(Duration::from_millis(ms));
        let mut word = Word::default();
        assert_eq!((word.due(), word.take()), (None, None));
        word.set(StateWord::Starting, at(0));
        word.set(StateWord::Running, at(10));
        assert_eq!(word.due(), Some(at(100)), "from the first change on, or one that changes all the time never is");
        assert_eq!((word.take(), word.due()), (Some("Running"), None));
        word.set(StateWord::Running, at(160));
        assert_eq!((word.due(), word.take()), (None, None), "it is written");
        word.set(StateWord::Backoff, at(170));
        word.set(StateWord::Running, at(171));
        assert_eq!((word.due(), word.take()), (None, None), "back before anybody saw it");
        word.set(StateWord::Done, at(200));
        assert_eq!(word.take(), Some("Stopped"));
        word.set(StateWord::Disabled, at(300));
        assert_eq!((word.due(), word.take()), (None, None), "others are told the same word of it");
    }
}
