-- Sellers of whom nothing is for sale, whatever the status of their products. `mark` names the request that put an entry here: only
-- who knows it may end it.
create table sellers_off_sale (
    seller_id uuid primary key,
    mark uuid not null,
    erased boolean not null,
    since bigint not null
);
create index sellers_off_sale_since on sellers_off_sale (since);
