//! What lies on disk below the data folder: its paths, its formats and their versions.
//!
//! Every file is written as a whole or appended by whole lines, so that a crash of anything leaves nothing half-written,
//! and one that cannot be read hides no other. Nothing here knows why something is kept or removed.

pub mod app_settings;
pub mod audit;
pub mod beneath;
pub mod credentials;
pub mod deployments;
pub mod hooks;
pub mod index;
pub mod layout;
pub mod log;
pub mod looks;
pub mod occurrences;
pub mod open_runs;
pub mod overrides;
pub mod passwords;
pub mod record;
pub mod tails;
pub mod unzip;
pub mod waiting;
pub mod zipping;
