-- A new username differs from all others in more than case and characters that look alike. This holds for releases that do not know
-- it, too. Accounts that were alike before keep their names: the first of them holds the key, the others are excepted.
alter table accounts add column username_excepted boolean not null default false;
update accounts set username_excepted = true where id in (
  select id from (
    select id, row_number() over (
      partition by replace(replace(replace(lower(username), 'i', 'l'), '1', 'l'), 'o', '0') order by created_at, id
    ) as place from accounts
  ) as places where place > 1
);
create unique index "accounts.username_key" on accounts (replace(replace(replace(lower(username), 'i', 'l'), '1', 'l'), 'o', '0'))
  where not username_excepted;
create index accounts_excepted_usernames on accounts (replace(replace(replace(lower(username), 'i', 'l'), '1', 'l'), 'o', '0'))
  where username_excepted;
