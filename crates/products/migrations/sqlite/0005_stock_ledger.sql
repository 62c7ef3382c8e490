-- Every change of a variant's stock, for good: what is on hand and reserved is the sum of its movements. They outlive their variant.
-- `version` is the variant's `stock_version` after the movement; `on_hand` and `reserved` are what it adds.
create table stock_movements (
  variant_id blob not null,
  version integer not null,
  kind text not null,
  on_hand integer not null,
  reserved integer not null,
  on_hand_after integer not null check (on_hand_after >= 0),
  reserved_after integer not null check (reserved_after between 0 and on_hand_after),
  reason text,
  actor text not null,
  reference blob,
  time integer not null,
  primary key (variant_id, version)
) strict, without rowid;
-- What there is when the ledger begins.
insert into stock_movements
  select id, stock_version, 'opening', on_hand, reserved, on_hand, reserved, null, 'system', null,
    cast(unixepoch('subsec') * 1000000 as integer)
  from variants where on_hand > 0 or reserved > 0;

-- At or below so many available units, the stock is low.
alter table variants add column low_stock integer check (low_stock >= 0);
-- Empty by the rules above; to find out otherwise costs nothing.
create index variants_oversold on variants (available) where available < 0;

create table reservations (
  id blob not null primary key,
  account_id blob not null,
  owner_id blob not null,
  state text not null check (state in ('held', 'committed', 'released', 'expired')),
  -- [{"variant_id", "quantity"}], a line for each variant.
  lines text not null,
  ttl integer not null,
  expires_at integer not null,
  version integer not null,
  created_at integer not null,
  updated_at integer not null
) strict, without rowid;
create index reservations_held on reservations (expires_at, id) where state = 'held';
