//! Handshakes between our own two sides, with files of which something is wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::UnixTime;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// An authority with a folder for what it signs.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn roots(&self) -> Roots {
        Roots::File(self.file())
    }

    /// A certificate for a name, valid from now on, or until now.
    fn sign(&self, name: &str, is_valid: bool) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        let now = SystemTime::UNIX_EPOCH + now();
        let (from, to) = if is_valid { (-1, 1) } else { (-30, -3) };
        let day = |days: i64| {
            let distance = Duration::from_secs(days.unsigned_abs() * 86_400);
            if days < 0 { now - distance } else { now + distance }
        };
        (params.not_before, params.not_after) = (day(from).into(), day(to).into());
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = pair(self.folder.path(), name);
        std::fs::write(&pair.certificate, certificate.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }
}

fn now() -> Duration {
    Duration::from_secs(UnixTime::now().as_secs())
}

fn pair(folder: &Path, name: &str) -> Pair {
    Pair { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) }
}

/// What each side says of a handshake and of one word inside.
async fn meet(server: &TlsServer, client: &TlsClient, name: &str) -> [io::Result<()>; 2] {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = async {
        let mut stream = server.acceptor().accept(far).await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        stream.write_all(&word).await?;
        stream.flush().await
    };
    let calling = async {
        let mut stream = client.connector().connect(server_name(name)?, near).await?;
        stream.write_all(b"word").await?;
        stream.flush().await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.map(drop)
    };
    let (served, called) = tokio::join!(serving, calling);
    [served, called]
}

/// What the client has against a server.
async fn objection_to(pair: &Pair, trust: Trust, name: &str) -> Option<String> {
    let server = TlsServer::open(pair.clone(), Clients::Anybody, &[HTTP1]).unwrap();
    let client = TlsClient::open(trust, None, &[HTTP1]).unwrap();
    let [_, called] = meet(&server, &client, name).await;
    called.err().map(|error| words(&error).unwrap())
}

#[tokio::test]
async fn who_is_trusted_depends_on_authority_time_and_name() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let named = Trust::Named(ours.roots());
    let good = ours.sign("shop.example", true);
    assert_eq!(objection_to(&good, named.clone(), "shop.example").await, None);
    assert_eq!(objection_to(&ours.sign("127.0.0.1", true), named.clone(), "127.0.0.1").await, None);
    for (pair, words) in [
        (Authority::new("ours").sign("shop.example", true), "another key than the trusted authority's"),
        (theirs.sign("shop.example", true), "of none of the authorities"),
        (ours.sign("shop.example", false), "expired 3 days ago"),
        (ours.sign("other.example", true), "is for other.example, not for shop.example"),
    ] {
        let objection = objection_to(&pair, named.clone(), "shop.example").await.unwrap();
        assert!(objection.contains(words), "{objection}");
    }
    let other = ours.sign("other.example", true);
    assert_eq!(objection_to(&other, Trust::Certified(ours.roots()), "shop.example").await, None, "whatever its name");
    let foreign = theirs.sign("shop.example", true);
    assert!(objection_to(&foreign, Trust::Certified(ours.roots()), "shop.example").await.is_some());
    assert_eq!(objection_to(&foreign, Trust::Anybody, "shop.example").await, None);
}

#[tokio::test]
async fn a_server_may_want_a_certificate_of_its_clients() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let certified = Clients::Certified(ours.file());
    let server = TlsServer::open(ours.sign("shop.example", true), certified, &[HTTP1]).unwrap();
    let trust = Trust::Named(ours.roots());
    for (own, told) in [
        (Some(ours.sign("gateway.example", true)), None),
        (None, Some(("it shows no certificate", "it wants a certificate of ours"))),
        (
            Some(theirs.sign("gateway.example", true)),
            Some(("of none of the authorities", "it does not trust the authority of our certificate")),
        ),
        (Some(ours.sign("late.example", false)), Some(("expired 3 days ago", "our certificate has expired"))),
    ] {
        let client = TlsClient::open(trust.clone(), own, &[HTTP1]).unwrap();
        let [served, called] = meet(&server, &client, "shop.example").await;
        let Some((at_server, at_client)) = told else {
            served.and(called).unwrap();
            continue;
        };
        assert!(called.as_ref().is_err_and(is_refusal), "{called:?}");
        let [served, called] = [served, called].map(|result| words(&result.unwrap_err()).unwrap());
        assert!(served.contains(at_server) && called.contains(at_client), "{served:?}, {called:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new("ours");
    let good = authority.sign("shop.example", true);
    let other = authority.sign("other.example", true);
    let open = |certificate: &Path, key: &Path| {
        let pair = Pair { certificate: certificate.to_owned(), key: key.to_owned() };
        TlsServer::open(pair, Clients::Anybody, &[HTTP1]).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(open(&good.certificate, &good.key), "");
    let mismatch = open(&good.certificate, &other.key);
    assert!(mismatch.contains("other.example.key is not that of the certificate in"), "{mismatch}");
    let swapped = open(&good.key, &good.key);
    assert!(swapped.contains("shop.example.key has no certificate in PEM form"), "{swapped}");
    let keyless = open(&good.certificate, &good.certificate);
    assert!(keyless.contains("shop.example.pem has no private key in PEM form"), "{keyless}");
    let absent = open(Path::new("/nowhere/shop.pem"), &good.key);
    assert!(absent.contains("cannot read /nowhere/shop.pem"), "{absent}");
}

#[test]
fn a_certificate_says_for_whom_and_how_long_it_is() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let pair = ours.sign("shop.example", true);
    let certificate = Certificate::read(&pair.certificate).unwrap();
    assert_eq!(certificate.names, ["shop.example"]);
    let left = certificate.lasts(now()).unwrap();
    assert!(left > Duration::from_secs(86_000) && left <= Duration::from_secs(86_400), "{left:?}");
    assert_eq!(Certificate::read(&ours.sign("shop.example", false).certificate).unwrap().lasts(now()), None);
    let of_address = ours.sign("::1", true);
    assert_eq!(Certificate::read(&of_address.certificate).unwrap().names, ["::1"]);
    assert_eq!(objection(Side::Server, &of_address, &ours.roots()).unwrap(), None);
    assert_eq!(objection(Side::Client, &of_address, &ours.roots()).unwrap(), None);
    assert!(objection(Side::Client, &of_address, &theirs.roots()).unwrap().is_some());
    assert!(
        objection(Side::Server, &of_address, &theirs.roots()).unwrap().unwrap().contains("of none of the authorities")
    );
}

#[tokio::test]
async fn files_are_read_again_when_they_change_and_kept_when_they_are_wrong() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let pair = ours.sign("shop.example", true);
    let server = TlsServer::open(pair.clone(), Clients::Anybody, &[HTTP1]).unwrap();
    let [old, new] =
        [&ours, &theirs].map(|authority| TlsClient::open(Trust::Named(authority.roots()), None, &[HTTP1]).unwrap());
    let trusted = async |client: &TlsClient| meet(&server, client, "shop.example").await[1].is_ok();
    assert!(trusted(&old).await && !trusted(&new).await);
    let replacement = theirs.sign("shop.example", true);
    std::fs::copy(&replacement.certificate, &pair.certificate).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(trusted(&old).await, "the key is not there yet");
    std::fs::copy(&replacement.key, &pair.key).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(trusted(&new).await && !trusted(&old).await);
    std::fs::write(&pair.certificate, "nothing").unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(trusted(&new).await, "it goes on with what it has");
}
