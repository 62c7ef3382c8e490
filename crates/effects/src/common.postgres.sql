-- The event log: audit trail, outbox and feed. `position` is dense and given after commit, by the sequencer.
create table events (
  position bigint primary key,
  id uuid not null unique,
  type text not null,
  subject text not null collate "C",
  version bigint not null,
  time bigint not null,
  bytes bytea not null
);
create index events_by_subject on events (subject, version);

-- Committed events that have no position yet. Writers insert while they hold the subject's row lock, so `sequence` ascends
-- in commit order within one subject, though not across subjects.
create table events_inbox (
  sequence bigint generated always as identity primary key,
  id uuid not null,
  type text not null,
  subject text not null collate "C",
  version bigint not null,
  time bigint not null,
  bytes bytea not null
);

-- The head of the log, and who may move it: one lease, fenced by its epoch.
create table events_head (
  only_row boolean primary key default true check (only_row),
  position bigint not null,
  epoch bigint not null,
  lease_until timestamptz not null
);
insert into events_head (position, epoch, lease_until) values (0, 0, 'epoch');

-- Personal fields, beside their event so that they can be erased; the event holds SHA-256(salt || bytes).
create table events_personal (
  event_id uuid primary key,
  subject text not null collate "C",
  salt bytea not null,
  bytes bytea not null
);
create index events_personal_by_subject on events_personal (subject);

-- Answers of requests that carried an Idempotency-Key. `body` is null when it was too large and is rendered again.
create table idempotency (
  scope bytea constraint "idempotency.scope" primary key,
  fingerprint bytea not null,
  status integer not null,
  body bytea,
  subject text not null,
  version bigint not null,
  expires_at bigint not null
);
create index idempotency_by_expiry on idempotency (expires_at);
