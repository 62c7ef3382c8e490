-- Accounts that still have a hash of the monolith's kind, by its cost: while there are any, refusals take as long as theirs.
create index accounts_bcrypt on accounts (substr(password_hash, 5, 2)) where substr(password_hash, 1, 2) = '$2';
