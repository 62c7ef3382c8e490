-- Jobs: work that a change asks for, enqueued in its transaction. One that is done is deleted, or due again if it has a period.
create table jobs (
  id blob primary key,
  queue text not null,
  -- The lowest goes first.
  priority integer not null,
  -- JSON. It names what the job is about; nothing personal stands in it, because it is not erased with a person.
  payload text not null,
  -- Microseconds, of one that is done again and again.
  period integer,
  -- When it may be taken: of one that is worked on, when its lease is over.
  due_at integer not null,
  -- Who works on it.
  worker text,
  -- How often it was taken or replayed: whoever has an earlier count has lost it.
  claims integer not null,
  -- How often it was taken since it was made or replayed.
  attempts integer not null,
  -- Why the last attempt failed.
  error text,
  parked_at integer,
  created_at integer not null,
  request_id text,
  traceparent text
) strict, without rowid;
create index jobs_due on jobs (queue, priority, due_at) where parked_at is null;
create index jobs_by_queue on jobs (queue, id);
create index jobs_parked on jobs (id) where parked_at is not null;
create index jobs_running on jobs (id) where worker is not null;
create unique index jobs_periodic on jobs (queue) where period is not null;
