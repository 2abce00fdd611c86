//! The first credentials of a host: one line `user:secret` in a file that its owner alone may read.
//!
//! Made at the first start, read at every start, never written again: whoever edits the file chooses the secret. Only
//! hashes stay in memory, and hashes are compared, so that neither the length nor the first differing byte of a guess
//! shows in the time of an answer. The secret is never printed: not in errors, not by `Debug`.

use std::{
    fmt, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use subtle::ConstantTimeEq;

use crate::os::file::{self, Access, Durability, FileError, modes};

/// The user that a new file names.
const USER: &str = "webjobd";

/// Random bytes of a new secret.
const SECRET_BYTES: usize = 24;

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file does not say who may log in.
    #[error("`{0}` must hold one line `user:secret`; remove it, and the next start makes a new one")]
    Malformed(PathBuf),
    /// The system has no random numbers.
    #[error("failed to make a random secret: {0}")]
    Random(getrandom::Error),
}

/// Who may log in.
#[derive(Clone)]
pub struct Credentials {
    user: blake3::Hash,
    secret: blake3::Hash,
}

impl Credentials {
    /// Reads the credentials, and makes them when there are none.
    ///
    /// # Errors
    /// When the file cannot be read or made, or does not hold `user:secret`.
    pub fn open(path: &Path) -> Result<Self, CredentialsError> {
        if let Some(found) = Self::read(path)? {
            return Ok(found);
        }
        if let Some(folder) = path.parent() {
            file::create_folders(folder)?;
        }
        create(path, &random_hex::<SECRET_BYTES>()?, &random_hex::<8>()?)?;
        // Another host that shares the folder may have been first: its line counts.
        Self::read(path)?.ok_or_else(|| CredentialsError::Malformed(path.to_owned()))
    }

    /// Takes a line `user:secret`; lines that are empty or start with `#` are passed over.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
        let (user, secret) = line.split_once(':')?;
        let is_usable = !user.is_empty() && !secret.is_empty();
        is_usable.then(|| Self { user: blake3::hash(user.as_bytes()), secret: blake3::hash(secret.as_bytes()) })
    }

    /// Tells whether this user with this secret may log in.
    pub fn admits(&self, user: &[u8], secret: &[u8]) -> bool {
        (is_same(&self.user, user) & is_same(&self.secret, secret)).into()
    }

    /// Tells whether this secret alone may log in.
    pub fn admits_secret(&self, secret: &[u8]) -> bool {
        is_same(&self.secret, secret).into()
    }

    fn read(path: &Path) -> Result<Option<Self>, CredentialsError> {
        let Some(content) = file::read_bounded(path, FILE_BYTES_MAX)? else { return Ok(None) };
        warn_of_readers(path);
        let malformed = || CredentialsError::Malformed(path.to_owned());
        Self::parse(&String::from_utf8_lossy(&content)).map(Some).ok_or_else(malformed)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(not shown)")
    }
}

fn is_same(known: &blake3::Hash, given: &[u8]) -> subtle::Choice {
    known.as_bytes().ct_eq(blake3::hash(given).as_bytes())
}

fn random_hex<const N: usize>() -> Result<String, CredentialsError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(CredentialsError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Puts the file in place unless there is one: written whole under a name that nobody else uses, then linked, which
/// never replaces.
fn create(path: &Path, secret: &str, mark: &str) -> Result<(), FileError> {
    let beside = path.with_file_name(format!(".credentials.{mark}"));
    let line = format!("{USER}:{secret}\n");
    file::write_whole(&beside, line.as_bytes(), Durability::Synced, Access::Owner)?;
    let done = match fs::hard_link(&beside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            // A file system without links: of two hosts that start for the first time at once, the later one wins.
            fs::rename(&beside, path).map_err(|source| FileError::Write { path: path.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    };
    // After a rename it is gone already.
    let _ = fs::remove_file(&beside);
    done
}

fn warn_of_readers(path: &Path) {
    if modes::is_open_to_others(path) {
        tracing::warn!(path = %path.display(), "others may read the credentials; run `chmod 600` on the file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_secret_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("webjobd/credentials");
        let made = Credentials::open(&path).expect("it is made");
        let text = fs::read_to_string(&path).expect("it is there");
        let (user, secret) = text.trim_end().split_once(':').expect("user:secret");
        assert!(user == "webjobd" && secret.len() >= 32 && text.ends_with('\n'), "{text}");
        let again = Credentials::open(&path).expect("it is read");
        for credentials in [made, again] {
            assert!(credentials.admits(user.as_bytes(), secret.as_bytes()));
            assert!(credentials.admits_secret(secret.as_bytes()));
            assert!(!format!("{credentials:?}").contains(secret));
        }
        assert!(!modes::is_open_to_others(&path));
        assert_eq!(fs::read_dir(folder.path().join("webjobd")).expect("a folder").count(), 1);
    }

    #[test]
    fn two_first_starts_agree() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        create(&path, "first-secret", "a").expect("it is made");
        create(&path, "second-secret", "b").expect("it is there already");
        let read = Credentials::open(&path).expect("it is read");
        assert!(read.admits_secret(b"first-secret"));
    }

    #[test]
    fn a_file_that_a_person_edited_is_read() {
        for text in ["me:se:cret", "\u{feff}# mine\r\n\r\n me:se:cret \r\n", "me:se:cret\nother:line"] {
            let credentials = Credentials::parse(text).expect(text);
            assert!(credentials.admits(b"me", b"se:cret"), "{text}");
            for (user, secret) in [("me", "se"), ("Me", "se:cret"), ("", ""), ("other", "line"), ("me", "se:cret ")] {
                assert!(!credentials.admits(user.as_bytes(), secret.as_bytes()), "{user}:{secret}");
            }
        }
        for text in ["", "\n", "secret-alone", ":secret", "user:", "# a:b"] {
            assert!(Credentials::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn an_empty_file_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        fs::write(&path, "").expect("it is written");
        let error = Credentials::open(&path).expect_err("nobody could log in");
        assert!(error.to_string().contains("remove it"), "{error}");
    }
}
