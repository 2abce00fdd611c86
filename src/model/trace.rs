//! What webjobd says about itself, as it is kept for those who ask of late.

use crate::model::time::Wall;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something failed.
    Error,
    /// Something is odd.
    Warning,
    /// An operator wants to know it.
    Information,
    /// Whoever looks for a fault wants to know it.
    Verbose,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// When.
    pub at: Wall,
    /// How much it matters.
    pub weight: Weight,
    /// What, with its values.
    pub message: String,
}

impl Weight {
    /// Returns .NET's word for it, which Kudu's answers use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Information => "Information",
            Self::Verbose => "Verbose",
        }
    }
}
