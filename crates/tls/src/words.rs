//! What went wrong, for whoever has to put it right.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use rustls_pki_types::{ServerName, UnixTime};

/// What TLS has against the other side, if it was TLS that failed.
pub fn words(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<Error>().map(of)
}

/// Whether the other side let nobody in, which a client may hear with the first answer only: nothing was done then. Only what that side
/// itself has said, for anybody in between can break a connection.
pub fn is_refusal(error: &io::Error) -> bool {
    use AlertDescription as Alert;
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return false };
    match error {
        Error::AlertReceived(alert) => matches!(
            alert,
            Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::CertificateExpired
                | Alert::BadCertificate
                | Alert::CertificateUnknown
                | Alert::UnsupportedCertificate
                | Alert::DecryptError
                | Alert::HandshakeFailure
        ),
        _ => false,
    }
}

pub(crate) fn of(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::NoCertificatesPresented => "it shows no certificate".into(),
        Error::AlertReceived(alert) => refused(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => "it does not speak TLS".into(),
        Error::NoApplicationProtocol => "it speaks no version of HTTP that is spoken here".into(),
        error => error.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "its certificate has expired".into(),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("its certificate expired {} ago", since(*time, *not_after))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("its certificate becomes valid in {}: one of the clocks may be wrong", since(*not_before, *time))
        }
        CertificateError::UnknownIssuer => "its certificate is of none of the authorities that are trusted here".into(),
        // An authority that was made anew under its name.
        CertificateError::BadSignature => {
            "its certificate is signed by another key than the trusted authority's".into()
        }
        CertificateError::NotValidForName => "its certificate is for another name".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("its certificate is for {}, not for {}", presented_names(presented), name(expected))
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is for another purpose: look at its extended key usage".into()
        }
        CertificateError::Other(why) if why.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's own: have the authority sign one for the server".into()
        }
        error => format!("its certificate is not valid: {error}"),
    }
}

/// The other side has something against us.
fn refused(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "it wants a certificate of ours".into(),
        AlertDescription::UnknownCA => "it does not trust the authority of our certificate".into(),
        AlertDescription::CertificateExpired => "our certificate has expired".into(),
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown | AlertDescription::DecryptError => {
            "it does not accept our certificate".into()
        }
        alert => format!("it refuses the handshake: {alert:?}"),
    }
}

fn presented_names(presented: &[String]) -> String {
    let names: Vec<String> = presented
        .iter()
        // As the library prints them: `DnsName("shop.example")`.
        .map(|name| name.split_once('(').map_or(name.as_str(), |(_, inner)| inner.trim_end_matches(')')).replace('"', ""))
        .collect();
    if names.is_empty() { "no name".into() } else { names.join(", ") }
}

fn name(name: &ServerName<'_>) -> String {
    match name {
        ServerName::DnsName(name) => name.as_ref().to_owned(),
        ServerName::IpAddress(address) => std::net::IpAddr::from(*address).to_string(),
        name => format!("{name:?}"),
    }
}

/// From the one to the other, roughly.
fn since(later: UnixTime, earlier: UnixTime) -> String {
    let seconds = later.as_secs().saturating_sub(earlier.as_secs());
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} hours", seconds / 3_600),
        _ => format!("{} minutes", seconds / 60),
    }
}
