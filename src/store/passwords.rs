//! Passwords and tokens: made, hashed and checked. What is secret is never shown, not in errors, not by `Debug`.
//!
//! Checking a password takes about 20 ms and 19 MiB by intent, the same whether the user exists or not. A token is random
//! and long, so that a plain hash of it is enough.

use std::fmt::Write;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::model::access::{PasswordHash, TokenHash};

/// Random bytes of a salt and of a token.
const SALT_BYTES: usize = 16;
const TOKEN_BYTES: usize = 32;

/// How a token begins, so that scanners for leaked secrets know it.
pub const TOKEN_PREFIX: &str = "wjt_";

/// Checked in place of a user that there is not, so that the answer takes as long: the same costs as a new hash has.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The system has no random numbers.
    #[error("failed to get random numbers: {0}")]
    Random(getrandom::Error),
    /// The password cannot be hashed.
    #[error("failed to hash the password: {0}")]
    Hash(String),
    /// A hash in the configuration cannot be used.
    #[error("the password of user `{user}` is no usable hash: {why}; make one with `webjobd credentials hash`")]
    Unusable {
        /// Whose.
        user: String,
        /// Why.
        why: String,
    },
}

/// Hashes a password with a new salt.
///
/// # Errors
/// When the system has no random numbers.
pub fn hash(password: &[u8]) -> Result<PasswordHash, PasswordError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(PasswordError::Random)?;
    let hashed: phc::PasswordHash = Argon2::default()
        .hash_password_with_salt(password, &salt)
        .map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(PasswordHash(hashed.to_string()))
}

/// Tells whether a hash is one that passwords can be checked against.
///
/// # Errors
/// When it is not.
pub fn usable(user: &str, hash: &PasswordHash) -> Result<(), PasswordError> {
    let unusable = |why: String| PasswordError::Unusable { user: user.to_owned(), why };
    phc::PasswordHash::new(&hash.0).map(drop).map_err(|error| unusable(error.to_string()))
}

/// Tells whether a password is the one of a hash. Without a hash it takes as long, and is never.
pub fn is_right(password: &[u8], hash: Option<&PasswordHash>) -> bool {
    let text = hash.map_or(NOBODY, |hash| &hash.0);
    let Ok(parsed) = phc::PasswordHash::new(text) else { return false };
    let fits = Argon2::default().verify_password(password, &parsed).is_ok();
    fits && hash.is_some()
}

/// Makes a token, and the hash of it to keep.
///
/// # Errors
/// When the system has no random numbers.
pub fn new_token() -> Result<(String, TokenHash), PasswordError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(PasswordError::Random)?;
    let token = format!("{TOKEN_PREFIX}{}", hex(&bytes));
    let hash = token_hash(token.as_bytes());
    Ok((token, hash))
}

/// Hashes a token.
pub fn token_hash(token: &[u8]) -> TokenHash {
    TokenHash(Sha256::digest(token).into())
}

/// Tells whether two hashes are the same, in the same time whether or not.
pub fn is_same(one: &TokenHash, other: &TokenHash) -> bool {
    one.0.ct_eq(&other.0).into()
}

/// Writes a token's hash as it stands in `webjobd.toml`.
pub fn token_text(hash: &TokenHash) -> String {
    format!("sha256:{}", hex(&hash.0))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_or_wrong() {
        let made = hash(b"correct horse").expect("random numbers");
        assert!(made.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", made.0);
        assert_ne!(made, hash(b"correct horse").expect("random numbers"), "each has a salt of its own");
        assert!(usable("ada", &made).is_ok());
        assert!(is_right(b"correct horse", Some(&made)));
        for wrong in [&b"Correct horse"[..], b"correct hors", b"correct horse ", b""] {
            assert!(!is_right(wrong, Some(&made)));
        }
        assert!(!is_right(b"correct horse", Some(&PasswordHash("$argon2id$x".to_owned()))));
        assert!(usable("ada", &PasswordHash("$argon2id$x".to_owned())).is_err());
    }

    #[test]
    fn nobody_has_a_hash_that_costs_the_same_and_no_password() {
        let costs = |text: &str| text.split('$').nth(3).map(str::to_owned);
        assert_eq!(costs(NOBODY), costs(&hash(b"x").expect("random numbers").0));
        assert!(usable("nobody", &PasswordHash(NOBODY.to_owned())).is_ok());
        assert!(!is_right(b"", None) && !is_right(b"nobody", None));
    }

    #[test]
    fn a_token_is_long_and_known_by_its_hash() {
        let (token, hash) = new_token().expect("random numbers");
        assert!(token.starts_with("wjt_") && token.len() == 68, "{token}");
        assert!(is_same(&hash, &token_hash(token.as_bytes())));
        assert!(!is_same(&hash, &token_hash(b"wjt_")));
        let known = token_text(&token_hash(b"abc"));
        assert_eq!(known, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
