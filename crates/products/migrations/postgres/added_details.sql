-- What most products do not say of themselves, of them and of their variants; null where there is nothing. Releases that do not know
-- it leave it as it is.
alter table products add column details text collate "C";
-- Counts only beside the status 'draft', which a release that does not know it shows.
alter table products add column unlisted boolean not null default false;

-- Decide whether units may be promised.
alter table variants add column untracked boolean not null default false;
alter table variants add column backorder boolean not null default false;
-- Units that are promised beyond those on hand.
alter table variants add column backordered bigint not null default 0 check (backordered >= 0);
alter table stock_movements add column backordered bigint not null default 0;
-- [{"variant_id", "backordered", "untracked"}]: what a reservation keeps beyond the reserved units in `lines`.
alter table reservations add column beyond text collate "C";

-- Whether the variants still count what is backordered: a release that does not know it ends a reservation and leaves that. Such
-- reservations are found by an index that is empty otherwise.
alter table reservations add column counts_beyond boolean not null default false;
create index reservations_unsettled on reservations (id) where counts_beyond and state <> 'held';

-- What the last file said of a variant's stock, and the version that the stock had then.
alter table variants add column imported bigint;
alter table variants add column imported_version bigint;
