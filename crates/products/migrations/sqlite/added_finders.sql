-- Products by what a shop's other systems know of them: a code, or when it last changed. What two of them ask is always so. It keeps other
-- statements away from them: of indexes that cost the same, because the table is small, PostgreSQL takes the youngest, and keeps to it.
create index variants_sku_key on variants (sku_key) where sku_key > '';
create index variants_barcode on variants (barcode) where barcode is not null;
create index products_active_updated on products (updated_at, id) where status = 'active';
create index products_owner_updated on products (owner_id, updated_at, id) where updated_at >= 0;
