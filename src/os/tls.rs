//! TLS: which code does its arithmetic, a server's certificate with its key, and a client that knows one certificate.
//!
//! The arithmetic is ring's, everywhere: rustls knows several providers and wants one chosen; a program with two and no
//! choice panics at its first connection.

mod pinned;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

pub use self::pinned::client;
use crate::os::file::{self, FileError, modes};

/// Largest file of certificates or keys that is read, in bytes.
const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// What is spoken within.
const HTTP: &[u8] = b"http/1.1";

/// Versions that are spoken: nothing below 1.2.
const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such file.
    #[error("there is no file `{0}`; name the certificate and its key with `tls.cert` and `tls.key`")]
    Missing(PathBuf),
    /// The file has no certificate.
    #[error("`{0}` holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate(PathBuf),
    /// The file has no key.
    #[error("`{0}` holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey(PathBuf),
    /// The key has a password.
    #[error(
        "the key in `{0}` is encrypted; decrypt it, for example with `openssl pkey`, and protect the file by its mode"
    )]
    EncryptedKey(PathBuf),
    /// The two do not belong together.
    #[error("the key in `{key}` does not belong to the certificate in `{cert}`, which must be the file's first")]
    Mismatch {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// They cannot be used.
    #[error("the certificate in `{path}` cannot be used")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// A server's certificate with its key, ready for use.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    certificate: String,
}

impl Identity {
    /// Reads a certificate, with those that lead to its root, and its key.
    ///
    /// # Errors
    /// When a file cannot be read, has not what it should, or the two do not fit.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain_text = read(cert)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain_text).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate(cert.to_owned()))?;
        let private = private_key(key)?;
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS);
        let made = builder.and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
        let mut config = made.map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() },
            source => TlsError::Unusable { path: cert.to_owned(), source },
        })?;
        config.alpn_protocols = vec![HTTP.to_vec()];
        let certificate = first_block(&String::from_utf8_lossy(&chain_text));
        Ok(Self { config: config.into(), certificate })
    }

    /// Returns what makes TLS connections of accepted ones.
    pub fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config).into()
    }

    /// Returns the server's own certificate in PEM. It is no secret.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(key not shown)")
    }
}

/// Chooses ring for the whole process. Called before the first TLS client or server is made; more calls change nothing.
pub fn choose_provider() {
    // Somebody, such as a program that embeds the library, may have chosen before.
    let _ = ring::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    ring::default_provider().into()
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    file::read_bounded(path, PEM_BYTES_MAX)?.ok_or_else(|| TlsError::Missing(path.to_owned()))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    if modes::is_open_to_others(path) {
        tracing::warn!(path = %path.display(), "others may read the private key; run `chmod 600` on the file");
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| match String::from_utf8_lossy(&text).contains("ENCRYPTED") {
        true => TlsError::EncryptedKey(path.to_owned()),
        false => TlsError::NoKey(path.to_owned()),
    })
}

/// The first certificate of a PEM text: nothing else of the file, which may hold the key as well.
fn first_block(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let inner = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map_or("", |(inner, _)| inner);
    let lines: String =
        inner.lines().map(str::trim).filter(|line| !line.is_empty()).map(|l| format!("{l}\n")).collect();
    format!("{BEGIN}\n{lines}{END}\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (cert, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        fs::write(&cert, made.cert.pem()).expect("it is written");
        fs::write(&key, made.signing_key.serialize_pem()).expect("it is written");
        (cert, key)
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_and_only_the_certificate_is_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let (cert, key) = pair(folder.path(), "a");
        let both = folder.path().join("both.pem");
        let text = fs::read_to_string(&key).expect("a key") + &fs::read_to_string(&cert).expect("a certificate");
        fs::write(&both, text).expect("it is written");
        for (cert, key) in [(&cert, &key), (&both, &both)] {
            let identity = Identity::load(cert, key).expect("they fit");
            assert!(identity.certificate().starts_with("-----BEGIN CERTIFICATE-----\n"));
            assert!(!identity.certificate().contains("PRIVATE") && !format!("{identity:?}").contains("BEGIN"));
            assert!(client(identity.certificate()).is_ok());
        }
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let ((cert, key), (_, other)) = (pair(folder.path(), "a"), pair(folder.path(), "b"));
        let garbage = folder.path().join("garbage");
        fs::write(&garbage, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
            .expect("it is written");
        let missing = folder.path().join("missing");
        for (cert, key, why) in [
            (&cert, &other, "does not belong to the certificate"),
            (&cert, &cert, "holds no private key"),
            (&key, &key, "holds no certificate"),
            (&missing, &key, "there is no file"),
            (&cert, &missing, "there is no file"),
            (&cert, &garbage, "is encrypted"),
            (&garbage, &key, "holds no certificate"),
        ] {
            let error = Identity::load(cert, key).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
