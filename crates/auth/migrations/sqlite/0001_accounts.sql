-- People who may log in. `email` is as they wrote it; `email_key` is its folded form, by which it is found and unique.
create table accounts (
  id blob not null primary key,
  username text not null unique,
  email text not null,
  email_key text not null unique,
  password_hash text not null,
  role text not null check (role in ('user', 'admin')),
  active integer not null check (active in (0, 1)),
  version integer not null,
  created_at integer not null,
  updated_at integer not null
) strict;
create index accounts_by_creation on accounts (created_at, id);

-- One log-in each. A token is good only while its session is neither ended nor expired.
create table sessions (
  id blob not null primary key,
  account_id blob not null references accounts (id) on delete cascade,
  created_at integer not null,
  expires_at integer not null,
  ended_at integer
) strict, without rowid;
create index sessions_by_account on sessions (account_id);
create index sessions_by_expiry on sessions (expires_at);
