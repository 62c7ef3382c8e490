//! SQL that both databases speak. SQLite numbers `$n` by first appearance, so they appear in order.

use kernel::Role;

use crate::model::AccountKind;

macro_rules! account_columns {
    () => {
        "id, username, email, role, active, version, created_at, updated_at, email_verified_at, pending_email"
    };
}
macro_rules! session_columns {
    () => {
        "id, account_id, api, created_at, expires_at, ended_at, generation, refreshed_at, device, address"
    };
}
/// As `username_keys.sql` has it, whose indexes serve only this expression.
macro_rules! username_key {
    () => {
        "replace(replace(replace(lower(username), 'i', 'l'), '1', 'l'), 'o', '0')"
    };
}
pub const INSERT_ACCOUNT: &str = "insert into accounts \
    (id, username, email, email_key, password_hash, role, active, version, created_at, updated_at, email_verified_at) \
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
pub const INSERT_SESSION: &str = "insert into sessions \
    (id, api, created_at, expires_at, device, address, account_id) values ($1, $2, $3, $4, $5, $6, $7)";
pub const INSERT_NETWORK: &str = "insert into known_networks (account_id, network, last_log_in_at) values ($1, $2, $3) \
    on conflict (account_id, network) do update set last_log_in_at = excluded.last_log_in_at";
/// What is more than so many.
pub const DROP_NETWORKS: &str = "delete from known_networks where account_id = $1 and network not in \
    (select network from known_networks where account_id = $1 order by last_log_in_at desc, network limit $2)";
pub const LAST_LOG_IN: &str = "select last_log_in_at from known_networks where account_id = $1 and network = $2";
pub const SWEEP_NETWORKS: &str = "delete from known_networks where (account_id, network) in \
    (select account_id, network from known_networks where last_log_in_at < $1 order by last_log_in_at limit $2)";
pub const ACTIVE: &str = "select 1 from accounts where id = $1 and active";
/// Whoever was read as active, with this version.
pub const STILL_ACTIVE: &str = "select 1 from accounts where id = $1 and version = $2 and active";
pub const ACCOUNT: &str = concat!("select ", account_columns!(), " from accounts where id = $1");
pub const ACCOUNTS_BY_IDS: &str = concat!("select ", account_columns!(), " from accounts where id = any($1)");
pub const ACCOUNT_BY_EMAIL: &str =
    concat!("select ", account_columns!(), ", password_hash from accounts where email_key = $1");
pub const USERNAME: &str = concat!(
    "select 1 from accounts where not username_excepted and ",
    username_key!(),
    " = $1 union all select 1 from accounts where username_excepted and ",
    username_key!(),
    " = $1"
);
/// Names that no index keeps apart from new ones. There never come more of them.
pub const EXCEPTED_USERNAME: &str =
    concat!("select 1 from accounts where username_excepted and ", username_key!(), " = $1 and id <> $2");
pub const SESSION_WITH_ACCOUNT: &str = "select a.id, a.username, a.email, a.role, a.active, a.version, a.created_at, \
    a.updated_at, a.email_verified_at, a.pending_email, s.id, s.account_id, s.api, s.created_at, s.expires_at, \
    s.ended_at, s.generation, s.refreshed_at, s.device, s.address from sessions s join accounts a on a.id = s.account_id where s.id = $1";
pub const SESSION: &str = concat!("select ", session_columns!(), " from sessions where id = $1");
pub const SESSIONS_OF: &str = concat!(
    "select ",
    session_columns!(),
    " from sessions where account_id = $1 and ended_at is null and expires_at > $2 \
     order by created_at desc, id desc limit $3"
);
pub const REFRESH: &str = "update sessions set generation = generation + 1, refreshed_at = $1, expires_at = $2, \
    device = $3, address = $4 where id = $5 and generation = $6 and api = 'v2' and ended_at is null and expires_at > $7";
/// As `bcrypt_accounts.sql` has it, whose index serves only these expressions.
pub const HIGHEST_BCRYPT_COST: &str =
    "select max(substr(password_hash, 5, 2)) from accounts where substr(password_hash, 1, 2) = '$2'";
pub const REHASH: &str = "update accounts set password_hash = $1 where id = $2 and password_hash = $3";
pub const CHANGE_ACCOUNT: &str = "update accounts set username = $1, email = $2, email_key = $3, role = $4, active = $5, \
    email_verified_at = $6, pending_email = $7, updated_at = $8, version = $9, \
    password_hash = coalesce($10, password_hash), username_excepted = username_excepted and username = $1 \
    where id = $11 and version = $12";
pub const OTHER_ADMIN: &str = "select 1 from accounts where role = 'admin' and active and id <> $1 limit 1";
pub const END_SESSION: &str = "update sessions set ended_at = $1 where id = $2 and ended_at is null \
    and account_id = $3 and expires_at > $4";
pub const END_SESSIONS: &str =
    "update sessions set ended_at = $1 where account_id = $2 and ended_at is null and id <> $3";
pub const INSERT_TOKEN: &str =
    "insert into one_time_tokens (id, account_id, purpose, email_key, expires_at) values ($1, $2, $3, $4, $5)";
pub const DROP_TOKENS: &str = "delete from one_time_tokens where account_id = $1 and purpose = $2";
pub const CONSUME_TOKEN: &str =
    "delete from one_time_tokens where id = $1 and account_id = $2 and purpose = $3 and expires_at > $4";
pub const TOKEN: &str = "select account_id, email_key, expires_at from one_time_tokens \
    where id = $1 and purpose = $2 and expires_at > $3 and account_id is not null";
/// Everything personal beside the account's own row; each takes the account's id.
pub const ERASE: [&str; 3] = [
    "delete from sessions where account_id = $1",
    "delete from one_time_tokens where account_id = $1",
    "delete from known_networks where account_id = $1",
];
pub const ERASE_EVENTS: &str = "delete from events_personal where subject = $1";
pub const ERASURE: &str = "insert into erasures (account_id, requested_at) values ($1, $2)";
pub const ERASURES: &str =
    "select account_id, requested_at from erasures where account_id > $1 order by account_id limit $2";
pub const ERASED: &str = "delete from erasures where account_id = $1";
pub const LIST: &str =
    concat!("select ", account_columns!(), " from accounts order by created_at desc, id desc limit $1 offset $2");
/// Behind a place, newest first.
macro_rules! accounts {
    ($kind:literal) => {
        concat!(
            "select ",
            account_columns!(),
            " from accounts where ",
            $kind,
            "(created_at, id) < ($1, $2) order by created_at desc, id desc limit $3"
        )
    };
}
pub const fn accounts(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::All => accounts!(""),
        AccountKind::Role(Role::User) => accounts!("role = 'user' and "),
        AccountKind::Role(Role::Admin) => accounts!("role = 'admin' and "),
        AccountKind::Active(true) => accounts!("active = true and "),
        AccountKind::Active(false) => accounts!("active = false and "),
    }
}
pub const COUNT: &str = "select count(*) from accounts";
pub const SWEEP: &str = "delete from sessions where id in \
    (select id from sessions where expires_at < $1 order by expires_at limit $2)";
/// What releases that know of no pending addresses leave behind when they erase an account.
pub const SWEEP_PENDING: &str =
    "update accounts set pending_email = null where pending_email is not null and email not like '%@%'";
pub const SWEEP_TOKENS: &str = "delete from one_time_tokens where id in \
    (select id from one_time_tokens where expires_at < $1 order by expires_at limit $2)";
