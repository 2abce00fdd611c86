//! `/api/v1` beyond runs and logs: its description, its problems, pauses, checked settings, streams, search.

mod contract;
mod described;
mod pause;
mod search;
mod streams;
