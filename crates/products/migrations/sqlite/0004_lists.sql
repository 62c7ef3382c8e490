-- Lists are ranges of an index: what is fixed (nothing, a category, an owner), then what the list is sorted by, then the id.
-- Those of active products cost drafts nothing.
create index products_active_price on products (currency, price, id) where status = 'active';
create index products_active_name on products (name_key, id) where status = 'active';
create index products_active_category_price on products (category, currency, price, id) where status = 'active';
create index products_active_category_name on products (category, name_key, id) where status = 'active';
create index products_active_owner on products (owner_id, created_at, id) where status = 'active';
create index products_active_owner_price on products (owner_id, currency, price, id) where status = 'active';
create index products_active_owner_name on products (owner_id, name_key, id) where status = 'active';
-- An owner's own, of every status.
create index products_owner_price on products (owner_id, currency, price, id);
create index products_owner_name on products (owner_id, name_key, id);
