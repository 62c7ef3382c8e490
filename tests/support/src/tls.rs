//! Authorities of the tests, and what they sign.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::postgres::{self, Cluster};
use crate::server::Deployment;
use crate::wait::{PATIENCE, eventually};

const DAY: Duration = Duration::from_secs(86_400);

/// An authority with a folder of its own.
pub struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Files of a certificate and its key.
#[derive(Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    /// Puts its files into the place of another's, one after the other.
    pub fn replace(&self, other: &Pair) {
        for (from, to) in [(&self.certificate, &other.certificate), (&self.key, &other.key)] {
            let beside = to.with_extension("new");
            std::fs::copy(from, &beside).and_then(|_| std::fs::rename(&beside, to)).expect("our own files");
        }
    }
}

/// The one that every client trusts.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("the tests"))
}

/// A handshake with the listener of a URL, as a client that offers these protocols and shows this pair: what was agreed on, and the
/// certificate that was shown.
///
/// # Errors
/// When the one side refuses the other.
pub fn shake(url: &str, protocols: &[&[u8]], own: Option<&Pair>) -> io::Result<(Option<Vec<u8>>, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    roots.add(authority().issuer.der().clone()).map_err(io::Error::other)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder =
        builder.with_safe_default_protocol_versions().map_err(io::Error::other)?.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let certificates: Result<Vec<_>, _> =
                CertificateDer::pem_file_iter(&pair.certificate).map_err(io::Error::other)?.collect();
            let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(io::Error::other)?;
            builder.with_client_auth_cert(certificates.map_err(io::Error::other)?, key).map_err(io::Error::other)?
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let address = url.split("://").last().unwrap_or(url);
    let host = address.split(':').next().unwrap_or(address).to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.sock.set_read_timeout(Some(PATIENCE))?;
    // Only with the first answer does a client know that it was let in.
    stream.write_all(b"GET /api/nothing HTTP/1.1\r\nHost: x\r\n\r\n")?;
    stream.read_exact(&mut [0])?;
    let shown = stream.conn.peer_certificates().and_then(|shown| shown.first()).map(|shown| shown.to_vec());
    Ok((stream.conn.alpn_protocol().map(<[u8]>::to_vec), shown.unwrap_or_default()))
}

/// As the clients of the tests speak it.
pub(crate) fn client() -> TlsConfig {
    let trusted = Certificate::from_pem(authority().issuer.pem().as_bytes()).expect("our own certificate");
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(vec![trusted])))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("our own folder");
        Self { folder, issuer }
    }

    /// Its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for a host, valid for so many days from now on; or until some days ago.
    pub fn sign(&self, host: &str, days: i32) -> Pair {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, host);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(UnixTime::now().as_secs());
        params.not_before = (now - 90 * DAY).into();
        let end = if days < 0 { now - days.unsigned_abs() * DAY } else { now + days.unsigned_abs() * DAY };
        params.not_after = end.into();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |kind: &str| self.folder.path().join(format!("{number}.{kind}"));
        let pair = Pair { certificate: file("pem"), key: file("key") };
        write_private(&pair.certificate, &certificate.pem());
        write_private(&pair.key, &key.serialize_pem());
        pair
    }
}

/// Nobody takes a key that others may read.
fn write_private(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, text).expect("our own folder");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("our own file");
}

impl Cluster {
    /// Takes nobody without TLS from now on, and the user `certified` only with a certificate of the authority for that name.
    ///
    /// # Panics
    /// When it cannot.
    pub fn speak_tls(&self, pair: &Pair, authority: &Authority) {
        let sql = |sql: &str| postgres::psql(&self.url("postgres"), "public", sql);
        let data = PathBuf::from(&sql("show data_directory")[0][0]);
        let owner = std::fs::metadata(&data).expect("the server's folder").uid();
        let ca = authority.file();
        for (from, name) in [(&pair.certificate, "server.pem"), (&pair.key, "server.key"), (&ca, "ca.pem")] {
            let file = data.join(name);
            write_private(&file, &std::fs::read_to_string(from).expect("our own file"));
            std::os::unix::fs::chown(&file, Some(owner), None).expect("root, or the server's user");
        }
        let rules = "hostssl all certified 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(data.join("pg_hba.conf"), rules).expect("the server's folder");
        for (setting, value) in
            [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key"), ("ssl_ca_file", "ca.pem"), ("ssl", "on")]
        {
            sql(&format!("alter system set {setting} = '{value}'"));
        }
        sql("select pg_reload_conf()");
        eventually("it speaks TLS", || {
            (sql("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == [["t"]]).then_some(())
        });
    }
}

impl Deployment {
    /// Serves the public by TLS.
    #[must_use]
    pub fn with_tls(self, pair: &Pair) -> Self {
        self.set_pair("HTTP", pair)
    }

    /// Has its processes show this to each other.
    #[must_use]
    pub fn with_internal_tls(self, pair: &Pair) -> Self {
        self.set_pair("INTERNAL", pair)
    }

    fn set_pair(self, section: &str, pair: &Pair) -> Self {
        self.set(&format!("{section}__TLS_CERT"), &pair.certificate.display().to_string())
            .set(&format!("{section}__TLS_KEY"), &pair.key.display().to_string())
    }
}
