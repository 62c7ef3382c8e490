//! The notations of values. Errors say what is expected and never repeat the value, which may be secret.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use kernel::Currency;
use mesh::upstream::{Address, AddressError};
use platform::trace_context::SampleRatio;
use storage::DatabaseUrl;

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

/// Names of units, largest unit first, with their size in milliseconds.
const DURATION_UNITS: &[(&[&str], u64)] = &[
    (&["d"], 24 * 60 * 60 * 1000),
    (&["h"], 60 * 60 * 1000),
    (&["min", "m"], 60 * 1000),
    (&["s"], 1000),
    (&["ms"], 1),
];

/// Names of units, largest unit first, with their size in bytes.
const SIZE_UNITS: &[(&[&str], u64)] = &[
    (&["GiB"], 1 << 30),
    (&["GB"], 1_000_000_000),
    (&["MiB"], 1 << 20),
    (&["MB"], 1_000_000),
    (&["KiB"], 1 << 10),
    (&["kB", "KB"], 1000),
    (&["bytes", "B", ""], 1),
];

/// An IP address and port; `localhost` and a port, or a port alone, for this machine only.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let local = |port: &str| port.parse().ok().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let local = local(text.strip_prefix("localhost:").unwrap_or(text));
    local.or_else(|| text.parse().ok()).ok_or_else(|| {
        "expected an IP address and a port, such as 127.0.0.1:8080, localhost:8080, 0.0.0.0:8080 (all networks) or [::1]:8080, or a port"
            .into()
    })
}

/// A whole number.
pub fn integer(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
}

/// A share of all.
pub fn ratio(text: &str) -> Result<SampleRatio, String> {
    let ratio = text.parse().ok().and_then(SampleRatio::new);
    ratio.ok_or_else(|| "expected a number from 0 to 1, such as 0.1".into())
}

/// One of a few words.
pub fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        match words.split_last() {
            Some((last, first)) if !first.is_empty() => format!("expected {} or {last}", first.join(", ")),
            _ => format!("expected {}", words.join("")),
        }
    })
}

/// A number with its unit: `500 ms`, `30s`, `10 min`, `1 h`, `7 d`.
pub fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let found = amount(text, DURATION_UNITS).map(Duration::from_millis);
    found.filter(|found| range.contains(found)).ok_or_else(|| {
        let show = |bound: &Duration| in_units(bound.as_millis(), DURATION_UNITS);
        let (from, to) = (show(range.start()), show(range.end()));
        // A bare number is read as seconds by some and as milliseconds by others.
        let hint = if text.parse::<f64>().is_ok() { "; add a unit to the number" } else { "" };
        format!("expected a time with its unit (ms, s, min, h, d) from {from} to {to}, such as 30 s{hint}")
    })
}

/// Bytes, or a number with its unit: `64 KiB`, `1 MiB`, `1 MB`.
pub fn size(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let found = amount(text, SIZE_UNITS).and_then(|bytes| usize::try_from(bytes).ok());
    found.filter(|found| range.contains(found)).ok_or_else(|| {
        let show = |bound: &usize| in_units(*bound as u128, SIZE_UNITS);
        let (from, to) = (show(range.start()), show(range.end()));
        format!("expected a size (B, KiB, MiB, kB, MB) from {from} to {to}, such as 1 MiB")
    })
}

/// Digits, optional spaces, and a known unit; `None` also when it overflows.
fn amount(text: &str, units: &[(&[&str], u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_start_matches(' ');
    let (_, factor) = units.iter().find(|(names, _)| names.contains(&unit))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The shortest exact notation.
fn in_units(amount: u128, units: &[(&[&str], u64)]) -> String {
    // Zero is a multiple of every unit; seconds and bytes read best.
    let unit = |name: &str| units.iter().find(|(names, _)| names.contains(&name));
    let zero = unit("s").or_else(|| unit("B")).filter(|_| amount == 0);
    let exact = units.iter().find(|(_, factor)| amount.is_multiple_of(u128::from(*factor)));
    match zero.or(exact) {
        Some((names, factor)) => format!("{} {}", amount / u128::from(*factor), names.first().unwrap_or(&"")),
        None => amount.to_string(),
    }
}

/// Origins (RFC 6454) as browsers send them, from a comma list; none from an empty text.
pub fn origins(text: &str) -> Result<Vec<String>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let origins: Option<Vec<_>> = text.split(',').map(|origin| self::origin(origin.trim())).collect();
    origins.ok_or_else(|| {
        "expected scheme://host[:port] without a path, such as https://shop.example, or a comma list".into()
    })
}

/// Words on one line.
pub fn line(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= 100 && !text.contains(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("expected 1 to 100 characters on one line".into()) }
}

/// The address of a mailbox, without a name.
pub fn mailbox(text: &str) -> Result<String, String> {
    let parts = text.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let clean =
        text.len() <= 254 && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>()[]:;,\"\\".contains(&byte));
    match parts {
        Some((_, domain)) if clean && !domain.contains('@') => Ok(text.to_owned()),
        _ => Err("expected an address such as shop@shop.example".into()),
    }
}

/// Where pages lie, without a slash at its end.
pub fn link_base(text: &str) -> Result<String, String> {
    let base = text.trim_end_matches('/');
    let rest = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
    let clean = rest.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>@".contains(&byte))
    });
    if clean {
        Ok(base.to_owned())
    } else {
        Err("expected http:// or https://, a host and perhaps a path, such as https://shop.example".into())
    }
}

