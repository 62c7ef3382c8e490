-- Accounts that were registered, by day of UTC.
create table accounts_per_day (
  -- Days since 1970-01-01.
  day bigint primary key,
  accounts bigint not null
);
