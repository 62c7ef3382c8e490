-- What most products do not say of themselves, of them and of their variants; null where there is nothing. Releases that do not know
-- it leave it as it is.
alter table products add column details text;
-- Counts only beside the status 'draft', which a release that does not know it shows.
alter table products add column unlisted integer not null default 0 check (unlisted in (0, 1));

-- Decide whether units may be promised.
alter table variants add column untracked integer not null default 0 check (untracked in (0, 1));
alter table variants add column backorder integer not null default 0 check (backorder in (0, 1));
-- Units that are promised beyond those on hand.
alter table variants add column backordered integer not null default 0 check (backordered >= 0);
alter table stock_movements add column backordered integer not null default 0;
-- [{"variant_id", "backordered", "untracked"}]: what a reservation keeps beyond the reserved units in `lines`.
alter table reservations add column beyond text;

-- Whether the variants still count what is backordered: a release that does not know it ends a reservation and leaves that. Such
-- reservations are found by an index that is empty otherwise.
alter table reservations add column counts_beyond integer not null default 0 check (counts_beyond in (0, 1));
create index reservations_unsettled on reservations (id) where counts_beyond = 1 and state <> 'held';

-- What the last file said of a variant's stock, and the version that the stock had then.
alter table variants add column imported integer;
alter table variants add column imported_version integer;
