//! What is in the files of an operator.

use std::io;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::TlsError;

/// Bytes of a file at most: all authorities of a machine are a quarter of it.
const LARGEST: u64 = 1 << 20;

/// A certificate, with those that lead to its authority behind it, and its key. Both in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    pub(crate) fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|error| unusable(&self.key, "private key", error))?;
        Ok((certificates(&self.certificate)?, key))
    }

    /// In words for whoever chose the files.
    pub(crate) fn refuse(&self, error: rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { key: self.key.clone(), certificate: self.certificate.clone() }
            }
            error => TlsError::Unusable { file: self.certificate.clone(), why: error.to_string() },
        }
    }
}

/// All that are in a file; one at least.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "certificate";
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::Lacks { file: file.to_owned(), what: WHAT }),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(file, WHAT, error)),
    }
}

/// Those that a file names.
pub fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let refused = |error: rustls::Error| TlsError::Unusable { file: file.to_owned(), why: error.to_string() };
        roots.add(certificate).map_err(refused)?;
    }
    Ok(roots)
}

/// Those of the machine.
pub fn system_authorities() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Some that cannot be read leave the others.
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TlsError::NoAuthorities) } else { Ok(roots) }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        if std::fs::metadata(file)?.len() > LARGEST {
            return Err(io::Error::other("it is larger than a megabyte"));
        }
        std::fs::read(file)
    };
    read().map_err(|error| TlsError::Unreadable { file: file.to_owned(), error })
}

fn unusable(file: &Path, what: &'static str, error: PemError) -> TlsError {
    match error {
        PemError::NoItemsFound => TlsError::Lacks { file: file.to_owned(), what },
        error => TlsError::Unusable { file: file.to_owned(), why: error.to_string() },
    }
}
