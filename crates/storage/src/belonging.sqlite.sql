-- The store that this database belongs to: alike in all its databases.
create table store (
  only_row integer primary key default 1 check (only_row = 1),
  id blob not null check (length(id) = 16)
) strict, without rowid;

-- The services whose databases that store has. One of them that is missing is a loss, not a new shop.
create table store_services (service text primary key) strict, without rowid;
