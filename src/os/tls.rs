//! Which code does TLS's arithmetic: ring, everywhere.
//!
//! rustls knows several providers and wants one chosen; a program with two and no choice panics at its first connection.

use tokio_rustls::rustls::crypto::ring;

/// Chooses ring for the whole process. Called before the first TLS client or server is made; more calls change nothing.
pub fn choose_provider() {
    // Somebody, such as a program that embeds the library, may have chosen before.
    let _ = ring::default_provider().install_default();
}
