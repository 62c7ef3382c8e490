-- People who may log in. `email` is as they wrote it; `email_key` is its folded form, by which it is found and unique.
-- The rules carry the names by which SQLite reports them.
create table accounts (
  id uuid constraint "accounts.id" primary key,
  username text not null collate "C" constraint "accounts.username" unique,
  email text not null collate "C",
  email_key text not null collate "C" constraint "accounts.email_key" unique,
  password_hash text not null collate "C",
  role text not null collate "C" check (role in ('user', 'admin')),
  active boolean not null,
  version bigint not null,
  created_at bigint not null,
  updated_at bigint not null
);
create index accounts_by_creation on accounts (created_at, id);

-- One log-in each. A token is good only while its session is neither ended nor expired.
create table sessions (
  id uuid constraint "sessions.id" primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  created_at bigint not null,
  expires_at bigint not null,
  ended_at bigint
);
create index sessions_by_account on sessions (account_id);
create index sessions_by_expiry on sessions (expires_at);