/// Networks and single addresses, from a comma list; none from an empty text.
pub fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |text: &str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
    let given = text.split(',').map(str::trim).filter(|network| !network.is_empty());
    let networks: Option<Vec<_>> = given.map(network).collect();
    networks.ok_or_else(|| "expected addresses or networks such as 10.0.0.0/8, or a comma list".into())
}

/// Addresses of other processes, from a comma list; none from an empty text.
pub fn addresses(text: &str) -> Result<Vec<Address>, String> {
    let given = text.split(',').map(str::trim).filter(|address| !address.is_empty());
    given
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_: AddressError| "expected HOST:PORT, such as 10.0.0.5:8080, or a comma list".into())
}

/// Browsers send lower case and leave out the scheme's own port; what is compared with them must do the same.
fn origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    // The colons of an IPv6 address stand inside brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(ipv6) => ipv6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    if !scheme_fits || !host_fits {
        return None;
    }
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        None => None,
    };
    let own_port = matches!((scheme, port), ("http", Some(80)) | ("https", Some(443)));
    Some(match port.filter(|_| !own_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// `sqlite:FOLDER` or a PostgreSQL URL that names a host.
pub fn database(text: &str) -> Result<DatabaseUrl, String> {
    let url = text.parse()?;
    if matches!(url, DatabaseUrl::Postgres(_)) && !names_host(text) {
        return Err("expected a host in the PostgreSQL URL (postgres://user:password@host:port/database)".into());
    }
    Ok(url)
}

/// Without a host the first query would fail, long after the configuration was called good.
fn names_host(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    !(host.is_empty() || host.starts_with(':')) || after.contains("host=") || after.contains("hostaddr=")
}

/// A PostgreSQL URL.
pub fn postgres(text: &str) -> Result<DatabaseUrl, String> {
    match database(text) {
        Ok(DatabaseUrl::Sqlite(_)) => Err("expected postgres://user:password@host:port/database".into()),
        other => other,
    }
}

/// A file's path.
pub fn path(text: &str) -> Result<PathBuf, String> {
    if text.contains(char::is_control) {
        return Err("expected a path".into());
    }
    Ok(PathBuf::from(text))
}

/// An ISO 4217 code.
pub fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(text).ok_or_else(|| "expected an ISO 4217 currency code in capitals, such as USD".into())
}

/// Nothing from an empty text.
pub fn optional<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// The text with the passwords of a URL replaced by `***`; where it is unclear what is a password, more than that.
pub fn redact(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        // A folder may hold any character; anything else could be a URL that lost its slashes, or libpq's `password=…`.
        let harmless = text.starts_with("sqlite:") || !(text.contains("password=") || has_credentials(text));
        return if harmless { text.into() } else { "***".into() };
    };
    // Not the start of a URL, but credentials that happen to hold its mark.
    if scheme.contains([':', '@', '=']) {
        return "***".into();
    }
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // A password with an unescaped slash or question mark: parsers disagree where it ends.
    if after.contains('@') {
        return format!("{scheme}://***");
    }
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let after = match after.split_once('?') {
        Some((path, query)) => {
            let pairs: Vec<_> = query.split('&').map(redact_pair).collect();
            format!("{path}?{}", pairs.join("&"))
        }
        None => after.to_owned(),
    };
    format!("{scheme}://{authority}{after}")
}

fn has_credentials(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'))
}

