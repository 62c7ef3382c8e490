\set seller random(1, 10000)
\set category random(1, 20)
insert into products (seller_id, name, description, price, category, stock)
values (:seller, 'New product', repeat('d', 200), 12.5, 'category-' || lpad((:category)::text, 2, '0'), 5);
