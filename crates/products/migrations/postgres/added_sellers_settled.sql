-- Whether the account is erased and had no products when the last of its requests was over: counts need not look at it.
alter table sellers_off_sale add column settled boolean not null default false;
create index sellers_off_sale_unsettled on sellers_off_sale (seller_id) where not settled;
