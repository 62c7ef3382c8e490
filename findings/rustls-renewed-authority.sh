#!/usr/bin/env bash
# rustls: a server's certificate that an authority signed which the client does not trust is refused as `UnknownIssuer`; but as `BadSignature` if
# the client trusts another authority of the same name, as after a private authority was made anew. Whoever explains refusals to people has
# to know both.
# Seen with rustls 0.23.46 (ring) and rcgen 0.14.10. Prints both refusals; fails if they change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --name finding --vcs none
cargo add --quiet rustls@=0.23.46 --no-default-features --features ring,std
cargo add --quiet rcgen@=0.14.10 --no-default-features --features ring
cat > src/main.rs <<'RUST'
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn main() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let params = CertificateParams::new(["shop.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&KeyPair::generate().unwrap(), &authority("ours")).unwrap();
    for trusted in ["another", "ours"] {
        let mut roots = RootCertStore::empty();
        roots.add(authority(trusted).der().clone()).unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let name = ServerName::try_from("shop.example").unwrap();
        let refused = verifier.unwrap().verify_server_cert(certificate.der(), &[], &name, &[], UnixTime::now());
        println!("signed by \"ours\", and another authority named {trusted:?} is trusted: {:?}", refused.unwrap_err());
    }
}
RUST
cargo run --quiet | tee seen
diff seen - <<'SEEN'
signed by "ours", and another authority named "another" is trusted: InvalidCertificate(UnknownIssuer)
signed by "ours", and another authority named "ours" is trusted: InvalidCertificate(BadSignature)
SEEN
