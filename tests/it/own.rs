//! `/api/v1` beyond runs and logs: its description, its problems, pauses, checked settings, streams, search.

mod described;
mod pause;
