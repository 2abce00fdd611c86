//! How Kudu writes moments and spans of time.

pub use crate::model::dotnet::{date, duration};
