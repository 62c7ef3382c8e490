-- Where each account was logged in to from: an IPv4 address, or the upper half of an IPv6 one. Others' failures do not hold it up there.
create table known_networks (
  account_id blob not null references accounts (id) on delete cascade,
  network text not null,
  last_log_in_at integer not null,
  primary key (account_id, network)
) strict, without rowid;
create index known_networks_by_log_in on known_networks (last_log_in_at);

-- Failed log-ins of an hour, from elsewhere. The key is a digest of the e-mail address, which need not be an account's.
create table log_in_failures (
  account_key blob not null primary key,
  failures integer not null,
  ends_at integer not null
) strict, without rowid;
create index log_in_failures_by_end on log_in_failures (ends_at);
