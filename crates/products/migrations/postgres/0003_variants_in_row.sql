-- What everyone sees of a product's variants, in its own row: public reads and lists need no second table. Stock stays apart.
alter table products add column variants text collate "C" not null default '[]';
update products set variants = coalesce((
  select json_agg(json_build_object(
    'id', id, 'sku', sku, 'barcode', barcode, 'option_values', option_values::json, 'price', price,
    'compare_at_price', compare_at_price, 'in_stock', available > 0) order by position)::text
  from variants where product_id = products.id), '[]');

-- Counts changes of the stock, apart from edits of the product.
alter table variants add column stock_version bigint not null default 0;

-- Most plain products have no SKU.
alter table variants drop constraint "variants.owner_id, variants.sku_key";
create unique index "variants.owner_id, variants.sku_key" on variants (owner_id, sku_key) where sku_key is not null;

-- While a table is small, indexes cost the same and PostgreSQL takes the youngest that fits: for look-ups by handle that must be
-- this one, because the plan is kept when the table has grown.
alter table products drop constraint "products.owner_id, products.handle";
alter table products add constraint "products.owner_id, products.handle" unique (owner_id, handle);
