-- A release that does not know unlisted products shows them as drafts. One that it puts on sale, and makes a draft later, is a draft,
-- and nobody but its seller sees it.
create trigger products_listed after update of status on products when new.unlisted = 1 and new.status <> 'draft'
begin
  update products set unlisted = 0 where id = new.id;
end;
