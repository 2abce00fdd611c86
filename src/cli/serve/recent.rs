//! Keeps the latest lines of the trace, for those who ask the API what the host said of late.

use std::fmt::{self, Write};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::{
    host::trace,
    model::trace::{TraceLine, Weight},
    os::clock::Clock,
};

/// The keeper of the latest lines.
#[derive(Debug)]
pub struct Recent {
    clock: Clock,
}

impl Recent {
    /// Makes the keeper.
    pub fn new() -> Self {
        Self { clock: Clock::start() }
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let weight = match *event.metadata().level() {
            Level::ERROR => Weight::Error,
            Level::WARN => Weight::Warning,
            Level::INFO => Weight::Information,
            Level::DEBUG | Level::TRACE => Weight::Verbose,
        };
        let message = text.message + &text.values;
        trace::note(TraceLine { at: self.clock.now().wall, weight, message });
    }
}

/// A line as it is put together: the message, then its values.
#[derive(Debug, Default)]
struct Text {
    message: String,
    values: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A text takes whatever is written to it.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.values, " {name}={value:?}"),
        };
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let causes = std::iter::successors(Some(value), |error| error.source());
        let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        // A text takes whatever is written to it.
        let _ = write!(self.values, " {}={text}", field.name());
    }
}
