-- Where each account was logged in to from: an IPv4 address, or the upper half of an IPv6 one. Others' failures do not hold it up there.
create table known_networks (
  account_id uuid not null references accounts (id) on delete cascade,
  network text collate "C" not null,
  last_log_in_at bigint not null,
  primary key (account_id, network)
);
create index known_networks_by_log_in on known_networks (last_log_in_at);

-- Failed log-ins of an hour, from elsewhere. The key is a digest of the e-mail address, which need not be an account's.
create table log_in_failures (
  account_key bytea not null primary key,
  failures bigint not null,
  ends_at bigint not null
);
create index log_in_failures_by_end on log_in_failures (ends_at);
