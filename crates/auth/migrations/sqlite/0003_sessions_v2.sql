-- What API v2 knows of accounts and sessions. The previous release leaves these columns as they are by default.
alter table accounts add column email_verified_at integer;
create index accounts_admins on accounts (id) where role = 'admin' and active;

-- A refresh names the generation that it replaces; a session of API v1 has none but its first.
alter table sessions add column api text not null default 'v1' check (api in ('v1', 'v2'));
alter table sessions add column generation integer not null default 0;
alter table sessions add column refreshed_at integer;
alter table sessions add column device text;
alter table sessions add column address text;

-- Permissions that are mailed, each good once. Those without an account are decoys, which make unknown addresses look like
-- known ones.
create table one_time_tokens (
  id blob not null primary key,
  account_id blob references accounts (id) on delete cascade,
  purpose text not null check (purpose in ('verify-email', 'reset-password')),
  -- The address that it was mailed to, as it is looked up.
  email_key text not null,
  expires_at integer not null
) strict, without rowid;
create index one_time_tokens_by_account on one_time_tokens (account_id, purpose);
create index one_time_tokens_by_expiry on one_time_tokens (expires_at);

-- Accounts that are erased here, and whose products are not yet archived.
create table erasures (
  account_id blob not null primary key,
  requested_at integer not null
) strict, without rowid;
