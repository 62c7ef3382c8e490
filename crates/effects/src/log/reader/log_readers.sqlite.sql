-- How far each reader of a log has read, and who reads.
create table log_readers (
  name text primary key,
  -- Everything up to it has had its effect.
  position integer not null,
  -- The event there; null at the beginning. A log that has another one there is not the one that was read.
  event_id blob,
  -- How often it was taken: whoever has an earlier count has lost it.
  claims integer not null,
  leased_until integer not null
) strict, without rowid;
