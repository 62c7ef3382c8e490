-- What administrators list: those of a role, and those who are active or not, newest first.
create index accounts_by_role on accounts (role, created_at, id);
create index accounts_by_active on accounts (active, created_at, id);
