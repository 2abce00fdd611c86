//! Which host is believed to be the one that is meant, where it speaks TLS. Nothing is ever left unchecked.
//!
//! * A file of certificates that was named (`--ca`, WEBJOBD_CA): a host whose certificate is signed by one of them.
//! * A host of this machine, found by its host.json: the one with the certificate that this file names, whatever its
//!   names and whoever signed it. Whoever can write that file can read the credentials beside it, too.
//! * All others: a host whose certificate the system believes.

use std::{error::Error, fs, io};

use anyhow::Context;
use reqwest::{Certificate, ClientBuilder};

use crate::{
    cli::{
        error::{CliError, Exit},
        place::{Place, Target},
    },
    os::tls,
};

/// Reads the certificates that were named.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub fn of(place: &Place) -> Result<Option<Vec<Certificate>>, CliError> {
    let Some(path) = place.ca_file() else { return Ok(None) };
    let usage = |cause| CliError::Told(Exit::Usage, cause);
    let shown = path.display();
    let text = fs::read(&path).with_context(|| format!("failed to read `{shown}`")).map_err(usage)?;
    let found = Certificate::from_pem_bundle(&text).unwrap_or_default();
    if found.is_empty() {
        return Err(CliError::new(Exit::Usage, format!("`{shown}` holds no certificate in PEM")));
    }
    Ok(Some(found))
}

/// Lets a client believe the host that is meant.
///
/// # Errors
/// When the certificate of a host.json is none.
pub fn apply(builder: ClientBuilder, target: &Target, ca: Option<Vec<Certificate>>) -> Result<ClientBuilder, CliError> {
    if let Some(ca) = ca {
        return Ok(builder.tls_certs_only(ca));
    }
    let Some(certificate) = target.file.as_ref().and_then(|file| file.certificate.as_ref()) else { return Ok(builder) };
    let client = tls::client(certificate).context("the host's host.json names a certificate that cannot be used");
    Ok(builder.tls_backend_preconfigured(client.map_err(|cause| CliError::Told(Exit::Failed, cause))?))
}

/// Tells whether somebody answered who is not believed, or does not speak TLS.
pub fn is_denied(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(one) = cause {
        if one.downcast_ref::<io::Error>().is_some_and(is_of_tls) {
            return true;
        }
        cause = one.source();
    }
    false
}

/// What TLS refuses is invalid data, wrapped in errors of those who asked it.
fn is_of_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == io::ErrorKind::InvalidData || inner.is_some_and(is_of_tls)
}
