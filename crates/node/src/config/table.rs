//! The table of settings. To add one, add its field to [`super::Config`] and its row here, then renew docs/settings.md with
//! `make docs`.

use std::time::Duration;

use mesh::upstream::{Balance, Protocol};

use super::LogFormat;
use super::settings::{Setting, put};
use super::value::{self, KIB, MIB};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every setting there is. A section's rows stand together.
pub(super) const COMMON: &[Setting] = &[
    Setting {
        key: "shop.name",
        default: "PrimeTrade",
        doc: "Name of the shop, in mails and where the server says what it serves.",
        secret: false,
        apply: &|config, text| put(&mut config.shop.name, value::line(text)),
    },
    Setting {
        key: "http.listen",
        default: "127.0.0.1:8080",
        doc: "Address and port of the public listener; port 0 takes any free one.",
        secret: false,
        apply: &|config, text| put(&mut config.http.listen, value::address(text)),
    },
    Setting {
        key: "http.cors_origins",
        default: "",
        doc: "Web origins other than our own whose pages may call the API.",
        secret: false,
        apply: &|config, text| put(&mut config.http.cors_origins, value::origins(text)),
    },
    Setting {
        key: "http.trusted_proxies",
        default: "",
        doc: "Proxies in front of us, whose X-Forwarded-For or Forwarded tells who a client is, and X-Forwarded-Proto whether it speaks TLS; without it, all their clients share their limits. Where both name a client, they must agree.",
        secret: false,
        apply: &|config, text| put(&mut config.http.trusted_proxies, value::networks(text)),
    },
    Setting {
        key: "http.drain_delay",
        default: "0 s",
        doc: "How long to go on accepting requests after a stop signal, until load balancers have noticed.",
        secret: false,
        apply: &|config, text| put(&mut config.http.drain_delay, value::duration(text, Duration::ZERO..=HOUR)),
    },
    Setting {
        key: "http.body_limit",
        default: "1 MiB",
        doc: "Largest request body that is accepted.",
        secret: false,
        apply: &|config, text| put(&mut config.http.body_limit, value::size(text, KIB..=64 * MIB)),
    },
    Setting {
        key: "http.request_timeout",
        default: "30 s",
        doc: "Longest time that a request may take.",
        secret: false,
        apply: &|config, text| put(&mut config.http.request_timeout, value::duration(text, SECOND / 10..=HOUR)),
    },
    Setting {
        key: "http.max_connections",
        default: "16384",
        doc: "Most public connections open at once.",
        secret: false,
        apply: &|config, text| put(&mut config.http.max_connections, value::integer(text, 1..=1_000_000)),
    },
    Setting {
        key: "http.max_requests",
        default: "4096",
        doc: "Most public requests being answered at once; further ones are answered 503.",
        secret: false,
        apply: &|config, text| put(&mut config.http.max_requests, value::integer(text, 1..=1_000_000)),
    },
    Setting {
        key: "http.tls_cert",
        default: "",
        doc: "File (PEM) of the certificate by which the public is served with TLS, and of those that lead to its authority. Empty: without TLS, for a proxy in front. Files of TLS are read again when they change.",
        secret: false,
        apply: &|config, text| put(&mut config.http.tls_cert, value::optional(text, value::path)),
    },
    Setting {
        key: "http.tls_key",
        default: "",
        doc: "File (PEM) of the key of http.tls_cert.",
        secret: false,
        apply: &|config, text| put(&mut config.http.tls_key, value::optional(text, value::path)),
    },
    Setting {
        key: "admin.listen",
        default: "127.0.0.1:9090",
        doc: "Address and port of the health and metrics listener, which must not be reachable from outside.",
        secret: false,
        apply: &|config, text| put(&mut config.admin.listen, value::address(text)),
    },
    Setting {
        key: "database.url",
        default: "sqlite:./primetrade-data",
        doc: "Where data is kept: a folder of SQLite files, made if absent, or a PostgreSQL database.",
        secret: false,
        apply: &|config, text| put(&mut config.database.url, value::database(text)),
    },
    Setting {
        key: "database.migrate_url",
        default: "",
        doc: "The same PostgreSQL database through an account that may change its schema; empty uses database.url.",
        secret: true,
        apply: &|config, text| put(&mut config.database.migrate_url, value::optional(text, value::postgres)),
    },
    Setting {
        key: "database.read_timeout",
        default: "2 s",
        doc: "Longest time that one read waits for PostgreSQL; then its request is answered 503. Beside SQLite a read that scans has a second.",
        secret: false,
        apply: &|config, text| put(&mut config.database.read_timeout, value::duration(text, SECOND / 10..=HOUR)),
    },
    Setting {
        key: "database.write_timeout",
        default: "5 s",
        doc: "Longest time that one write waits for its database, with all that belongs to its transaction.",
        secret: false,
        apply: &|config, text| put(&mut config.database.write_timeout, value::duration(text, SECOND / 10..=HOUR)),
    },
    Setting {
        key: "database.pool_size",
        default: "16",
        doc: "PostgreSQL connections for transactions, for each service; 4 at most for users.",
        secret: false,
        apply: &|config, text| put(&mut config.database.pool_size, value::integer(text, 1..=100)),
    },
    Setting {
        key: "database.shared_connections",
        default: "2",
        doc: "PostgreSQL connections that simple reads share, for each service.",
        secret: false,
        apply: &|config, text| put(&mut config.database.shared_connections, value::integer(text, 1..=16)),
    },
    Setting {
        key: "auth.v1_token_lifetime",
        default: "7 d",
        doc: "How long a token of API v1 is valid.",
        secret: false,
        apply: &|config, text| put(&mut config.auth.v1_token_lifetime, value::duration(text, SECOND..=365 * DAY)),
    },
    Setting {
        key: "auth.access_token_lifetime",
        default: "10 min",
        doc: "How long an access token of API v2 is valid.",
        secret: false,
        apply: &|config, text| put(&mut config.auth.access_token_lifetime, value::duration(text, SECOND..=DAY)),
    },
    Setting {
        key: "auth.refresh_token_lifetime",
        default: "30 d",
        doc: "How long a session of API v2 lasts without a refresh.",
        secret: false,
        apply: &|config, text| put(&mut config.auth.refresh_token_lifetime, value::duration(text, SECOND..=365 * DAY)),
    },
    Setting {
        key: "auth.key_file",
        default: "",
        doc: "File of the signing keys; empty is keys.json in the SQLite folder, or ./primetrade-keys.json.",
        secret: false,
        apply: &|config, text| put(&mut config.auth.key_file, value::optional(text, value::path)),
    },
    Setting {
        key: "auth.hash_threads",
        default: "2",
        doc: "Threads that hash passwords, 19 MiB of memory each.",
        secret: false,
        apply: &|config, text| put(&mut config.auth.hash_threads, value::integer(text, 1..=64)),
    },
    Setting {
        key: "auth.hash_queue",
        default: "256",
        doc: "Passwords that may wait for a hashing thread before further ones are refused with 503; those of new accounts may be half of them.",
        secret: false,
        apply: &|config, text| put(&mut config.auth.hash_queue, value::integer(text, 1..=10_000)),
    },
    Setting {
        key: "products.currency",
        default: "USD",
        doc: "ISO 4217 currency of prices of API v1 and of files that name none, and of lists by price of API v2 that name none.",
        secret: false,
        apply: &|config, text| put(&mut config.products.currency, value::currency(text)),
    },
    Setting {
        key: "upstreams.protocol",
        default: "http1",
        doc: "What other processes are spoken to in: http1, or h2c (HTTP/2 without TLS).",
        secret: false,
        apply: &|config, text| {
            let protocols = [("http1", Protocol::Http1), ("h2c", Protocol::H2c)];
            put(&mut config.upstreams.protocol, value::choice(text, &protocols))
        },
    },
    Setting {
        key: "upstreams.balance",
        default: "least-loaded",
        doc: "Which process of a role is asked: the least-loaded of two, each in turn (round-robin), or always the same for a client (sticky).",
        secret: false,
        apply: &|config, text| {
            let ways = [
                ("least-loaded", Balance::LeastLoaded),
                ("round-robin", Balance::RoundRobin),
                ("sticky", Balance::Sticky),
            ];
            put(&mut config.upstreams.balance, value::choice(text, &ways))
        },
    },
    Setting {
        key: "internal.listen",
        default: "",
        doc: "Where a process with the gateway and services serves those to other processes; without the gateway, that is http.listen.",
        secret: false,
        apply: &|config, text| put(&mut config.internal.listen, value::optional(text, value::address)),
    },
    Setting {
        key: "internal.key_file",
        default: "./primetrade-internal-keys.json",
        doc: "File of the key with which the processes of a deployment prove themselves to each other: the same for all; made if absent.",
        secret: false,
        apply: &|config, text| put(&mut config.internal.key_file, value::path(text)),
    },
    Setting {
        key: "internal.tls_cert",
        default: "",
        doc: "File (PEM) of the certificate of this process for other processes of the deployment, as server and client. Empty: it serves them without TLS.",
        secret: false,
        apply: &|config, text| put(&mut config.internal.tls_cert, value::optional(text, value::path)),
    },
    Setting {
        key: "internal.tls_key",
        default: "",
        doc: "File (PEM) of the key of internal.tls_cert.",
        secret: false,
        apply: &|config, text| put(&mut config.internal.tls_key, value::optional(text, value::path)),
    },
    Setting {
        key: "internal.tls_ca",
        default: "",
        doc: "File (PEM) of the authorities of the certificates that other processes have. They are asked by TLS then, under the names of upstreams. Empty: without TLS.",
        secret: false,
        apply: &|config, text| put(&mut config.internal.tls_ca, value::optional(text, value::path)),
    },
    Setting {
        key: "internal.require_tls",
        default: "false",
        doc: "Whether other processes have to come by TLS, with a certificate of internal.tls_ca. While it is false they may come without too, so that a deployment can change over one process at a time.",
        secret: false,
        apply: &|config, text| {
            put(&mut config.internal.require_tls, value::choice(text, &[("true", true), ("false", false)]))
        },
    },
    Setting {
        key: "log.format",
        default: "auto",
        doc: "Form of log lines on stderr; auto is pretty on a terminal and JSON elsewhere.",
        secret: false,
        apply: &|config, text| {
            let formats = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("pretty", LogFormat::Pretty)];
            put(&mut config.log.format, value::choice(text, &formats))
        },
    },
    Setting {
        key: "log.level",
        default: "info",
        doc: "The least severe log lines to write.",
        secret: false,
        apply: &|config, text| {
            use tracing::Level;
            let levels =
                [("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG)];
            put(&mut config.log.level, value::choice(text, &levels))
        },
    },
    Setting {
        key: "telemetry.otlp_endpoint",
        default: "",
        doc: "Collector that traces are sent to by OTLP over HTTP, to /v1/traces below this URL; empty sends none.",
        secret: false,
        apply: &|config, text| put(&mut config.telemetry.otlp_endpoint, value::optional(text, str::parse)),
    },
    Setting {
        key: "telemetry.sample_ratio",
        default: "0.1",
        doc: "Share of traces that is recorded; http.trusted_proxies decide for the requests whose traceparent they pass on.",
        secret: false,
        apply: &|config, text| put(&mut config.telemetry.sample_ratio, value::ratio(text)),
    },
    Setting {
        key: "mail.sink",
        default: "",
        doc: "For development: a folder into which mails are written as files; empty writes none. Set it for every process with auth.",
        secret: false,
        apply: &|config, text| put(&mut config.mail.sink, value::optional(text, value::path)),
    },
    Setting {
        key: "mail.from",
        default: "no-reply@localhost",
        doc: "Address that mails are from.",
        secret: false,
        apply: &|config, text| put(&mut config.mail.from, value::mailbox(text)),
    },
    Setting {
        key: "mail.link_base",
        default: "",
        doc: "Where links in mails lead to: the address of the shop, such as https://shop.example, with its pages /confirm-email and /reset-password; empty for this server's own pages at http.listen.",
        secret: false,
        apply: &|config, text| put(&mut config.mail.link_base, value::optional(text, value::link_base)),
    },
    Setting {
        key: "jobs.tries",
        default: "12",
        doc: "How often a job, such as a mail, is tried before it is parked until an administrator has it replayed.",
        secret: false,
        apply: &|config, text| put(&mut config.jobs.tries, value::integer(text, 1..=100)),
    },
    Setting {
        key: "jobs.pause",
        default: "2 s",
        doc: "How long a job rests after its first failure, half of it by chance; twice as long after each further one, an hour at most.",
        secret: false,
        apply: &|config, text| put(&mut config.jobs.pause, value::duration(text, SECOND / 1_000..=HOUR)),
    },
    Setting {
        key: "limits.enabled",
        default: "true",
        doc: "Whether failed log-ins are limited (in 10 minutes 10 per account and address, and 100 per address; in an hour 100 per account from where it was not logged in to before).",
        secret: false,
        apply: &|config, text| {
            put(&mut config.limits.enabled, value::choice(text, &[("true", true), ("false", false)]))
        },
    },
];