/// `password`, `sslpassword` and names that are escaped so as not to look like them.
fn redact_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if name.contains('%') || name.to_ascii_lowercase().contains("password") => {
            format!("{name}=***")
        }
        _ => pair.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_TIME: RangeInclusive<Duration> = Duration::ZERO..=Duration::MAX;

    #[test]
    fn durations_need_a_unit() {
        for (text, millis) in [
            ("0 s", 0),
            ("500 ms", 500),
            ("30s", 30_000),
            ("10 min", 600_000),
            ("10m", 600_000),
            ("1 h", 3_600_000),
            ("7 d", 604_800_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(duration(text, ANY_TIME), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "s",
            "30",
            "0",
            "1.5 h",
            "-1 s",
            "7 days",
            "1 s 2 ms",
            "1\u{a0}s",
            "é",
            "99999999999999999999 s",
            "18446744073709551615 d",
        ] {
            assert!(duration(text, ANY_TIME).is_err(), "{text}");
        }
        assert!(duration("30", ANY_TIME).unwrap_err().ends_with("add a unit to the number"));
    }

    #[test]
    fn durations_outside_their_range_are_told_the_range() {
        let error = duration("2 h", Duration::ZERO..=Duration::from_secs(90 * 60)).unwrap_err();
        assert!(error.contains("from 0 s to 90 min"), "{error}");
    }

    #[test]
    fn sizes_are_binary_or_decimal() {
        let all = 0..=usize::MAX;
        for (text, bytes) in [
            ("1 MiB", 1 << 20),
            ("64KiB", 65_536),
            ("1048576", 1_048_576),
            ("512 B", 512),
            ("1 MB", 1_000_000),
            ("2 kB", 2000),
        ] {
            assert_eq!(size(text, all.clone()), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1 mib", "1.5 MiB", "-1", "1 MiB/s", "99999999999 GiB"] {
            assert!(size(text, all.clone()).is_err(), "{text}");
        }
        let error = size("65 MiB", KIB..=64 * MIB).unwrap_err();
        assert!(error.contains("from 1 KiB to 64 MiB"), "{error}");
    }

    #[test]
    fn origins_are_what_browsers_send() {
        for (text, list) in [
            ("", &[][..]),
            ("https://shop.example", &["https://shop.example"]),
            ("HTTPS://Shop.Example:443, http://localhost:5173", &["https://shop.example", "http://localhost:5173"]),
            ("http://[::1]:3000,http://[::1]", &["http://[::1]:3000", "http://[::1]"]),
            ("http://a:443", &["http://a:443"]),
        ] {
            assert_eq!(origins(text).unwrap(), list, "{text}");
        }
        for text in [
            "*",
            "null",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example/path",
            "https://shop.example?x",
            "https://user@shop.example",
            "https://shop.example:0",
            "https://shop.example:99999",
            "https://[::1",
            "https://a,",
            "://a",
            "https://schön.example",
        ] {
            assert!(origins(text).is_err(), "{text}");
        }
    }

    #[test]
    fn database_urls_have_two_forms() {
        assert_eq!(database("sqlite:./data"), Ok(DatabaseUrl::Sqlite("./data".into())));
        for url in [
            "postgres://u:p@db:5432/shop",
            "postgresql://db",
            "postgres:///shop?host=/run/postgresql",
            "postgres://a:1,b:2/shop",
        ] {
            assert_eq!(database(url), Ok(DatabaseUrl::Postgres(url.into())));
        }
        for url in ["", "sqlite:", "./data", "mysql://db/shop", "postgres:db", "postgres://db:port/shop"] {
            assert!(database(url).is_err(), "{url}");
        }
        for url in ["postgres://", "postgres:///shop", "postgres://u:p@/shop", "postgres://:5432/shop"] {
            assert!(database(url).is_err(), "{url}");
        }
        let error = database("mysql://db/shop").unwrap_err();
        assert!(error.contains("sqlite:FOLDER") && error.contains("postgres://"), "{error}");
        assert!(postgres("sqlite:./data").is_err());
    }

    #[test]
    fn passwords_are_redacted_and_the_rest_is_kept() {
        for (text, shown) in [
            ("sqlite:./p@th:with@signs", "sqlite:./p@th:with@signs"),
            ("postgres://db/shop", "postgres://db/shop"),
            ("postgres://bob@db:5432/shop", "postgres://bob@db:5432/shop"),
            ("postgres://bob:hunter2@db:5432/shop?sslmode=require", "postgres://bob:***@db:5432/shop?sslmode=require"),
            ("postgres://bob:hun:ter2@db", "postgres://bob:***@db"),
            ("postgres://db/shop?user=bob&password=hunter2&x=1", "postgres://db/shop?user=bob&password=***&x=1"),
            ("postgres://db?PassWord=hunter2", "postgres://db?PassWord=***"),
            ("postgres://db?p%61ssword=hunter2", "postgres://db?p%61ssword=***"),
            ("https://a.example,https://b.example:81", "https://a.example,https://b.example:81"),
            ("info", "info"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn passwords_in_broken_urls_are_redacted_too() {
        for text in [
            "postgers://bob:hunter2@db",
            "postgres:/bob:hunter2@db",
            "bob:hunter2@db",
            "host=db password=hunter2",
            "bob:hunter2://x@db",
            "password=hunter2://x",
            "postgres://bob:a/hunter2@db",
            "postgres://bob:hunter2?x@db",
            "postgres://bob:a@hunter2@db",
            "postgres://db:5432/shop?password=a@hunter2",
        ] {
            let shown = redact(text);
            assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
        }
    }
}
