-- The event log: audit trail, outbox and feed. `position` is the rowid: dense, in commit order.
create table events (
  position integer primary key,
  id blob not null unique,
  type text not null,
  subject text not null,
  version integer not null,
  time integer not null,
  bytes blob not null
) strict;
create index events_by_subject on events (subject, version);

-- Personal fields, beside their event so that they can be erased; the event holds SHA-256(salt || bytes).
create table events_personal (
  event_id blob primary key,
  subject text not null,
  salt blob not null,
  bytes blob not null
) strict, without rowid;
create index events_personal_by_subject on events_personal (subject);

-- Answers of requests that carried an Idempotency-Key. `body` is null when it was too large and is rendered again.
create table idempotency (
  scope blob primary key,
  fingerprint blob not null,
  status integer not null,
  body blob,
  subject text not null,
  version integer not null,
  expires_at integer not null
) strict, without rowid;
create index idempotency_by_expiry on idempotency (expires_at);
