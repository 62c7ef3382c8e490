create table products (
  id blob not null primary key,
  owner_id blob not null,
  handle text not null,
  name text not null,
  name_key text not null,
  description text,
  category text,
  tags text not null,
  vendor text,
  status text not null check (status in ('draft', 'active', 'archived')),
  currency text not null,
  option_names text not null,
  images text not null,
  price integer not null check (price >= 0),
  in_stock integer not null check (in_stock in (0, 1)),
  import_digest blob,
  version integer not null,
  created_at integer not null,
  updated_at integer not null,
  unique (owner_id, handle)
) strict;
create index products_newest on products (created_at, id);
create index products_owner_newest on products (owner_id, created_at, id);
create index products_active_newest on products (created_at, id) where status = 'active';
create index products_active_category on products (category, created_at, id) where status = 'active';

create table variants (
  id blob not null primary key,
  product_id blob not null references products (id) on delete cascade,
  owner_id blob not null,
  position integer not null,
  sku text,
  sku_key text,
  barcode text,
  option_values text not null,
  price integer not null check (price >= 0),
  compare_at_price integer check (compare_at_price >= 0),
  on_hand integer not null check (on_hand >= 0),
  reserved integer not null default 0 check (reserved >= 0),
  available integer not null check (available >= 0),
  check (on_hand = reserved + available),
  unique (owner_id, sku_key),
  unique (product_id, option_values)
) strict;
