-- The store that this database belongs to: alike in all its databases.
create table store (
  only_row boolean primary key default true check (only_row),
  id uuid not null
);

-- The services whose databases that store has. One of them that is missing is a loss, not a new shop.
create table store_services (service text primary key);
