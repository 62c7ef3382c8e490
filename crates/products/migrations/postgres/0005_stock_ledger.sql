-- Every change of a variant's stock, for good: what is on hand and reserved is the sum of its movements. They outlive their variant.
-- `version` is the variant's `stock_version` after the movement; `on_hand` and `reserved` are what it adds.
create table stock_movements (
  variant_id uuid not null,
  version bigint not null,
  kind text collate "C" not null,
  on_hand bigint not null,
  reserved bigint not null,
  on_hand_after bigint not null check (on_hand_after >= 0),
  reserved_after bigint not null check (reserved_after between 0 and on_hand_after),
  reason text collate "C",
  actor text collate "C" not null,
  reference uuid,
  time bigint not null,
  primary key (variant_id, version)
);
-- What there is when the ledger begins.
insert into stock_movements
  select id, stock_version, 'opening', on_hand, reserved, on_hand, reserved, null, 'system', null,
    (extract(epoch from clock_timestamp()) * 1000000)::bigint
  from variants where on_hand > 0 or reserved > 0;

-- At or below so many available units, the stock is low.
alter table variants add column low_stock bigint check (low_stock >= 0);
-- Empty by the rules above; to find out otherwise costs nothing.
create index variants_oversold on variants (available) where available < 0;

create table reservations (
  id uuid primary key,
  account_id uuid not null,
  owner_id uuid not null,
  state text collate "C" not null check (state in ('held', 'committed', 'released', 'expired')),
  -- [{"variant_id", "quantity"}], a line for each variant.
  lines text collate "C" not null,
  ttl bigint not null,
  expires_at bigint not null,
  version bigint not null,
  created_at bigint not null,
  updated_at bigint not null
);
create index reservations_held on reservations (expires_at, id) where state = 'held';
