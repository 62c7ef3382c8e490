-- A release that does not know unlisted products shows them as drafts. One that it puts on sale, and makes a draft later, is a draft,
-- and nobody but its seller sees it.
create function products_listed() returns trigger language plpgsql as
  'begin new.unlisted := false; return new; end';
create trigger products_listed before update of status on products for each row
  when (new.unlisted and new.status <> 'draft') execute function products_listed();
