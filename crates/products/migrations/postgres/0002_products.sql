create table products (
  id uuid primary key,
  owner_id uuid not null,
  handle text collate "C" not null,
  name text collate "C" not null,
  name_key text collate "C" not null,
  description text collate "C",
  category text collate "C",
  tags text collate "C" not null,
  vendor text collate "C",
  status text collate "C" not null check (status in ('draft', 'active', 'archived')),
  currency text collate "C" not null,
  option_names text collate "C" not null,
  images text collate "C" not null,
  price bigint not null check (price >= 0),
  in_stock boolean not null,
  import_digest bytea,
  version bigint not null,
  created_at bigint not null,
  updated_at bigint not null,
  constraint "products.owner_id, products.handle" unique (owner_id, handle)
);
create index products_newest on products (created_at, id);
create index products_owner_newest on products (owner_id, created_at, id);
create index products_active_newest on products (created_at, id) where status = 'active';
create index products_active_category on products (category, created_at, id) where status = 'active';

create table variants (
  id uuid primary key,
  product_id uuid not null references products (id) on delete cascade,
  owner_id uuid not null,
  position bigint not null,
  sku text collate "C",
  sku_key text collate "C",
  barcode text collate "C",
  option_values text collate "C" not null,
  price bigint not null check (price >= 0),
  compare_at_price bigint check (compare_at_price >= 0),
  on_hand bigint not null check (on_hand >= 0),
  reserved bigint not null default 0 check (reserved >= 0),
  available bigint not null check (available >= 0),
  check (on_hand = reserved + available),
  constraint "variants.owner_id, variants.sku_key" unique (owner_id, sku_key),
  constraint "variants.product_id, variants.option_values" unique (product_id, option_values)
);
