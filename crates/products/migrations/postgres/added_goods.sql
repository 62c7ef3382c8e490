-- [{"variant_id", "product_id", "name", "price"}]: what a reservation's lines were when they were held; null of those that a release made
-- which does not know it.
alter table reservations add column goods text;
-- What is held of a seller's goods. It asks for what is always so, as the lists of products do (finders).
create index reservations_held_by_owner on reservations (owner_id, id) where state = 'held' and expires_at >= 0;
-- All drafts, for administrators.
create index products_hidden_newest on products (status, created_at, id) where status <> 'active' and updated_at >= 0;
