-- What everyone sees of a product's variants, in its own row: public reads and lists need no second table. Stock stays apart.
alter table products add column variants text not null default '[]';
update products set variants = (
  select json_group_array(json_object(
    'id', lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' ||
      substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)),
    'sku', sku, 'barcode', barcode, 'option_values', json(option_values), 'price', price,
    'compare_at_price', compare_at_price, 'in_stock', json(iif(available > 0, 'true', 'false'))))
  from (select * from variants where product_id = products.id order by position));

-- Small rows, always found by their key. `stock_version` counts changes of the stock, apart from edits of the product.
create table variants_by_id (
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
  stock_version integer not null default 0,
  check (on_hand = reserved + available),
  unique (product_id, option_values)
) strict, without rowid;
insert into variants_by_id select id, product_id, owner_id, position, sku, sku_key, barcode, option_values, price,
  compare_at_price, on_hand, reserved, available, 0 from variants;
drop table variants;
alter table variants_by_id rename to variants;
-- Most plain products have no SKU.
create unique index variants_sku on variants (owner_id, sku_key) where sku_key is not null;
